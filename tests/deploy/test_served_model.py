"""The comparison of the model that an app opens, and of its answers, with this machine's."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deploy.check import State
from deploy.client import Reply
from deploy.served_model import check_identity, find_difference, find_expected, get_candidates
from model import Bundle, Classifier
from model.errors import BundleNotFound
from tests.model.tiny import colour


def reply(document: object) -> Reply:
    return Reply(200, json.dumps(document), "http://127.0.0.1")


def candidates(classifier: Classifier, photo: str = "red") -> list[tuple[str, float]]:
    top = classifier.identify(colour(photo)).top(6)
    return [(candidate.label, candidate.probability) for candidate in top]


@pytest.mark.parametrize(
    ("opened", "others", "state", "message"),
    [
        ("tiny", [], State.OK, "'tiny', version VERSION, as on this machine; golden outputs re"),
        ("other", ["tiny"], State.FAILED, "the app opens 'other', and offers 'tiny' beside it"),
        ("", [], State.FAILED, "the app doesn't say which model it opens"),
        ("other", [], State.FAILED, "the host has no model 'tiny'; the app opens 'other'"),
    ],
)
def test_model_is_compared_by_name(
    opened: str, others: list[str], state: State, message: str, tiny_bundle: Bundle
) -> None:
    ready = reply({"model": opened, "version": tiny_bundle.version})
    offered = [{"name": name} for name in [opened, *others]]
    result = check_identity(ready, offered, find_expected("tiny", "the host has", None))
    assert result.state is state
    assert result.message.startswith(message.replace("VERSION", tiny_bundle.version))
    if opened == "other":
        assert "python -m deploy write HOST --model tiny" in result.fix


def test_model_of_another_version_fails_with_both(tiny_bundle: Bundle) -> None:
    expected = find_expected("tiny", "the host has", None)
    result = check_identity(reply({"model": "tiny", "version": "0" * 12}), [], expected)
    assert result.state is State.FAILED
    assert "0" * 12 in result.message
    assert tiny_bundle.version in result.message


def test_expected_model_is_by_default_the_one_that_opens(tiny_bundle: Bundle) -> None:
    assert find_expected(None, "", None).bundle.name == "tiny"
    with pytest.raises(BundleNotFound):
        find_expected("mushrooms", "", None)


@pytest.mark.parametrize("answer", [{"candidates": [{"label": "a", "probability": 1}]}])
def test_candidates_are_found_in_every_protocol(answer: dict[str, Any]) -> None:
    assert get_candidates(reply(answer)) == [("a", 1.0)]
    assert get_candidates(reply({"predictions": [answer]})) == [("a", 1.0)]


@pytest.mark.parametrize(
    "document",
    [{}, [], {"predictions": []}, {"candidates": [1]}, {"candidates": [{"label": "a"}]}],
)
def test_other_replies_have_no_candidates(document: object) -> None:
    assert get_candidates(reply(document)) == []


def test_answer_is_compared_with_all_probabilities(colours: Classifier) -> None:
    prediction = colours.identify(colour("red"))
    same = candidates(colours)
    assert find_difference([(label, share + 9e-5) for label, share in same], prediction) == ""
    other = [*same[:-1], (same[-1][0], same[-1][1] + 2e-4)]
    assert find_difference(other, prediction).startswith(f"{same[-1][0]} ")
    assert find_difference(same[:-1], prediction) == "5 labels, here 6"
    assert find_difference([("pink", same[0][1]), *same[1:]], prediction).startswith("pink ")
    assert find_difference([(same[0][0], float("nan")), *same[1:]], prediction)


def test_order_counts_except_between_ties(colours: Classifier) -> None:
    prediction = replace(
        colours.identify(colour("red")),
        probabilities=np.array([0.5, 0.25, 0.24999, 0.00001, 0, 0], dtype=np.float32),
    )
    answer = [(candidate.label, candidate.probability) for candidate in prediction.top(6)]
    assert find_difference([answer[0], answer[2], answer[1], *answer[3:]], prediction) == ""
    assert find_difference([answer[1], answer[0], *answer[2:]], prediction)
