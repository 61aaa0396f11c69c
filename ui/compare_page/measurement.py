"""A comparison that a visitor's browser measured, checked before the page shows it."""

import json
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model import Bundle
from model.answer.answer_json import ReportedAnswer
from model.answer.prediction import Prediction
from model.errors import DataError
from model.photo import MAX_BYTES

TRIES = 5
"""Tries of each way after the first; the page shows the one whose time is the median."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to answer a photo."""

    title: str
    """The name above its bar."""
    runs_in: Literal["device", "server"]
    column: str
    """The name as a column head."""


WAYS = {
    "small": Way("On this device, small graph", "device", "device, small"),
    "full": Way("On this device, full graph", "device", "device, full"),
    "compiled": Way("On the server, compiled engine", "server", "compiled"),
    "learner": Way("On the server, learner engine", "server", "learner"),
}
"""All ways, by the name that ``device/compare.mjs`` gives them, in the order of the page."""

STEPS = ("on the way", "in the queue", "getting the photo ready", "the model")
"""The steps of a try, in their order."""

REFERENCES = ("learner", "compiled", "full", "small")
"""The others are compared with the first of these that answered."""

Duration = Annotated[float, Field(ge=0, le=600_000, allow_inf_nan=False)]
Size = Annotated[int, Field(ge=0, le=2**32)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Times(_Strict):
    """Milliseconds of one try: on the way, in the queue, then the steps of the path of a photo."""

    travel: Duration
    queue: Duration
    decode: Duration
    preprocess: Duration
    engine: Duration

    @property
    def steps(self) -> tuple[float, float, float, float]:
        """The durations of ``STEPS``, in milliseconds."""
        return self.travel, self.queue, self.decode + self.preprocess, self.engine

    @property
    def total(self) -> float:
        """The total, in milliseconds."""
        return sum(self.steps)


class Result(ReportedAnswer):
    """The answer of one way, with its bytes and times."""

    way: Literal["small", "full", "compiled", "learner"]
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{12}\z")]
    downloaded: Size
    sent: Size
    times: Times

    def probability(self, index: int) -> float:
        """Return a label's probability; zero if it was too low to be reported."""
        return dict(self.labels).get(index, 0.0)

    def answer(self, bundle: Bundle) -> list[str]:
        """Return the labels of the answer: several, one, or none for "none of these"."""
        answer = self.prediction(bundle).answer
        return answer if isinstance(answer, list) else [answer] if answer else []

    def prediction(self, bundle: Bundle) -> Prediction:
        """Return the prediction of this way."""
        return self.to_prediction(
            bundle,
            engine=self.way if WAYS[self.way].runs_in == "server" else "wasm",
            milliseconds=None,
            graph="small" if self.way == "small" else "full",
        )


class Failure(_Strict):
    """A way that did not answer, with the code of its error."""

    way: Literal["small", "full", "compiled", "learner"]
    failed: Annotated[str, Field(pattern=r"^[a-z-]{1,40}\z")]


class Comparison(_Strict):
    """One photo by several ways; ``bytes`` is the size of its file."""

    model: Annotated[str, Field(max_length=64)]
    bytes: Annotated[int, Field(ge=0, le=MAX_BYTES)]
    ways: Annotated[list[Result | Failure], Field(min_length=1, max_length=len(WAYS))]

    @property
    def results(self) -> list[Result]:
        """The ways that answered."""
        return [way for way in self.ways if isinstance(way, Result)]

    @property
    def failures(self) -> list[Failure]:
        """The ways that did not."""
        return [way for way in self.ways if isinstance(way, Failure)]

    @property
    def reference(self) -> Result:
        """The result that the others are compared with."""
        return min(self.results, key=lambda result: REFERENCES.index(result.way))

    def shown_labels(self, limit: int = 5) -> list[int]:
        """Return the indices of the reference's likeliest labels and of every way's first."""
        first = [result.labels[0][0] for result in self.results]
        likeliest = [index for index, _ in self.reference.labels[:limit]]
        return list(dict.fromkeys([*likeliest, *first]))

    def spread(self, index: int) -> float:
        """Return the largest difference between the ways' probabilities of a label."""
        shares = [result.probability(index) for result in self.results]
        return max(shares) - min(shares)

    def largest_difference(self) -> float:
        """Return how far apart two ways are at most, over the labels that are shown."""
        return max(map(self.spread, self.shown_labels()))


def read_comparison(data: object, bundle: Bundle) -> Comparison:
    """Return the comparison that the component sent.

    Args:
        data: what the browser sent, parsed from JSON.
        bundle: the model that the page showed.

    Raises:
        DataError: it is malformed, or is not about this model.
    """
    try:
        # As JSON, in which strict types take a list for a tuple.
        comparison = Comparison.model_validate_json(json.dumps(data))
    except (ValidationError, TypeError, ValueError, RecursionError):
        raise DataError("The comparison is malformed. Reload the page.") from None
    results = comparison.results
    names = [way.way for way in comparison.ways]
    is_ours = (
        comparison.model == bundle.name
        and len(set(names)) == len(names)
        and all(result.version == bundle.version for result in results)
    )
    if not results or not is_ours:
        raise DataError("The model was replaced while it was compared. Try again.")
    if any(result.find_contradiction(bundle) for result in results):
        raise DataError("The comparison contradicts itself. Reload the page.")
    return comparison
