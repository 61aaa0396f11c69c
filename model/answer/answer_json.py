"""The words of an answer as JSON for the app's own pages, as the device gives them."""

from typing import Any

from ..bundle import Manifest, SmallCard
from ..engine_info import ENGINES
from .decision import certainty
from .device_words import phrase_to_json
from .phrases import format_percent, headline, trust_lines
from .prediction import Prediction
from .share_link import encode


def words_to_json(
    prediction: Prediction,
    manifest: Manifest | None,
    top: int,
    *,
    token: str = "",
    small: SmallCard | None = None,
) -> dict[str, Any]:
    """Return an answer without its prediction, in the form of ``device/visit/identifier.mjs``.

    Args:
        prediction: of any engine.
        manifest: of the version that answered; None if it no longer exists.
        top: number of candidates.
        token: of the answer's link; by default a new one, which is signed.
        small: the small graph's figures, for answers of that graph.
    """
    lines, times = trust_lines(prediction, manifest, small), prediction.milliseconds
    return {
        "percents": [format_percent(item.probability) for item in prediction.top(top)],
        "headline": phrase_to_json(headline(prediction)),
        "lines": [phrase_to_json(line) for line in lines],
        "certainty": certainty(prediction),
        "language": prediction.language,
        "recipe": manifest and manifest.recipe.model_dump(mode="json"),
        "where": ENGINES[prediction.engine].runs_in,
        "from_pixels": prediction.from_pixels,
        "milliseconds": times and round(times.total, 2),
        "token": token or encode(prediction),
    }
