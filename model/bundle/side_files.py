"""Files beside ``bundle.json``, which it doesn't list, so that the version stays if they change.

``small.json`` has the calibration and the figures of a bundle's small graph, which is derived from
the bundle's: neither the version nor a share link depends on it. If it is missing or damaged, the
small graph uses the full graph's calibration.
"""

import json
import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from ..errors import BundleError, LoupeError
from ..storage.disk import replace_atomically
from .bundle import Bundle
from .manifest import SMALL_CARD, Calibration, Metric
from .model_card import ModelCard, OodResult, StrictModel

T = TypeVar("T")
Parse = Callable[[Any, Bundle], T]
"""Parser of a file beside a bundle; it takes the decoded JSON and the bundle."""

log = logging.getLogger("loupe")


def load_beside(bundle: Bundle, name: str, max_bytes: int, parse: Parse[T]) -> T | None:
    """Return a JSON file's content; None if there is none, or a damaged one, which is logged.

    A file is damaged if ``parse`` raises a ``LoupeError``, ``OSError`` or ``ValueError``.
    """
    path = bundle.folder / name
    try:
        status = path.lstat()
    except OSError:
        return None
    key = status.st_mtime_ns, status.st_ino, status.st_size
    try:
        content: T | None = _load(path, max_bytes, parse, bundle.version, key)
    except (OSError, BundleError) as error:
        log.warning("%s is ignored: %s", path, str(error)[:300])
        return None
    return content


# Cached until the file changes, as manifests are; so a damaged one is logged once. The samples
# of a model take 250 kB.
@lru_cache(maxsize=64)
def _load(path: Path, max_bytes: int, parse: Parse[T], version: str, _key: object) -> T | None:
    # Errors from here aren't cached, since the model may be complete again in a moment.
    bundle = Bundle.open(path.parent)
    try:
        if bundle.version != version:
            raise ValueError(f"the model is now {bundle.version}, and it was {version}")
        return parse(json.loads(read_beside(path, max_bytes)), bundle)
    except (OSError, ValueError, RecursionError, LoupeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        log.warning("%s is ignored: %s", path, reason[:300])
        return None


def read_beside(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a file beside a bundle.

    Raises:
        ValueError: it isn't a plain file, or is larger.
    """
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{path.name} isn't a file")
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"{path.name} has more than {max_bytes:,} bytes")
    return data


def write_beside(path: Path, data: bytes) -> None:
    """Write a file beside a bundle, in place of a previous one."""
    with replace_atomically(path, durable=True) as new:
        new.write_bytes(data)
        new.chmod(0o644)


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
    """Return a small card, after checking that it belongs to the bundle."""
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
    """Write a bundle's small card, in place of a previous one."""
    text = card.model_dump_json(exclude_none=True, indent=1) + "\n"
    write_beside(bundle.folder / SMALL_CARD, text.encode())
