"""Heads and their validation: scikit-learn's numbers, whole groups left out, thresholds."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from model.calibration.fit import Doubles
from model.calibration.graph_outputs import Floats
from model.teaching.few_shot_head import (
    Indices,
    fit_head,
    label_means,
    merge_near_copies,
    ood_scores,
)

FALLBACK = 0.4


def clouds(labels: int, groups: int, frames: int = 1, seed: int = 0) -> tuple[Floats, Indices]:
    """Features [N, 80] around a centre per label, with ``frames`` close ones per group."""
    random = np.random.default_rng(seed)
    centres = np.repeat(random.normal(size=(labels, 80)), groups, axis=0)
    things = np.repeat(centres + 0.7 * random.normal(size=centres.shape), frames, axis=0)
    features = np.abs(things + 0.05 * random.normal(size=things.shape)).astype(np.float32)
    return features, np.repeat(np.arange(labels), groups * frames)


def expect_shares(logits: Doubles, judged: Floats, features: Floats, targets: Indices) -> None:
    """Compare logits of ``judged`` with those of scikit-learn's model of ``features``."""
    # Of float32 features, scikit-learn's result is off by 1e-4.
    model = LogisticRegression(C=0.1, tol=1e-10, max_iter=100_000)
    expected = model.fit(features.astype(float), targets).predict_proba(judged)
    assert softmax(logits, axis=1) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("labels", [2, 3])
def test_head_is_that_of_scikit_learn_on_the_features_themselves(labels: int) -> None:
    features, targets = clouds(labels, 20)
    head, _ = fit_head(features, targets, np.arange(len(targets)), FALLBACK)
    expect_shares(head.logits(features), features, features, targets)
    assert np.linalg.norm(head.means, axis=1) == pytest.approx(np.ones(labels), abs=1e-6)


def test_groups_are_judged_by_a_head_without_them() -> None:
    features, targets = clouds(3, 4, frames=3)
    groups = np.repeat(np.arange(12), 3)
    _, left_out = fit_head(features, targets, groups, FALLBACK)
    assert left_out.folds == "each group"
    for fold in range(4):
        # One group of every label is left out at a time.
        inside = groups % 4 != fold
        rest = features[inside], targets[inside]
        expect_shares(left_out.logits[~inside], features[~inside], *rest)
        means = label_means(features[inside].astype(float), targets[inside], groups[inside])
        expected = ood_scores(features[~inside].astype(float), means)
        assert left_out.scores[~inside] == pytest.approx(expected, abs=1e-9)


def test_accuracy_of_things_filmed_once_cannot_be_known() -> None:
    features, targets = clouds(3, 1, frames=8)
    groups = merge_near_copies(features.astype(float), targets, targets, 0.95)
    head, left_out = fit_head(features, targets, groups, FALLBACK)
    assert left_out.outcomes == []
    assert left_out.promise is None
    assert not left_out.stands_out.any()
    assert (head.temperature, head.ood_threshold) == (1.0, -FALLBACK)


def test_label_with_one_group_is_known_to_every_head_and_not_counted() -> None:
    features, targets = clouds(2, 4)
    targets = np.where(np.arange(8) == 7, 2, targets)
    _, left_out = fit_head(features, targets, np.arange(8), FALLBACK)
    assert left_out.counted.tolist() == [True] * 7 + [False]
    assert {label for label, _ in left_out.outcomes} == {0, 1}
    assert left_out.logits.shape == (8, 3)


def test_more_than_sixty_groups_are_left_out_a_fifth_at_a_time() -> None:
    features, targets = clouds(3, 21)
    groups = np.arange(63)
    _, left_out = fit_head(features, targets, groups, FALLBACK)
    assert left_out.folds == "five"
    assert len(left_out.outcomes) == 63
    # The first group of each label, the sixth, ...
    inside = ~np.isin(groups % 21 % 5, [0])
    expect_shares(left_out.logits[~inside], features[~inside], features[inside], targets[inside])


def test_photo_that_shows_something_else_stands_out() -> None:
    features, targets = clouds(2, 15)
    targets = np.where(np.arange(30) == 2, 1, targets)
    _, left_out = fit_head(features, targets, np.arange(30), FALLBACK)
    assert np.flatnonzero(left_out.stands_out).tolist() == [2]
    assert [pair for pair in left_out.outcomes if pair[0] != pair[1]] == [(1, 0)]


def test_accuracy_of_two_groups_per_label_is_not_far_below_the_truth() -> None:
    """Leaving out one group in all would tip every head towards the other labels."""
    claimed, true = [], []
    for seed in range(20):
        features, targets = clouds(3, 22, seed=seed)
        learned = np.arange(66) % 22 < 2
        head, left_out = fit_head(features[learned], targets[learned], np.arange(6), FALLBACK)
        claimed += [label == called for label, called in left_out.outcomes]
        true += (head.logits(features).argmax(axis=1) == targets)[~learned].tolist()
    assert np.mean(true) > np.mean(claimed) > np.mean(true) - 0.15


@pytest.mark.parametrize(
    ("groups", "promise", "kept"), [(2, None, 6), (3, 0.9, 9), (6, 0.9, 18), (10, 0.95, 30)]
)
def test_promise_follows_the_number_of_groups(
    groups: int, promise: float | None, kept: int
) -> None:
    features, targets = clouds(3, groups)
    head, left_out = fit_head(features, targets, np.arange(len(targets)), 1.0)
    assert left_out.promise == promise
    # With three groups or more of every label.
    assert (head.temperature == 1.0) is (groups < 3)
    assert (left_out.scores <= head.ood_threshold).sum() == kept
    loose, _ = fit_head(features, targets, np.arange(len(targets)), 0.1)
    # A promised threshold is never moved.
    assert loose.ood_threshold == (-0.1 if promise is None else head.ood_threshold)


def test_each_group_has_the_same_weight_in_the_threshold() -> None:
    """Forty groups of one photo, ten of four: as by counting the shares one by one."""
    random = np.random.default_rng(3)
    features, targets = clouds(2, 25)
    few = np.isin(np.arange(50) % 25, range(5))
    features, targets = np.repeat(features, 1 + 3 * few, axis=0), np.repeat(targets, 1 + 3 * few)
    groups = np.repeat(np.arange(50), 1 + 3 * few)
    features += random.normal(size=features.shape).astype(np.float32)
    head, left_out = fit_head(features, targets, groups, FALLBACK)
    reached = {
        score: sum(np.mean(left_out.scores[groups == group] <= score) for group in range(50))
        for score in left_out.scores
    }
    enough = [score for score, share in reached.items() if share >= 0.95 * 51 - 1e-9]
    assert head.ood_threshold == min(enough)


def test_near_copies_of_one_label_and_frames_of_one_recording_are_one_group() -> None:
    features, _ = clouds(1, 6, seed=2)
    features[3] = features[0] * 1.1
    features[4] = features[1]
    targets = np.array([0, 0, 0, 0, 1, 1])
    recordings = np.array([0, 1, 2, 3, 4, 4])
    groups = merge_near_copies(features.astype(float), targets, recordings, 0.95)
    assert groups.tolist() == [0, 1, 2, 0, 3, 3]
