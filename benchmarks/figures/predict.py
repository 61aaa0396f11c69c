"""Photo bytes → answer in this process, against fastai and against bare ONNX Runtime."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort

from model.engines.compiled import GRAPH, REQUIRED_OUTPUTS, OnnxEngine
from model.preprocess import preprocess

from ..drawn_photos import phone_photo, small_photo
from ..reference import classifier, learner, predict
from ..timing import Pairs, measure_pairs, timer


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


def overhead(quick: bool) -> tuple[float, str]:
    """Time decoded photo → answer against the session alone, with the engine's options."""
    count = 10 if quick else 200
    small, phone = _measure_overhead(small_photo(), count), _measure_overhead(phone_photo(), count)
    return small.ratio, f"{small}; 12 megapixels {phone.ratio:.2f}: {phone}"


def _measure_overhead(photo: bytes, count: int) -> Pairs:
    ours = classifier()
    session = _bare_session()
    decoded = ours.read_photo(photo)
    pixels = preprocess(decoded.image, ours.bundle.manifest.recipe)[None]
    return measure_pairs(
        timer(lambda: ours.identify(decoded)),
        timer(lambda: session.run(list(REQUIRED_OUTPUTS), {"pixels": pixels})),
        count,
        warm=5,
    )


def _bare_session() -> ort.InferenceSession:
    engine = classifier().engine
    assert isinstance(engine, OnnxEngine)
    # Options are read from the engine's session, so that the two can't differ.
    options = engine._ort_session.get_session_options()  # noqa: SLF001
    graph = engine.bundle.read(GRAPH)
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
