"""Throughput on a folder of photos, against the fastest hand-written loop."""

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
from model.answer.prediction import Prediction
from model.engines.compiled import GRAPH
from model.preprocess import FILTERS
from model.storage.photo_files import list_photos, map_ordered

from ..drawn_photos import phone_photo, small_photos, write_photo
from ..paths import BUILD
from ..reference import classifier
from ..timing import Pairs, measure_pairs, timer


def folder(quick: bool) -> tuple[float, str]:
    """Return the worse of two ratios, for small photos and for those of a phone."""
    count, rounds = (8, 2) if quick else (200, 7)
    readings = {
        "500 × 375": _measure(_small_photos(count), rounds),
        "12 megapixels": _measure(_phone_photos(3 if quick else 8, 1 if quick else 3), rounds),
    }
    rates = {name: 1 / pair.ratio for name, pair in readings.items()}
    details = [f"{name} {rates[name]:.2f} ({pair})" for name, pair in readings.items()]
    return min(rates.values()), f"the worse of {'; '.join(details)}; {resources.cores()} cores"


def _measure(photos: list[Path], rounds: int) -> Pairs:
    """Compare with the faster of two loops: ONNX Runtime with one thread, or with one per core."""
    ours = classifier()

    def identify() -> list[Prediction]:
        return list(map_ordered(partial(ours.identify, timeout=None), photos))

    baselines = [baseline_loop(photos, threads) for threads in {1, resources.cores()}]
    readings = [measure_pairs(timer(identify), timer(loop), rounds) for loop in baselines]
    return max(readings, key=lambda pair: pair.ratio)


def baseline_loop(photos: list[Path], session_threads: int) -> Callable[[], list[Any]]:
    """Return a loop that decodes, resizes and runs on one thread per core, and nothing else."""
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
    """Preprocess by hand as this model's config says: centre square, resize, centre crop."""
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
    return [
        write_photo(f"folder/small/{index:04}.jpg", data)
        for index, data in enumerate(small_photos(count))
    ]


def _phone_photos(distinct: int, copies: int) -> list[Path]:
    """Write phone photos to their own folder, each several times under different names."""
    where = BUILD / "photos" / "folder" / "phone"
    for index in range(distinct):
        first = write_photo(
            f"folder/phone/{index:02}-0.jpg", phone_photo(("cat", "coffee")[index % 2], index)
        )
        for copy in range(1, copies):
            other = where / f"{index:02}-{copy}.jpg"
            other.unlink(missing_ok=True)
            os.link(first, other)
    return list_photos(where)[: distinct * copies]
