"""A photo's bytes → an answer, against fastai's own ``learn.predict``."""

from typing import Any

import numpy as np

from ..photos import phone, small
from ..reference import classifier, learner, predict
from ..registry import benchmark
from ..timing import pairs, timed

__all__ = ["predict_phone", "predict_small"]


@benchmark(
    "predict-small",
    "JPEG bytes of 500 × 375 pixels → answer, against `learn.predict` of the same learner",
    target=0.30,
)
def predict_small(quick: bool) -> tuple[float, str]:
    """Time both on a small photo."""
    return _against_fastai(small(), 5 if quick else 100)


@benchmark(
    "predict-12mp",
    "JPEG bytes of 12 megapixels → answer, against `learn.predict` of the same learner",
    target=0.35,
)
def predict_phone(quick: bool) -> tuple[float, str]:
    """Time both on a phone's photo."""
    return _against_fastai(phone(), 3 if quick else 40)


def _against_fastai(photo: bytes, count: int) -> tuple[float, str]:
    ours, learn = classifier(), learner()
    with learn.no_bar():
        found = pairs(
            timed(lambda: ours.identify(photo)),
            timed(lambda: predict(learn, photo)),
            count,
            warm=3,
        )
        same = _compared(photo, learn)
    return found.ratio, f"{found}; {len(photo) / 1e6:.2g} MB; fastai without its bar; {same}"


def _compared(photo: bytes, learn: Any) -> str:
    """How far the two answers are apart: a fast wrong answer would be no figure."""
    ours = classifier().identify(photo)
    label, probabilities = predict(learn, photo)
    apart = float(np.abs(ours.probabilities - probabilities).max())
    first = ours.top(1)[0].label
    both = f"both say {label!r}" if first == label else f"{first!r} against {label!r}"
    return f"{both}, probabilities differ by at most {apart:.1g}"
