"""The comparison of the model that an app opens, and of its answers, with this machine's."""

import json
from typing import Any

import pytest

from deploy.client import Reply
from deploy.comparison import State, find_expected
from deploy.trial import find_difference, get_candidates
from model import Bundle, Classifier
from model.errors import BundleNotFound
from tests.model.tiny import colour


@pytest.mark.parametrize(
    ("opened", "version", "offered", "message"),
    [
        ("tiny", "VERSION", [], "'tiny', version VERSION, as on this machine; proved"),
        ("tiny", "0" * 12, [], "'tiny' is version 000000000000, but on this machine it is VERSION"),
        ("other", "VERSION", ["tiny"], "the app opens 'other', and offers 'tiny' beside it"),
        ("other", "VERSION", [], "the host has no model 'tiny'; the app opens 'other'"),
        (None, None, [], "the host has no model 'tiny'"),
    ],
)
def test_model_is_compared_by_name_and_version(
    opened: str | None, version: str | None, offered: list[str], message: str, tiny_bundle: Bundle
) -> None:
    here = tiny_bundle.version
    shown = here if version == "VERSION" else version
    result = find_expected("tiny", "the host has", None).compare(opened, shown, offered, "proved")
    assert result.message == message.replace("VERSION", here)
    assert (result.state is State.OK) == (opened == "tiny" and shown == here)
    assert result.state is State.OK or "python -m deploy write HOST --model tiny" in result.fix


def test_expected_model_is_by_default_the_one_that_opens(tiny_bundle: Bundle) -> None:
    assert find_expected(None, "", None).bundle.name == "tiny"
    with pytest.raises(BundleNotFound):
        find_expected("mushrooms", "", None)


@pytest.mark.parametrize(
    "document", [{}, [], {"predictions": []}, {"candidates": [1]}, {"candidates": [{"label": "a"}]}]
)
def test_candidates_are_found_in_every_protocol(document: Any) -> None:
    answer = {"candidates": [{"label": "a", "probability": 1}]}
    for found in (answer, {"predictions": [answer]}):
        assert get_candidates(Reply(200, json.dumps(found))) == {"a": 1.0}
    assert get_candidates(Reply(200, json.dumps(document))) == {}


def test_answer_is_compared_with_all_probabilities(colours: Classifier) -> None:
    prediction = colours.identify(colour("red"))
    same = {candidate.label: candidate.probability for candidate in prediction.top(6)}
    label, probability = next(iter(same.items()))
    assert find_difference({key: share + 9e-5 for key, share in same.items()}, prediction) == ""
    assert find_difference(same | {label: probability + 2e-4}, prediction).startswith(f"{label} ")
    assert find_difference(same | {label: float("nan")}, prediction)
    fewer = {key: share for key, share in same.items() if key != label}
    assert "5 labels, here 6" in find_difference(fewer, prediction)
    assert find_difference(fewer | {"pink": probability}, prediction)
