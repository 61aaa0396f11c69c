"""An answer: ranked candidates, what is plausible, known or unknown."""

from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Candidate", "Milliseconds", "Prediction", "ranking"]


def ranking(probabilities: NDArray[np.float32]) -> NDArray[np.intp]:
    """Indices of the labels, the most probable first.

    Labels whose probabilities agree to four digits stand in the bundle's order:
    two engines differ in the sixth, and must not rank a tie differently.
    """
    logarithms = np.log(np.maximum(probabilities.astype(np.float64), 1e-30))
    return np.argsort(-np.round(logarithms, 4), kind="stable")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A label with its probability; ``index`` is its place in the bundle."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Milliseconds:
    """Where the time went; ``total`` holds the other three and what is between them."""

    decode: float
    preprocess: float
    engine: float
    total: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one engine of one version of one model says of a photo.

    Attributes:
        probabilities: float32, shape [labels], in the bundle's order.
        known: False for "none of these"; None where the bundle cannot tell.
        novelty: higher is stranger; None where the bundle cannot tell.
        plausible: the labels of the conformal set; None without calibration.
        milliseconds: None for an answer that came by link.
    """

    model: str
    version: str
    engine: str
    labels: tuple[str, ...] = field(repr=False)
    probabilities: NDArray[np.float32] = field(repr=False)
    milliseconds: Milliseconds | None
    language: str = "en"
    multilabel: bool = False
    calibrated: bool = False
    known: bool | None = None
    novelty: float | None = None
    plausible: tuple[Candidate, ...] | None = None

    def top(self, count: int = 5) -> list[Candidate]:
        """The ``count`` most probable labels, best first."""
        order = ranking(self.probabilities)[: max(0, count)]
        return [self.candidate(int(index)) for index in order]

    def candidate(self, index: int) -> Candidate:
        """The label at ``index`` with its probability."""
        return Candidate(index, self.labels[index], float(self.probabilities[index]))

    @property
    def answer(self) -> str | list[str] | None:
        """The first label; None when unknown; for a multi-label model a list (0.5 or more)."""
        if self.multilabel:
            return [found.label for found in self.top(len(self.labels)) if found.probability >= 0.5]
        return None if self.known is False else self.top(1)[0].label

    def to_dict(self, photo: str, top: int = 5) -> dict[str, object]:
        """What the command line and the API print for a photo."""
        return {
            "photo": photo,
            "model": self.model,
            "version": self.version,
            "engine": self.engine,
            "answer": self.answer,
            "candidates": [
                {"label": found.label, "probability": round(found.probability, 6)}
                for found in self.top(top)
            ],
            "known": self.known,
            "novelty": self.novelty,
            "plausible": None
            if self.plausible is None
            else [found.label for found in self.plausible],
            "milliseconds": None
            if self.milliseconds is None
            else {name: round(ms, 2) for name, ms in asdict(self.milliseconds).items()},
        }
