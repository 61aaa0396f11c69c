"""What Loupe adds to the network once a photo is decoded."""

import onnxruntime as ort

from model.engines.compiled import GRAPH, NEEDED, OnnxEngine
from model.preprocess import preprocess

from ..photos import phone, small
from ..reference import classifier
from ..registry import benchmark
from ..timing import Pairs, pairs, timed

__all__ = ["overhead"]


@benchmark(
    "overhead",
    "everything but decoding, against bare ONNX Runtime on the same tensor",
    target=1.3,
)
def overhead(quick: bool) -> tuple[float, str]:
    """Time a decoded photo → answer, and the session alone with the engine's own options."""
    count = 10 if quick else 200
    of_small, of_phone = _measured(small(), count), _measured(phone(), count)
    return of_small.ratio, f"{of_small}; of a 12-megapixel photo {of_phone.ratio:.2f}: {of_phone}"


def _measured(photo: bytes, count: int) -> Pairs:
    ours = classifier()
    session = _bare()
    decoded = ours.photo(photo)
    pixels = preprocess(decoded.image, ours.bundle.manifest.recipe)[None]
    return pairs(
        timed(lambda: ours.identify(decoded)),
        timed(lambda: session.run(list(NEEDED), {"pixels": pixels})),
        count,
        warm=5,
    )


def _bare() -> ort.InferenceSession:
    engine = classifier().engine
    assert isinstance(engine, OnnxEngine)
    # Read from the engine's session, so that the two cannot come to differ.
    options = engine._session.get_session_options()  # noqa: SLF001
    graph = engine.bundle.read(GRAPH)
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
