"""``small.json``: the calibration and the figures of a bundle's small graph.

The small graph is derived from the bundle's, so this file is beside ``bundle.json`` and isn't
listed in it: neither the version nor a share link depends on it. If it is missing or damaged, the
small graph uses the full graph's calibration.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from .bundle import Bundle
from .manifest import SMALL_CARD, Calibration, Metric
from .model_card import ModelCard, OodResult, StrictModel
from .side_files import load_beside, write_beside

MAX_BYTES = 8 * 2**20

Count = Annotated[int, Field(ge=0)]


class GraphAgreement(StrictModel):
    """A set of photos, and on how many of them both graphs agree.

    ``top_label`` counts equal top labels, ``known`` photos on which both or neither say "none of
    these", by thresholds that were fitted on other photos; None if the model can't say that.
    """

    name: Annotated[str, Field(min_length=1, max_length=300)]
    photos: Annotated[int, Field(ge=1)]
    top_label: Count
    known: Count | None = None


class SmallCard(StrictModel):
    """Calibration and figures of a small graph.

    ``version`` is the bundle's and ``graph`` the SHA-256 of the small graph, before the
    calibration's temperature was put into it. ``metrics`` are the small graph's figures and
    ``full_metrics`` the full graph's, on the same photos.
    """

    format: Literal[1]
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    graph: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    calibration: Annotated[Calibration | None, Field(alias="confidence")] = None
    metrics: tuple[Metric, ...]
    full_metrics: tuple[Metric, ...]
    card: ModelCard | None = None
    agreement: tuple[GraphAgreement, ...] = ()

    def metric(self, name: str) -> Metric | None:
        """Return the small graph's metric of that name, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def full_metric(self, name: str) -> Metric | None:
        """Return the full graph's metric of that name, or None."""
        return next((metric for metric in self.full_metrics if metric.name == name), None)


def read_small_card(bundle: Bundle) -> SmallCard | None:
    """Return a bundle's small card; None if it has none, or a damaged one, which is logged."""
    return load_beside(bundle, SMALL_CARD, MAX_BYTES, _parse)


def named_ood_sets(bundle: Bundle) -> tuple[OodResult, ...]:
    """Return the OOD sets of a model's card by their names in its small card.

    Those can be corrected without a new version.
    """
    card, small = bundle.manifest.card, read_small_card(bundle)
    sets = card.ood_sets if card else ()
    named = small.card.ood_sets if small and small.card else ()
    if [result.photos for result in sets] != [result.photos for result in named]:
        return sets
    return tuple(
        result.model_copy(update={"name": other.name})
        for result, other in zip(sets, named, strict=True)
    )


def _parse(values: Any, bundle: Bundle) -> SmallCard:
    """Return a small card, after checking that it belongs to the bundle.

    Raises:
        ValueError: it doesn't, or is invalid.
    """
    card = SmallCard.model_validate(values)
    if card.version != bundle.version:
        raise ValueError(f"it is of version {card.version}, and the model is {bundle.version}")
    if card.card and card.card.highest_label >= len(bundle.labels):
        raise ValueError("card: a label index is out of range")
    if _parts(card.calibration) != _parts(bundle.manifest.calibration):
        raise ValueError("confidence: it isn't of the same kind as the model's")
    return card


def _parts(calibration: Calibration | None) -> tuple[object, ...] | None:
    """Return what two calibrations of the same detector and labels have in common."""
    if calibration is None:
        return None
    rule = calibration.prediction_set
    return (
        rule and len(rule.label_thresholds),
        calibration.ood_threshold is None,
        calibration.ood_detector,
    )


def write_small_card(bundle: Bundle, card: SmallCard) -> None:
    """Write a bundle's small card, in place of a previous one.

    Raises:
        OSError: it cannot be written.
    """
    text = card.model_dump_json(exclude_none=True, indent=1) + "\n"
    write_beside(bundle.folder / SMALL_CARD, text.encode())
