"""``few_shot_head.mjs`` in ``device/teach/`` against scikit-learn and ``model.teaching``."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

from model.teaching.few_shot_head import fit_head, merge_near_copies
from tests.device.node import run_node

Features = NDArray[np.float32]
SCRIPT = """
  const { teach } = await load("teach/few_shot_head.mjs");
  const results = [];
  for (const { features, ...values } of given) {
    const rows = features.map((row) => Float32Array.from(row));
    const { head, ...taught } = await teach({ ...values, features: rows });
    const plain = Object.entries(head).map(([name, array]) => [name, Array.from(array)]);
    results.push({ ...taught, head: Object.fromEntries(plain) });
  }
  return results;
"""


def teach(*cases: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what JavaScript trains and measures on each case."""
    usual = {"near_copy": 0.98, "fallback_cosine": 0.8}
    given = [{**usual, **case, "features": case["features"].tolist()} for case in cases]
    results: list[dict[str, Any]] = run_node(SCRIPT, given)
    for case, result in zip(cases, results, strict=True):
        head = result["head"]
        size = case["features"].shape[1]
        for name in ("weight", "means"):
            head[name] = np.array(head[name], np.float32).reshape(-1, size)
    return results


def make_case(labels: int, groups: int, frames: int, seed: int, size: int = 160) -> dict[str, Any]:
    """Return random photos that are as long and as far apart as those of ``imagenet``."""
    random = np.random.default_rng(seed)
    kinds = np.abs(random.normal(0, 0.25, size)) + random.normal(0, 0.12, (labels, size))
    centres = kinds + random.normal(0, 0.3, (groups, labels, size))
    rows = np.repeat(centres.reshape(-1, size), frames, axis=0)
    rows = np.maximum(rows + random.normal(0, 0.06, rows.shape), 0) * np.sqrt(1280 / size)
    return {
        "features": rows.astype(np.float32),
        "targets": np.tile(np.repeat(range(labels), frames), groups).tolist(),
        "recordings": [str(group) for group in np.repeat(range(groups * labels), frames)],
        "labels": labels,
    }


def fit_sklearn(features: Features, targets: Any) -> Any:
    model = LogisticRegression(C=0.1, tol=1e-8, max_iter=10_000)
    return model.fit(features.astype(np.float64), targets)


CASES = {
    "two labels": make_case(2, 10, 1, 1, size=1280),
    "three labels": make_case(3, 5, 2, 2),
    "three labels, frames": make_case(3, 3, 4, 10),
    "ten labels": make_case(10, 8, 1, 3),
    "one photo a label": make_case(3, 1, 1, 4),
    "few features": {**make_case(3, 9, 1, 5, size=6), "near_copy": 1.5},
    "a recording a label": make_case(3, 1, 8, 6),
}
# Copies make the Gram matrix singular.
CASES["copies"] = {
    **CASES["three labels"],
    "features": np.repeat(CASES["three labels"]["features"][::2], 2, axis=0),
}
CASES["badly scaled"] = {
    **CASES["three labels"],
    "features": CASES["three labels"]["features"] * np.logspace(-2, 2, 160, dtype=np.float32),
}


@pytest.fixture(scope="module")
def taught() -> dict[str, dict[str, Any]]:
    return dict(zip(CASES, teach(*CASES.values()), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_probabilities_are_those_of_scikit_learn(taught: dict[str, Any], name: str) -> None:
    case, head = CASES[name], taught[name]["head"]
    size = case["features"].shape[1]
    unseen = make_case(case["labels"], 3, 2, 99, size)["features"]
    for features in (case["features"], unseen):
        expected = fit_sklearn(case["features"], case["targets"]).predict_proba(features)
        logits = features.astype(np.float64) @ head["weight"].T + head["bias"]
        np.testing.assert_allclose(softmax(logits, axis=1), expected, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_figures_are_those_of_python(taught: dict[str, Any], name: str) -> None:
    case, result = CASES[name], taught[name]
    targets, labels = np.array(case["targets"]), case["labels"]
    recordings = np.unique(case["recordings"], return_inverse=True)[1]
    features = case["features"]
    near_copy = case.get("near_copy", 0.98)
    groups = merge_near_copies(features.astype(np.float64), targets, recordings, near_copy)
    head, left_out = fit_head(features, targets, groups, 0.8)
    assert result["groupOf"] == groups.tolist()
    assert result["photos"] == np.bincount(targets).tolist()
    assert result["groups"] == np.bincount(left_out.group_labels).tolist()
    np.testing.assert_allclose(result["head"]["means"], head.means, atol=1e-6)
    assert result["promise"] == left_out.promise
    assert result["ood_threshold"] == pytest.approx(head.ood_threshold, abs=1e-6)
    assert result["temperature"] == pytest.approx(head.temperature, rel=1e-3)
    accuracy, outcomes = result["accuracy"], left_out.outcomes
    if not outcomes:
        assert accuracy is None
        return
    called = np.zeros((labels, labels), int)
    np.add.at(called, tuple(np.transpose(outcomes)), 1)
    assert accuracy["right"] == np.diag(called).tolist()
    assert accuracy["counted"] == called.sum(axis=1).tolist()
    assert accuracy["folds"] == left_out.folds
    interval = binomtest(sum(accuracy["right"]), len(outcomes)).proportion_ci(method="wilson")
    assert accuracy["interval"] == pytest.approx([interval.low, interval.high])
    for one in accuracy["confusions"]:
        assert one["groups"] == called[one["label"], one["called"]]
        assert set(targets[one["photos"]]) == {one["label"]}
    wrong = len(outcomes) - sum(accuracy["right"])
    assert sum(one["groups"] for one in accuracy["confusions"]) == wrong
    standing_out = sorted(one["photo"] for one in accuracy["standing_out"])
    assert standing_out == np.flatnonzero(left_out.stands_out).tolist()


def test_cases_cover_every_kind(taught: dict[str, Any]) -> None:
    accuracies = [one["accuracy"] for one in taught.values()]
    assert {one and one["folds"] for one in accuracies} == {None, "each group", "five"}
    assert {one["promise"] for one in taught.values()} == {None, 0.9, 0.95}
    assert any(one and one["confusions"] for one in accuracies)
    assert any(one["temperature"] != 1 for one in taught.values())
    assert taught["a recording a label"]["accuracy"] is None
    assert taught["a recording a label"]["ood_threshold"] == -0.8


def test_near_copies_of_one_label_are_one_group() -> None:
    case = make_case(2, 3, 1, 8)
    features = case["features"].copy()
    # A copy of the first photo under the same label, and one under the other.
    features[2] = features[0] * 1.02
    features[3] = features[0] * 0.98
    [result] = teach({**case, "features": features})
    assert result["groupOf"] == [0, 1, 0, 2, 3, 4]
    assert result["groups"] == [2, 3]
