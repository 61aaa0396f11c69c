"""Time that Loupe adds to the network once a photo is decoded."""

import onnxruntime as ort

from model.engines.compiled import GRAPH, REQUIRED_OUTPUTS, OnnxEngine
from model.preprocess import preprocess

from ..photos import phone_photo, small_photo
from ..reference import classifier
from ..timing import Pairs, measure_pairs, timer

__all__ = ["overhead"]


def overhead(quick: bool) -> tuple[float, str]:
    """Time decoded photo → answer, and the session alone with the engine's options."""
    count = 10 if quick else 200
    small, phone = _measure(small_photo(), count), _measure(phone_photo(), count)
    return small.ratio, f"{small}; 12 megapixels {phone.ratio:.2f}: {phone}"


def _measure(photo: bytes, count: int) -> Pairs:
    ours = classifier()
    session = _bare()
    decoded = ours.read_photo(photo)
    pixels = preprocess(decoded.image, ours.bundle.manifest.recipe)[None]
    return measure_pairs(
        timer(lambda: ours.identify(decoded)),
        timer(lambda: session.run(list(REQUIRED_OUTPUTS), {"pixels": pixels})),
        count,
        warm=5,
    )


def _bare() -> ort.InferenceSession:
    engine = classifier().engine
    assert isinstance(engine, OnnxEngine)
    # Options are read from the engine's session, so that the two can't differ.
    options = engine._ort_session.get_session_options()  # noqa: SLF001
    graph = engine.bundle.read(GRAPH)
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
