"""Photo bytes → answer, against fastai's own ``learn.predict``."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..reference import classifier, learner, predict
from ..timing import measure_pairs, timer

__all__ = ["against_fastai"]


def against_fastai(make_photo: Callable[[], bytes], count: int, quick: bool) -> tuple[float, str]:
    """Time ``count`` answers of both for a photo."""
    photo, ours, learn = make_photo(), classifier(), learner()
    with learn.no_bar():
        readings = measure_pairs(
            timer(lambda: ours.identify(photo)),
            timer(lambda: predict(learn, photo)),
            5 if quick else count,
            warm=3,
        )
        comparison = _compare(photo, learn)
    details = f"{len(photo) / 1e6:.2g} MB; fastai without its progress bar; {comparison}"
    return readings.ratio, f"{readings}; {details}"


def _compare(photo: bytes, learn: Any) -> str:
    """Describe how far apart the two answers are: speed means nothing if the answer is wrong."""
    ours = classifier().identify(photo)
    label, probabilities = predict(learn, photo)
    apart = float(np.abs(ours.probabilities - probabilities).max())
    top_label = ours.top(1)[0].label
    both = f"both say {label!r}" if top_label == label else f"{top_label!r} against {label!r}"
    return f"{both}, probabilities differ by at most {apart:.1g}"
