"""The object in an opened file, as far as an import understands it."""

from dataclasses import dataclass

from ...errors import ExportRefused
from .container import ExportFile
from .learner import LearnerParts, read_learner
from .network import Network, read_network
from .plan import describe_import, describe_left_behind
from .report import printable
from .weights import StateDict, describe_weights, read_state_dict

__all__ = ["Contents", "read_contents"]


@dataclass(frozen=True)
class Contents:
    """The parts of a learner and its network, or weights; else ``reason`` says why not."""

    parts: LearnerParts | None = None
    network: Network | None = None
    weights: StateDict | None = None
    reason: str = ""

    @property
    def plan(self) -> tuple[str, ...]:
        """What an import does with them, one sentence each; for weights, what is known of them."""
        if self.weights:
            return describe_weights(self.weights)
        return describe_import(self.parts, self.network) if self.parts and self.network else ()

    @property
    def left_behind(self) -> tuple[str, ...]:
        """What an import leaves out because the model does not need it."""
        if self.weights:
            return self.weights.unneeded
        return describe_left_behind(self.parts) if self.parts else ()


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
