"""Answers under concurrency, which must equal the serial ones."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ..drawn_photos import small_photos
from ..reference import classifier

THREADS = 16
TOLERANCE = 1e-6
"""Largest difference between probabilities of the same answer."""

Answer = NDArray[np.float32]
"""Probabilities of all labels."""


def threads(quick: bool) -> tuple[float, str]:
    """Answer all photos serially, then in every thread, each starting elsewhere in the list."""
    photos = small_photos(20 if quick else 500)
    model = classifier()

    def answers(first: int = 0) -> list[Answer]:
        rotated = [photos[(first + step) % len(photos)] for step in range(len(photos))]
        outputs = [model.identify(photo, timeout=None).probabilities for photo in rotated]
        return outputs[len(photos) - first :] + outputs[: len(photos) - first]

    serial = answers()
    starts = [thread * len(photos) // THREADS for thread in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        concurrent = [answer for part in pool.map(answers, starts) for answer in part]
    return count_differences(serial * THREADS, concurrent)


def count_differences(expected: list[Answer], actual: list[Answer]) -> tuple[int, str]:
    """Count answers with another top label or a probability more than 1e-6 away."""
    distances = [float(np.abs(a - b).max()) for a, b in zip(expected, actual, strict=True)]
    label_differs = [np.argmax(a) != np.argmax(b) for a, b in zip(expected, actual, strict=True)]
    count = sum(
        differs or distance > TOLERANCE
        for differs, distance in zip(label_differs, distances, strict=True)
    )
    inexact = sum(distance > 0 for distance in distances)
    return count, (
        f"{len(actual)} answers; same top label and all probabilities within {TOLERANCE:g}; "
        f"{inexact} are not bit-equal, the largest by {max(distances, default=0.0):.1g}"
    )
