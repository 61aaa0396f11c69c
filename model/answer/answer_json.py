"""Answers as JSON: their words for the app's own pages, and what a visitor's browser reports.

A report is untrusted: its fields are checked against the bundle that it is about, and no text is
taken from it.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ..bundle import Bundle, Manifest, SmallCard
from ..engine_info import ENGINES
from .phrases import format_percent, headline, phrase_to_json, trust_lines
from .prediction import Prediction, certainty, rebuild_probabilities
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
        manifest: of the version that answered; None if it no longer exists.
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


MAX_LABELS = 50
"""Most labels that a browser reports."""

SUM_TOLERANCE = 1e-3
"""Largest error of a sum of probabilities that were rounded to six digits."""

TIE_TOLERANCE = 1e-3
"""Share by which a label may exceed the one before it: ties keep the bundle's order."""

Index = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class ReportedAnswer(BaseModel):
    """A browser's report of an answer, with labels by their number in the bundle.

    Attributes:
        labels: the likeliest labels with their probabilities.
        known: False for "none of these"; None if the bundle can't tell.
        novelty: the OOD score; None if the bundle has none.
        plausible: the prediction set, at most the labels reported; None without calibration.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    labels: Annotated[list[tuple[Index, Share]], Field(min_length=1, max_length=MAX_LABELS)]
    known: bool | None
    novelty: Annotated[float, Field(allow_inf_nan=False)] | None
    plausible: Annotated[list[Index], Field(min_length=1, max_length=MAX_LABELS)] | None

    def find_contradiction(self, bundle: Bundle) -> str:
        """Return what contradicts itself or the bundle, in words; empty if nothing does."""
        indices = [index for index, _ in self.labels]
        shares = [share for _, share in self.labels]
        if max(indices) >= len(bundle.labels) or len(set(indices)) < len(indices):
            return "it names labels that its model doesn't have, or one of them twice"
        if any(after > before * (1 + TIE_TOLERANCE) + 1e-6 for before, after in pairwise(shares)):
            return "its probabilities aren't in order"
        if not bundle.manifest.multilabel:
            total = sum(shares)
            is_complete = len(indices) == len(bundle.labels)
            if total > 1 + SUM_TOLERANCE or (is_complete and total < 1 - SUM_TOLERANCE):
                return "its probabilities don't add up"
        claims = (self.known, self.novelty, self.plausible)
        if not bundle.manifest.is_calibrated and claims != (None, None, None):
            return "its model isn't calibrated"
        if self.plausible is not None and self.plausible != indices[: len(self.plausible)]:
            return "its plausible labels aren't the likeliest ones"
        return ""

    def to_prediction(self, bundle: Bundle, engine: str, **values: Any) -> Prediction:
        """Return the prediction; ``values`` are its fields that are not about labels.

        Labels that weren't reported have the probability zero.
        """
        indices, shares = zip(*self.labels, strict=True)
        prediction = Prediction.of_bundle(
            bundle,
            engine,
            rebuild_probabilities(indices, shares, len(bundle.labels)),
            in_distribution=self.known,
            ood_score=self.novelty,
            **values,
        )
        if self.plausible is None:
            return prediction
        candidates = tuple(map(prediction.candidate, self.plausible))
        return replace(prediction, prediction_set=candidates)
