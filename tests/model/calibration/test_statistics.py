"""Temperature, floors, threshold and AUROC against what is known of them."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from model.calibration.statistics import auroc, floors, probabilities, temperature, threshold
from tests.model.calibration.clouds import known


@pytest.mark.parametrize("sharp", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_what_sharpened_the_logits(sharp: float) -> None:
    photos = known(4000, sharp=sharp)
    assert temperature(photos.logits, photos.targets) == pytest.approx(sharp, rel=0.12)


def test_probabilities_add_up_and_survive_large_logits() -> None:
    found = probabilities(np.array([[1e4, -1e4], [0, 0]], np.float32), 0.5)
    assert found == pytest.approx(np.array([[1, 0], [0.5, 0.5]]))


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_new_photos_of_every_label_reach_their_floor_as_often_as_promised(coverage: float) -> None:
    first, second = known(4000, 1), known(4000, 2)
    found = floors(probabilities(first.logits, 1.0), first.targets, coverage)
    shares = probabilities(second.logits, 1.0)[np.arange(4000), second.targets]
    for label in range(4):
        reached = (shares >= found[label])[second.targets == label].mean()
        assert reached == pytest.approx(coverage, abs=0.05)


def test_a_label_with_too_few_photos_shares_a_floor() -> None:
    shares = np.full((60, 3), 0.1)
    targets = np.array([0] * 29 + [1] * 29 + [2] * 2)
    shares[np.arange(60), targets] = [0.9] * 29 + [0.5] * 29 + [0.2] * 2
    assert floors(shares, targets, 0.9) == pytest.approx([0.9, 0.5, 0.5])


def test_the_threshold_keeps_the_share_that_it_is_to_keep() -> None:
    novelty = np.arange(1000, dtype=np.float32)
    assert (novelty <= threshold(novelty, 0.95)).mean() == pytest.approx(0.95, abs=0.002)
    assert threshold(novelty[:3], 0.95) == 2


def test_auroc_is_scikit_learns() -> None:
    random = np.random.default_rng(0)
    near = np.round(random.normal(size=80), 1).astype(np.float32)
    far = np.round(random.normal(size=50) + 1, 1).astype(np.float32)
    wanted = roc_auc_score([0] * 80 + [1] * 50, np.concatenate([near, far]))
    assert auroc(near, far) == pytest.approx(wanted)


def test_a_few_photos_that_are_all_right_prove_no_certainty() -> None:
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, 60)
    logits = np.where(np.eye(2)[targets] > 0, 3.0, 0.0).astype(np.float32)
    assert 0.4 < temperature(logits, targets) < 1
    many = temperature(np.tile(logits, (50, 1)), np.tile(targets, 50))
    assert many < 0.7 * temperature(logits, targets)
