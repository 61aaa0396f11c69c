"""Whether answers stay the same when many people ask at once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ..photos import many
from ..reference import classifier
from ..registry import benchmark

__all__ = ["differing", "threads"]

THREADS = 16
CLOSE = 1e-6
"""How far two probabilities may be apart and still count as the same answer."""

Answer = NDArray[np.float32]
"""Probabilities of all labels."""


@benchmark(
    "threads",
    "16 threads × 500 photos: answers that differ from the serial ones",
    target=0,
    unit="answers",
)
def threads(quick: bool) -> tuple[float, str]:
    """Answer all photos one after the other, then in every thread, each from another start."""
    photos = many(20 if quick else 500)
    model = classifier()

    def answers(first: int = 0) -> list[Answer]:
        turned = [photos[(first + step) % len(photos)] for step in range(len(photos))]
        found = [model.identify(photo, patient=True).probabilities for photo in turned]
        return found[len(photos) - first :] + found[: len(photos) - first]

    serial = answers()
    starts = [thread * len(photos) // THREADS for thread in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        found = [answer for part in pool.map(answers, starts) for answer in part]
    return differing(serial * THREADS, found)


def differing(wanted: list[Answer], found: list[Answer]) -> tuple[int, str]:
    """How many answers have another first label or a probability more than 1e-6 away."""
    apart = [float(np.abs(a - b).max()) for a, b in zip(wanted, found, strict=True)]
    labels = [np.argmax(a) != np.argmax(b) for a, b in zip(wanted, found, strict=True)]
    count = sum(label or far > CLOSE for label, far in zip(labels, apart, strict=True))
    bits = sum(far > 0 for far in apart)
    return count, (
        f"{len(found)} answers; same first label and all probabilities within {CLOSE:g}; "
        f"{bits} are not bit-equal, the farthest by {max(apart, default=0.0):.1g}"
    )
