"""The result for one photo: candidates, prediction set, in or out of distribution, certainty.

The rules and templates of its words are in ``words.json``, which a browser gets as part of
``model.json``, so that page and device say the same.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..bundle import Bundle, Calibration
from ..bundle.manifest import PRESENT_FROM

Graph = Literal["full", "small"]
"""The graphs of a bundle; only devices run the small one."""

TIE_RATIO = 0.9998
"""Factor that separates two probabilities that were rounded to the same number."""


def ranking(probabilities: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the label indices, the most probable first.

    Labels whose probabilities agree to four digits keep the bundle's order: two engines
    differ in the sixth digit and must not rank a tie differently.
    """
    logarithms = np.log(np.maximum(probabilities.astype(np.float64), 1e-30))
    return np.argsort(-np.round(logarithms, 4), kind="stable")


def rebuild_probabilities(
    indices: Sequence[int], rounded: Sequence[float], count: int
) -> NDArray[np.float32]:
    """Return float32 [count]: rounded probabilities of some labels, zero for all others.

    Rounding may make labels equal, so the order of ``indices``, most probable first, decides.
    """
    probabilities = np.zeros(count, dtype=np.float32)
    previous = np.inf
    for index, value in zip(indices, rounded, strict=True):
        previous = min(value, previous * TIE_RATIO)
        probabilities[index] = previous
    return probabilities


@dataclass(frozen=True, slots=True)
class Candidate:
    """A label with its probability; ``index`` is its position in the bundle's labels.

    Probabilities are rounded to six digits, as in JSON, so that all decide alike.
    """

    index: int
    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Milliseconds:
    """Time per step; ``total`` covers the other three and the gaps between them."""

    decode: float
    preprocess: float
    engine: float
    total: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The result of one engine, one model and one version for a photo.

    Attributes:
        probabilities: float32, shape [labels], in the bundle's order.
        present_from: lowest probability that puts a multi-label model's label in the answer.
        calibrated: whether its calibration was measured on held-out photos.
        estimated: whether its temperature was only estimated, or a few-shot head never tested.
        in_distribution: False for "none of these"; None if the bundle cannot tell.
        ood_score: higher is more likely out of distribution; None if the bundle has none.
        prediction_set: the labels of the conformal set; None without calibration.
        milliseconds: None for a prediction from a share link.
        graph: the one that answered; a card may have been measured with the other.
        order: label indices, the most probable first, where rounding left equal probabilities;
            None for the order of ``ranking``.
        from_pixels: whether a browser made the pixels, so that the photo's file was never seen.
    """

    model: str
    version: str
    engine: str
    labels: tuple[str, ...] = field(repr=False)
    probabilities: NDArray[np.float32] = field(repr=False)
    milliseconds: Milliseconds | None = None
    language: str = "en"
    multilabel: bool = False
    present_from: float = PRESENT_FROM
    calibrated: bool = False
    estimated: bool = False
    in_distribution: bool | None = None
    ood_score: float | None = None
    prediction_set: tuple[Candidate, ...] | None = None
    graph: Graph = "full"
    from_pixels: bool = False
    order: tuple[int, ...] | None = field(default=None, repr=False)

    @classmethod
    def of_bundle(
        cls, bundle: Bundle, engine: str, probabilities: NDArray[np.float32], **values: Any
    ) -> "Prediction":
        """Return a prediction of a bundle's labels; ``values`` are the fields it doesn't state."""
        manifest = bundle.manifest
        return cls(
            model=bundle.name,
            version=bundle.version,
            engine=engine,
            labels=bundle.labels,
            probabilities=probabilities,
            language=manifest.language,
            multilabel=manifest.multilabel,
            present_from=manifest.present_from,
            calibrated=manifest.is_calibrated,
            estimated=manifest.is_estimated or manifest.is_untested,
            **values,
        )

    def top(self, count: int = 5) -> list[Candidate]:
        """Return the ``count`` most probable labels, best first."""
        order = ranking(self.probabilities) if self.order is None else self.order
        return [self.candidate(int(index)) for index in order[: max(0, count)]]

    def candidate(self, index: int) -> Candidate:
        """Return the label at ``index`` with its probability."""
        return Candidate(index, self.labels[index], round(float(self.probabilities[index]), 6))

    @property
    def answer(self) -> str | list[str] | None:
        """The top label; None if out of distribution; for multi-label a list of those present."""
        if self.multilabel:
            candidates = self.top(len(self.labels))
            return [c.label for c in candidates if c.probability >= self.present_from]
        return None if self.in_distribution is False else self.top(1)[0].label

    def to_dict(self, photo: str, top: int = 5) -> dict[str, object]:
        """Return the JSON object that the command line and the API print for a photo."""
        return {
            "photo": photo,
            "model": self.model,
            "version": self.version,
            "engine": self.engine,
            "answer": self.answer,
            "candidates": [
                {"label": item.label, "probability": item.probability} for item in self.top(top)
            ],
            "known": self.in_distribution,
            "novelty": self.ood_score,
            "plausible": None
            if self.prediction_set is None
            else [item.label for item in self.prediction_set],
            "milliseconds": None
            if self.milliseconds is None
            else {name: round(ms, 2) for name, ms in asdict(self.milliseconds).items()},
        }


WORDS: dict[str, Any] = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))
"""Words and rules. Of ``certainties`` the first rule that fits holds.

``when`` gives a fact's value, or its range. ``note`` is a template, as ``headline`` is, and so is
``shared``, for those who didn't ask: without it, the label and its percentage. ``record`` names the
track record that fits, if there is one.
"""


class Certainty(StrEnum):
    """Degree of certainty that the headline may express."""

    LIKELY = "likely"
    PROBABLE = "probable"
    FEW = "few"
    HARD = "hard"
    UNKNOWN = "unknown"
    GUESS = "guess"
    SEVERAL = "several"
    NOTHING = "nothing"


def is_in_distribution(ood_score: float | None, calibration: Calibration | None) -> bool | None:
    """Return whether the OOD score is within the threshold; None if the bundle has none."""
    if ood_score is None or calibration is None or calibration.ood_threshold is None:
        return None
    return ood_score <= calibration.ood_threshold


def prediction_set(
    probabilities: NDArray[np.float32], calibration: Calibration | None
) -> tuple[int, ...] | None:
    """Return the indices of the labels that reach their threshold, best first.

    The top label is always included, and so is every label likelier than another one in the
    set. Returns None without calibration. ``probabilities`` are float32 [labels], calibrated.

    Source: label-conditional split-conformal sets (Sadinle, Lei, Wasserman: Least
    Ambiguous Set-Valued Classifiers With Bounded Error Levels, 2019).
    """
    if calibration is None or calibration.prediction_set is None:
        return None
    order = ranking(probabilities)
    thresholds = np.array(calibration.prediction_set.label_thresholds)
    included = probabilities[order] >= thresholds[order]
    included[0] = True
    return tuple(int(index) for index in order[: np.flatnonzero(included)[-1] + 1])


def certainty(prediction: Prediction) -> Certainty:
    """Return how certain the headline for a prediction may sound."""
    return Certainty(certainty_rule(prediction)["certainty"])


def certainty_rule(prediction: Prediction) -> dict[str, Any]:
    """Return the first rule of ``words.json`` that a prediction fits."""
    candidates = prediction.prediction_set if prediction.calibrated else None
    facts = {
        "known": prediction.in_distribution,
        "multilabel": prediction.multilabel,
        "labels": len(prediction.labels),
        "present": len(prediction.answer or ()) if prediction.multilabel else 0,
        "plausible": len(candidates or ()),
        "estimated": prediction.estimated,
        "probability": prediction.top(1)[0].probability,
    }
    rules: list[dict[str, Any]] = WORDS["certainties"]
    return next(
        rule
        for rule in rules
        if all(_fits(facts[name], wanted) for name, wanted in rule["when"].items())
    )


def _fits(value: float | None, wanted: float | dict[str, float]) -> bool:
    if isinstance(wanted, dict):
        low, high = wanted.get("min", -math.inf), wanted.get("max", math.inf)
        return value is not None and low <= value <= high
    return value == wanted


def apply_thresholds(
    prediction: Prediction, ood_score: float | None, calibration: Calibration | None
) -> Prediction:
    """Add the OOD score, the decision whether the photo is known, and the prediction set."""
    indices = prediction_set(prediction.probabilities, calibration)
    return replace(
        prediction,
        ood_score=ood_score if calibration is not None else None,
        in_distribution=is_in_distribution(ood_score, calibration),
        prediction_set=(
            None if indices is None else tuple(prediction.candidate(index) for index in indices)
        ),
    )
