"""``model.evaluation.paired``: doubts about a model, in one sentence."""

import pytest

from model.bundle import ManifestDraft
from model.evaluation.metrics import Proportion
from model.evaluation.paired import doubt_of_model
from tests.model.tiny import CALIBRATED, values

GUESSES = "isn't measurably better than guessing (17%)"
LIMIT = "has a temperature at the limit, so its percentages mean nothing"


@pytest.mark.parametrize(
    ("right", "temperature", "reasons"),
    [
        (20, 1.5, ""),
        (10, 1.5, GUESSES),
        (60, 19.9999, LIMIT),
        (60, 0.0501, LIMIT),
        (10, 19.9999, f"{GUESSES}, and {LIMIT}"),
    ],
)
def test_guesses_and_limits_are_one_sentence(right: int, temperature: float, reasons: str) -> None:
    confidence = {**CALIBRATED, "temperature": temperature}
    manifest = ManifestDraft.model_validate(values("tiny", confidence=confidence))
    doubt = doubt_of_model(manifest, Proportion.of(right, 60))
    assert doubt.partition(": check that each folder ")[0] == (reasons and f"The model {reasons}")


def test_unmeasured_model_or_one_with_one_label_is_not_doubted() -> None:
    manifest = ManifestDraft.model_validate(values("tiny"))
    assert doubt_of_model(manifest, None) == ""
    one = manifest.model_copy(update={"labels": ("red",)})
    assert doubt_of_model(one, Proportion.of(5, 5)) == ""
