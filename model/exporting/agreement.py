"""How often the small graph answers as the full one, on a folder of photos.

python -m model.exporting.agreement clothing photos/
"""

import gzip
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..bundle import Bundle
from ..bundle.registry import get_bundle
from ..errors import PhotoError
from ..photo import read
from ..prediction import ranking
from ..preprocess import preprocess
from .device_files import device_dir, run_graph

__all__ = ["Agreement", "measure_agreement"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of photos on which both graphs agree.

    Attributes:
        top1: the same top label.
        known: both or neither say "none of these"; None if the bundle cannot tell.
        difference: the largest difference of a probability.
    """

    photos: int
    top1: int
    known: int | None
    difference: float


def measure_agreement(bundle: Bundle, photos: Iterable[Path]) -> Agreement:
    """Compare the small graph with the full one on the same pixels; unreadable photos are left out.

    Raises:
        EngineUnavailable: the device files cannot be made on this machine.
    """
    folder = device_dir(bundle)
    info = json.loads((folder / "model.json").read_text("utf-8"))
    entries = [info["graphs"][name] for name in ("full", "small")]
    graphs = [gzip.decompress((folder / entry["url"]).read_bytes()) for entry in entries]
    recipe = bundle.manifest.recipe
    pixels = []
    for path in photos:
        try:
            photo = read(path.read_bytes(), resize=recipe.min_decode_size)
        except PhotoError:
            continue
        pixels.append(preprocess(photo.image, recipe))
    full, small = (run_graph(graph, np.stack(pixels)) for graph in graphs)
    both = [output["probabilities"] for output in (full, small)]
    known = None
    if "novelty" in full and entries[0]["calibration"]:
        accepted = [
            output["novelty"].ravel() <= entry["calibration"]["ood_threshold"]
            for output, entry in zip((full, small), entries, strict=True)
        ]
        known = int((accepted[0] == accepted[1]).sum())
    return Agreement(
        photos=len(pixels),
        top1=sum(int(ranking(a)[0] == ranking(b)[0]) for a, b in zip(*both, strict=True)),
        known=known,
        difference=float(np.abs(both[0] - both[1]).max()),
    )


def _main(name: str, folder: str) -> None:
    photos = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    print(measure_agreement(get_bundle(name), photos))  # noqa: T201


if __name__ == "__main__":
    _main(*sys.argv[1:])
