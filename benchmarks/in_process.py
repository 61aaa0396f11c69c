"""Answers in this process, against fastai, bare ONNX Runtime and loops written by hand."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

from model import resources
from model.engines.compiled import GRAPH, REQUIRED_OUTPUTS, OnnxEngine
from model.preprocess import FILTERS, preprocess
from model.storage.photo_files import map_ordered

from .apps import learner
from .figure import Pairs, measure_pairs, timer
from .inputs import classifier, phone_photo, small_photo, small_photos, write_photos

THREADS = 16
TOLERANCE = 1e-6
"""Largest difference between probabilities of the same answer."""

Answer = NDArray[np.float32]
"""Probabilities of all labels."""


def against_fastai(make_photo: Callable[[], bytes], count: int, quick: bool) -> tuple[float, str]:
    """Time ``count`` answers of both for a photo, and compare the answers."""
    from fastai.vision.all import PILImage

    photo, ours, theirs = make_photo(), classifier(), learner()

    def predict() -> Any:
        return theirs.predict(PILImage.create(photo))

    with theirs.no_bar():
        readings = measure_pairs(
            timer(lambda: ours.identify(photo)), timer(predict), 5 if quick else count, warm=3
        )
        label, _, probabilities = predict()
    answer = ours.identify(photo)
    apart = float(np.abs(answer.probabilities - probabilities.numpy()).max())
    return readings.ratio, (
        f"{readings}; {len(photo) / 1e6:.2g} MB; fastai without its progress bar; "
        f"{answer.top(1)[0].label!r} against {label!r}, probabilities differ by at most {apart:.1g}"
    )


def overhead(quick: bool) -> tuple[float, str]:
    """Time decoded photo → answer against the session alone, with the engine's options."""
    count = 10 if quick else 200
    ours = classifier()
    assert isinstance(ours.engine, OnnxEngine)
    # Options are read from the engine's session, so that the two can't differ.
    session = _open_session(ours.engine._ort_session.get_session_options())  # noqa: SLF001

    def measure(photo: bytes) -> Pairs:
        decoded = ours.read_photo(photo)
        pixels = preprocess(decoded.image, ours.bundle.manifest.recipe)[None]
        bare = timer(lambda: session.run(list(REQUIRED_OUTPUTS), {"pixels": pixels}))
        return measure_pairs(timer(lambda: ours.identify(decoded)), bare, count, warm=5)

    small, phone = measure(small_photo()), measure(phone_photo())
    return small.ratio, f"{small}; 12 megapixels {phone.ratio:.2f}: {phone}"


def _open_session(options: ort.SessionOptions) -> ort.InferenceSession:
    graph = classifier().bundle.read(GRAPH)
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def folder(quick: bool) -> tuple[float, str]:
    """Return the worse of two throughput ratios, for small photos and for those of a phone."""
    count, rounds, distinct, copies = (8, 2, 3, 1) if quick else (200, 7, 8, 3)
    names = ("cat", "coffee")
    phone = [phone_photo(names[index % 2], index) for index in range(distinct)]
    identify = partial(classifier().identify, timeout=None)

    def measure(photos: Sequence[Path]) -> Pairs:
        return against_loops(timer(lambda: list(map_ordered(identify, photos))), photos, rounds)

    readings = {
        "500 × 375": measure(write_photos("small", small_photos(count))),
        "12 megapixels": measure(write_photos("phone", phone * copies)),
    }
    details = [f"{name} {1 / pair.ratio:.2f} ({pair})" for name, pair in readings.items()]
    rate = min(1 / pair.ratio for pair in readings.values())
    return rate, f"the worse of {'; '.join(details)}; {resources.cores()} cores"


def against_loops(ours: Callable[[], float], photos: Sequence[Path], rounds: int) -> Pairs:
    """Compare with the faster of two loops: ONNX Runtime with one thread, or with one per core."""
    loops = [baseline_loop(photos, threads) for threads in {1, resources.cores()}]
    readings = [measure_pairs(ours, timer(loop), rounds) for loop in loops]
    return max(readings, key=lambda pair: pair.ratio)


def baseline_loop(photos: Sequence[Path], session_threads: int) -> Callable[[], list[Any]]:
    """Return a loop that decodes, resizes and runs on one thread per core, and nothing else."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = session_threads
    session = _open_session(options)

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


def threads(quick: bool) -> tuple[float, str]:
    """Answer all photos serially, then in every thread, each starting elsewhere in the list."""
    photos, model = small_photos(20 if quick else 500), classifier()

    def answers(first: int = 0) -> list[Answer]:
        order = photos[first:] + photos[:first]
        outputs = [model.identify(photo, timeout=None).probabilities for photo in order]
        return outputs[len(photos) - first :] + outputs[: len(photos) - first]

    serial = answers()
    starts = [thread * len(photos) // THREADS for thread in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        concurrent = [answer for part in pool.map(answers, starts) for answer in part]
    return count_differences(serial * THREADS, concurrent)


def count_differences(expected: list[Answer], actual: list[Answer]) -> tuple[int, str]:
    """Count answers with another top label or a probability more than 1e-6 away."""
    first, second = np.array(expected), np.array(actual)
    distances = np.abs(first - second).max(axis=1)
    differs = (first.argmax(axis=1) != second.argmax(axis=1)) | (distances > TOLERANCE)
    return int(differs.sum()), (
        f"{len(actual)} answers; same top label and all probabilities within {TOLERANCE:g}; "
        f"{(distances > 0).sum()} are not bit-equal, the largest by {distances.max():.1g}"
    )
