"""Temperature, label thresholds, OOD threshold and AUROC against known results."""

import numpy as np
import pytest

from model.calibration.fit import (
    auroc,
    fit_label_thresholds,
    fit_ood_threshold,
    fit_temperature,
    probabilities,
)
from tests.model.calibration.clouds import id_outputs


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_temperature_undoes_sharpened_logits(sharpness: float) -> None:
    photos = id_outputs(4000, sharpness=sharpness)
    assert fit_temperature(photos.logits, photos.targets) == pytest.approx(sharpness, rel=0.12)


def test_probabilities_add_up_and_survive_large_logits() -> None:
    result = probabilities(np.array([[1e4, -1e4], [0, 0]], np.float32), 0.5)
    assert result == pytest.approx(np.array([[1, 0], [0.5, 0.5]]))


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_new_photos_of_every_label_reach_their_threshold_as_promised(coverage: float) -> None:
    first, second = id_outputs(4000, 1), id_outputs(4000, 2)
    thresholds = fit_label_thresholds(probabilities(first.logits, 1.0), first.targets, coverage)
    true = probabilities(second.logits, 1.0)[np.arange(4000), second.targets]
    for label in range(4):
        reached = (true >= thresholds[label])[second.targets == label].mean()
        assert reached == pytest.approx(coverage, abs=0.05)


def test_labels_with_too_few_photos_share_a_threshold() -> None:
    calibrated = np.full((60, 3), 0.1)
    targets = np.array([0] * 29 + [1] * 29 + [2] * 2)
    calibrated[np.arange(60), targets] = [0.9] * 29 + [0.5] * 29 + [0.2] * 2
    assert fit_label_thresholds(calibrated, targets, 0.9) == pytest.approx([0.9, 0.5, 0.5])


def test_ood_threshold_accepts_the_target_share() -> None:
    scores = np.arange(1000, dtype=np.float32)
    accepted = (scores <= fit_ood_threshold(scores, 0.95)).mean()
    assert accepted == pytest.approx(0.95, abs=0.002)
    assert fit_ood_threshold(scores[:3], 0.95) == 2
    # As a promise for the next photo: with the 19th of 20, it would be 19 in 21.
    assert fit_ood_threshold(scores[:20], 0.95) == 19


def test_auroc_is_high_if_ood_photos_score_higher_and_ties_count_half() -> None:
    low, high = np.zeros(4, np.float32), np.ones(2, np.float32)
    assert (auroc(low, high), auroc(high, low), auroc(low, low)) == (1.0, 0.0, 0.5)


def test_few_correct_photos_do_not_make_every_answer_certain() -> None:
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, 60)
    logits = np.where(np.eye(2)[targets] > 0, 3.0, 0.0).astype(np.float32)
    assert 0.4 < fit_temperature(logits, targets) < 1
    many = fit_temperature(np.tile(logits, (50, 1)), np.tile(targets, 50))
    assert many < 0.7 * fit_temperature(logits, targets)
