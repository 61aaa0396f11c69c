"""The contents of an opened file, and an import's steps for them."""

from dataclasses import dataclass

from ...bundle.manifest import PRESENT_FROM
from ...errors import ExportRefused
from .container import ExportFile
from .learner import LearnerParts, read_learner
from .network import Network, read_network
from .report import printable
from .weights import StateDict, describe_weights, read_state_dict

__all__ = ["Contents", "read_contents"]


@dataclass(frozen=True)
class Contents:
    """The parts of a learner and its network, or weights; ``reason`` says why a part is missing."""

    parts: LearnerParts | None = None
    network: Network | None = None
    weights: StateDict | None = None
    reason: str = ""

    @property
    def plan(self) -> tuple[str, ...]:
        """The import's steps, one sentence each; for weights, their description."""
        if self.weights:
            return describe_weights(self.weights)
        return _plan(self.parts, self.network) if self.parts and self.network else ()

    @property
    def left_behind(self) -> tuple[str, ...]:
        """Parts that an import leaves out because the model does not need them."""
        if self.weights:
            return self.weights.unneeded
        if self.parts is None:
            return ()
        callbacks = [f"callback {name}" for name in dict.fromkeys(self.parts.callbacks)]
        return tuple(printable(name) for name in (*callbacks, *self.parts.unneeded))


def read_contents(export: ExportFile) -> Contents:
    """Read the learner, or the weights, as an import would."""
    parts = None
    try:
        if weights := read_state_dict(export.root):
            return Contents(weights=weights)
        parts = read_learner(export.root)
        return Contents(parts, read_network(parts.network))
    except ExportRefused as error:
        return Contents(parts, reason=printable(str(error), 1000))


def _plan(parts: LearnerParts, network: Network) -> tuple[str, ...]:
    steps = [step.describe() for step in (*parts.items, *parts.batches)]
    photos = ", ".join(filter(None, ["in greyscale" if parts.greyscale else "", *steps]))
    outputs = "The probabilities of all labels sum to 1 (softmax)."
    if parts.loss == "sigmoid":
        usual = parts.threshold == PRESENT_FROM
        shown = "" if usual else f", and is shown from {parts.threshold:g}"
        outputs = f"Each label has a probability of its own (sigmoid){shown}."
    layers = sum(1 for _ in network.layers())
    made_of = (
        "Its network's own code has to run."
        if network.own
        else f"Its network is built of {layers:,} known layers; none of its code runs."
    )
    return (f"Photos: {photos or 'as they are'}.", outputs, made_of)
