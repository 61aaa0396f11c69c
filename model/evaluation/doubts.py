"""Doubts about a measured model or its photos, in a sentence that says what to check."""

from collections.abc import Sequence

from ..answer.phrases import format_percent
from ..bundle import ManifestDraft, Metric
from ..bundle.manifest import MAX_TEMPERATURE, MIN_TEMPERATURE
from ..text import list_some
from .metrics import Proportion


def doubt_of_model(manifest: ManifestDraft, accuracy: Metric | Proportion | None) -> str:
    """Return why a single-label model can't be trusted; empty for most models."""
    reasons, chance = [], 1 / len(manifest.labels)
    if accuracy and accuracy.low <= chance < 1:
        reasons.append(f"isn't measurably better than guessing ({format_percent(chance)})")
    temperature = manifest.calibration.temperature if manifest.calibration else 1.0
    # The fit stops just short of its limits.
    if not 1.01 * MIN_TEMPERATURE < temperature < 0.99 * MAX_TEMPERATURE:
        reasons.append("has a temperature at the limit, so its percentages mean nothing")
    if not reasons:
        return ""
    return (
        f"The model {', and '.join(reasons)}: check that each folder holds photos of the label in "
        "its name, and that an imported model's preprocessing is that of its training."
    )


def doubt_of_folders(unmatched: Sequence[str]) -> str:
    """Return a sentence about folders whose names match no label; empty if there are none."""
    names = list_some(unmatched)
    return f"No label is called {names}: check the names of these folders." if unmatched else ""
