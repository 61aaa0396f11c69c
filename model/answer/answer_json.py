"""An answer as JSON for the app's own pages, in words and numbers, as the device gives it."""

from typing import Any

from ..bundle import Manifest, SmallCard
from ..engine_info import ENGINES
from .decision import certainty
from .device_words import phrase_to_json
from .phrases import format_percent, headline, trust_lines
from .prediction import Prediction
from .share_link import encode


def answer_to_json(
    prediction: Prediction,
    manifest: Manifest | None,
    top: int = 5,
    *,
    token: str = "",
    small: SmallCard | None = None,
) -> dict[str, Any]:
    """Return what ``device/view/identifier.mjs`` calls an answer.

    Args:
        prediction: of any engine.
        manifest: of the version that answered; None if it no longer exists.
        top: number of candidates.
        token: of the answer's link; by default a new one, which is signed.
        small: the small graph's figures, for answers of that graph.
    """
    lines = trust_lines(prediction, manifest, small)
    runs_in, times = ENGINES[prediction.engine].runs_in, prediction.milliseconds
    graph = {"runs_in": runs_in, "graph": prediction.graph} if runs_in == "device" else {}
    return {
        "prediction": {**prediction.to_dict("-", top), **graph},
        "percents": [format_percent(item.probability) for item in prediction.top(top)],
        "headline": phrase_to_json(headline(prediction)),
        "lines": [phrase_to_json(line) for line in lines],
        "certainty": certainty(prediction),
        "language": prediction.language,
        "recipe": manifest and manifest.recipe.model_dump(mode="json"),
        "where": runs_in,
        "from_pixels": prediction.from_pixels,
        "milliseconds": times and round(times.total, 2),
        "token": token or encode(prediction),
    }
