"""The plan of an import in words: what it does with an export, and what it leaves behind."""

from ...words import WORDS
from .learner import LearnerParts
from .network import Network
from .report import printable

__all__ = ["describe_import", "describe_left_behind"]


def describe_import(parts: LearnerParts, network: Network) -> tuple[str, ...]:
    """Return what Loupe does with an export, one sentence each."""
    steps = [step.describe() for step in (*parts.items, *parts.batches)]
    outputs = (
        f"Each label has a probability of its own (sigmoid){_shown_from(parts.threshold)}."
        if parts.loss == "sigmoid"
        else "The probabilities of all labels sum to 1 (softmax)."
    )
    photos = ", ".join(filter(None, ("in greyscale" if parts.greyscale else "", *steps)))
    layers = sum(1 for _ in network.layers())
    made_of = (
        "Its network's own code has to run."
        if network.own
        else f"Its network is built of {layers:,} known layers; none of its code runs."
    )
    return (f"Photos: {photos or 'as they are'}.", outputs, made_of)


def describe_left_behind(parts: LearnerParts) -> tuple[str, ...]:
    """Return what an import leaves out because the model does not need it."""
    callbacks = [f"callback {name}" for name in dict.fromkeys(parts.callbacks)]
    return tuple(printable(name) for name in (*callbacks, *parts.unneeded))


def _shown_from(threshold: float) -> str:
    return "" if threshold == WORDS["present_from"] else f", and is shown from {threshold:g}"
