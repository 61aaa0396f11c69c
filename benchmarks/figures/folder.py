"""A folder of photos, against the fastest loop that can be written by hand."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from PIL import Image

from model import resources
from model.engines.compiled import GRAPH
from model.photo_files import list_photos, map_ordered
from model.prediction import Prediction
from model.preprocess import FILTERS

from ..photos import file, many, phone
from ..places import BUILD
from ..reference import classifier
from ..registry import benchmark
from ..timing import Pairs, pairs, timed

__all__ = ["by_hand", "folder"]


@benchmark(
    "folder",
    "photos a second from a folder, against decoder and bare ONNX Runtime run flat out",
    target=0.85,
    at_least=True,
)
def folder(quick: bool) -> tuple[float, str]:
    """Two folders, small and phone photos; the worse one counts."""
    count, rounds = (8, 2) if quick else (200, 7)
    found = {
        "500 × 375": _measured(_small_photos(count), rounds),
        "12 megapixels": _measured(_phone_photos(3 if quick else 8, 1 if quick else 3), rounds),
    }
    rates = {name: 1 / seconds.ratio for name, seconds in found.items()}
    details = [f"{name} {rates[name]:.2f} ({seconds})" for name, seconds in found.items()]
    return min(rates.values()), f"the worse of {'; '.join(details)}; {resources.cores()} cores"


def _measured(photos: list[Path], rounds: int) -> Pairs:
    """Ours against the faster of two loops: a session with one thread, or with one a core."""
    ours = classifier()

    def identify() -> list[Prediction]:
        return list(map_ordered(partial(ours.identify, patient=True), photos))

    rivals = [by_hand(photos, threads) for threads in {1, resources.cores()}]
    found = [pairs(timed(identify), timed(rival), rounds) for rival in rivals]
    return max(found, key=lambda seconds: seconds.ratio)


def by_hand(photos: list[Path], session_threads: int) -> Callable[[], list[Any]]:
    """Decode, resize, run: a thread a core, and nothing else. Gives all probabilities."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = session_threads
    bundle = classifier().bundle
    session = ort.InferenceSession(bundle.read(GRAPH), options, providers=["CPUExecutionProvider"])

    def answer(photo: Path) -> Any:
        return session.run(["probabilities"], {"pixels": _pixels(photo)})[0][0]

    def run() -> list[Any]:
        with ThreadPoolExecutor(resources.cores()) as pool:
            return list(pool.map(answer, photos))

    return run


def _pixels(photo: Path) -> Any:
    """The recipe for this model by hand: a centre square, resized, its middle cut out."""
    recipe = classifier().bundle.manifest.recipe
    resize, crop = recipe.resize[0], recipe.size[0]
    with Image.open(photo) as image:
        image.draft("RGB", (2 * resize, 2 * resize))
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.crop((left, top, left + side, top + side))
    edge = (resize - crop) // 2
    small = square.resize((resize, resize), FILTERS[recipe.interpolation])
    return np.asarray(small.crop((edge, edge, edge + crop, edge + crop)))[None]


def _small_photos(count: int) -> list[Path]:
    return [file(f"folder/small/{at:04}.jpg", data) for at, data in enumerate(many(count))]


def _phone_photos(different: int, copies: int) -> list[Path]:
    """Phone photos in a folder of their own, each several times under other names."""
    where = BUILD / "photos" / "folder" / "phone"
    for turn in range(different):
        first = file(f"folder/phone/{turn:02}-0.jpg", phone(("cat", "coffee")[turn % 2], turn))
        for copy in range(1, copies):
            other = where / f"{turn:02}-{copy}.jpg"
            other.unlink(missing_ok=True)
            os.link(first, other)
    return list_photos(where)[: different * copies]
