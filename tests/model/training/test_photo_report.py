"""Photos whose features suggest another label than theirs."""

import numpy as np
import pytest

from model.training.photo_report import find_doubtful_labels


@pytest.mark.torch
@pytest.mark.parametrize("wrong", [[], [3, 25, 50]])
def test_only_planted_wrong_labels_are_doubtful(wrong: list[int]) -> None:
    right = np.repeat([0, 1, 2], 20)
    features = np.random.default_rng(0).normal(3 * np.eye(8)[right], 0.1).astype(np.float32)
    given = right.copy()
    given[wrong] = (given[wrong] + 1) % 3
    doubtful = find_doubtful_labels(features, given, np.arange(60))
    assert sorted(doubtful) == [(place, right[place]) for place in wrong]
    # Too few photos, or too few that differ.
    few = features[:8], given[:8], np.arange(8) // 4
    assert find_doubtful_labels(*few) == []
