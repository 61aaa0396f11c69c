"""``device/teach/few_shot_head.mjs`` against scikit-learn, and a plain calculation of the rest."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

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
    usual = {"nearCopy": 0.98, "fallbackCosine": 0.8}
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
    common = np.abs(random.normal(0, 0.25, size))
    kinds = random.normal(0, 0.12, (labels, size))
    rows, targets, recordings = [], [], []
    for group in range(groups):
        for label in range(labels):
            centre = common + kinds[label] + random.normal(0, 0.3, size)
            for _ in range(frames):
                rows.append(np.maximum(centre + random.normal(0, 0.06, size), 0))
                targets.append(label)
                recordings.append(f"{label} {group}")
    features = np.array(rows, np.float32) * np.float32(np.sqrt(1280 / size))
    return {
        "features": features,
        "targets": targets,
        "recordings": recordings,
        "labels": labels,
    }


def fit_sklearn(features: Features, targets: Any) -> Any:
    model = LogisticRegression(C=0.1, tol=1e-8, max_iter=10_000)
    return model.fit(features.astype(np.float64), targets)


def fit_logits(case: dict[str, Any], photos: Any, unseen: Any) -> Any:
    """Return scikit-learn's logits for some photos after a fit to others."""
    features, targets = case["features"].astype(np.float64), np.array(case["targets"])
    logits = fit_sklearn(features[photos], targets[photos]).decision_function(features[unseen])
    return logits if logits.ndim > 1 else np.stack([-logits / 2, logits / 2], axis=1)


def expected_of(case: dict[str, Any]) -> dict[str, Any]:
    """Return the figures for photos without near copies, calculated plainly."""
    features, targets = case["features"].astype(np.float64), np.array(case["targets"])
    names = list(dict.fromkeys(case["recordings"]))
    group_of = np.array([names.index(name) for name in case["recordings"]])
    label_of = [int(targets[group_of == group][0]) for group in range(len(names))]
    sizes = [label_of.count(label) for label in range(case["labels"])]

    def means(left_out: list[int]) -> Any:
        rows = []
        for label in range(case["labels"]):
            groups = [g for g in range(len(names)) if label_of[g] == label and g not in left_out]
            row = np.mean([features[group_of == g].mean(axis=0) for g in groups], axis=0)
            rows.append(row / np.linalg.norm(row))
        return np.array(rows)

    testable = [group for group in range(len(names)) if sizes[label_of[group]] > 1]
    count = max(sizes) if len(names) <= 60 else 5
    number = {g: label_of[:g].count(label_of[g]) % count for g in testable}
    folds = [[g for g in testable if number[g] == fold] for fold in range(count)]
    logits = np.zeros((len(targets), case["labels"]))
    novelty = np.zeros(len(targets))
    for fold in filter(None, folds):
        out = np.isin(group_of, fold)
        logits[out] = fit_logits(case, ~out, out)
        cosines = features[out] @ means(fold).T / np.linalg.norm(features[out], axis=1)[:, None]
        novelty[out] = -cosines.max(axis=1)

    called = {g: int(logits[group_of == g].mean(axis=0).argmax()) for g in testable}
    right = [sum(label_of[g] == k == called[g] for g in testable) for k in range(case["labels"])]
    counted = [[label_of[g] for g in testable].count(k) for k in range(case["labels"])]
    promise = 0.95 if len(testable) >= 19 else 0.9 if len(testable) >= 9 else None
    scores = np.sort(novelty[np.isin(group_of, testable)])
    threshold = scores[-1] if testable else -1
    if promise:
        reached = (
            score
            for score in scores
            if sum((novelty[group_of == g] <= score).mean() for g in testable)
            >= promise * (len(testable) + 1) - 1e-9
        )
        threshold = next(reached, scores[-1])
    weights = np.array([1 / (group_of == group).sum() for group in group_of])

    def loss(logarithm: float) -> float:
        shares = softmax(logits / np.exp(logarithm), axis=1)[np.arange(len(targets)), targets]
        return float(-(weights * np.log(shares)).sum() + (logarithm / 0.5) ** 2 / 2)

    best = minimize_scalar(loss, bounds=np.log([0.05, 20]), method="bounded")
    return {
        "means": means([]),
        "temperature": float(np.exp(best.x)) if min(sizes) >= 3 else 1,
        "ood_threshold": max(threshold, -0.8),
        "promise": promise,
        "groupOf": group_of.tolist(),
        "photos": [int((targets == label).sum()) for label in range(case["labels"])],
        "groups": sizes,
        "right": right,
        "counted": counted,
        "confused": sorted(
            [label_of[g], called[g], np.flatnonzero(group_of == g).tolist()]
            for g in testable
            if called[g] != label_of[g]
        ),
        "standing_out": [
            photo
            for photo in range(len(targets))
            if group_of[photo] in testable and logits[photo].argmax() != targets[photo]
        ],
    }


CASES = {
    "two labels": make_case(2, 10, 1, 1, size=1280),
    "three labels": make_case(3, 5, 2, 2),
    "three labels, frames": make_case(3, 3, 4, 10),
    "ten labels": make_case(10, 8, 1, 3),
    "one photo a label": make_case(3, 1, 1, 4),
    "few features": {**make_case(3, 9, 1, 5, size=6), "nearCopy": 1.5},
    "a recording a label": make_case(3, 1, 8, 6),
}
# Copies make the Gram matrix singular.
CASES["copies"] = {
    **CASES["three labels"],
    "features": np.repeat(CASES["three labels"]["features"][::2], 2, axis=0),
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
        np.testing.assert_allclose(softmax(logits, axis=1), expected, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_figures_are_those_of_a_plain_calculation(taught: dict[str, Any], name: str) -> None:
    result, expected = taught[name], expected_of(CASES[name])
    for key in ("promise", "groupOf", "photos", "groups"):
        assert result[key] == expected[key], key
    np.testing.assert_allclose(result["head"]["means"], expected["means"], atol=1e-6)
    assert result["ood_threshold"] == pytest.approx(expected["ood_threshold"], abs=1e-6)
    assert result["temperature"] == pytest.approx(expected["temperature"], rel=1e-3)
    accuracy = result["accuracy"]
    if not sum(expected["counted"]):
        assert accuracy is None
        return
    for key in ("right", "counted"):
        assert accuracy[key] == expected[key]
    right, counted = sum(expected["right"]), sum(expected["counted"])
    interval = binomtest(right, counted).proportion_ci(method="wilson")
    assert accuracy["interval"] == pytest.approx([interval.low, interval.high])
    assert accuracy["folds"] == ("each group" if sum(expected["groups"]) <= 60 else "five")
    confused = {
        (one["label"], one["called"]): sorted(one["photos"]) for one in accuracy["confusions"]
    }
    wanted: dict[tuple[int, int], list[int]] = {}
    for label, called, photos in expected["confused"]:
        wanted[label, called] = sorted(wanted.get((label, called), []) + photos)
    assert confused == wanted
    assert sum(one["groups"] for one in accuracy["confusions"]) == len(expected["confused"])
    assert sorted(one["photo"] for one in accuracy["standing_out"]) == expected["standing_out"]


def test_cases_are_of_every_kind(taught: dict[str, Any]) -> None:
    accuracies = [one["accuracy"] for one in taught.values()]
    assert {one and one["folds"] for one in accuracies} == {None, "each group", "five"}
    assert {one["promise"] for one in taught.values()} == {None, 0.9, 0.95}
    assert any(one and one["confusions"] for one in accuracies)
    assert any(one["temperature"] != 1 for one in taught.values())


def test_one_recording_a_label_cannot_be_judged(taught: dict[str, Any]) -> None:
    result = taught["a recording a label"]
    assert result["accuracy"] is None
    assert result["promise"] is None
    assert result["ood_threshold"] == -0.8
    assert result["temperature"] == 1


def test_near_copies_of_one_label_are_one_group() -> None:
    case = make_case(2, 3, 1, 8)
    features = case["features"].copy()
    # A copy of the first photo under the same label, and one under the other.
    features[2] = features[0] * 1.02
    features[3] = features[0] * 0.98
    [result] = teach({**case, "features": features})
    assert result["groupOf"] == [0, 1, 0, 2, 3, 4]
    assert result["groups"] == [2, 3]
