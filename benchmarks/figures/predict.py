"""Photo bytes → answer, against fastai's own ``learn.predict``."""

from typing import Any

import numpy as np

from ..photos import phone_photo, small_photo
from ..reference import classifier, learner, predict
from ..registry import benchmark
from ..timing import measure_pairs, timer

__all__ = ["predict_phone", "predict_small"]


@benchmark(
    "predict-small",
    "JPEG bytes of 500 × 375 pixels → answer, against `learn.predict` of the same learner",
    target=0.30,
)
def predict_small(quick: bool) -> tuple[float, str]:
    """Time both on a small photo."""
    return _against_fastai(small_photo(), 5 if quick else 100)


@benchmark(
    "predict-12mp",
    "JPEG bytes of 12 megapixels → answer, against `learn.predict` of the same learner",
    target=0.35,
)
def predict_phone(quick: bool) -> tuple[float, str]:
    """Time both on a phone's photo."""
    return _against_fastai(phone_photo(), 3 if quick else 40)


def _against_fastai(photo: bytes, count: int) -> tuple[float, str]:
    ours, learn = classifier(), learner()
    with learn.no_bar():
        readings = measure_pairs(
            timer(lambda: ours.identify(photo)),
            timer(lambda: predict(learn, photo)),
            count,
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
