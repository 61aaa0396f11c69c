"""A calibration as a whole: what it claims of itself holds for photos it never saw."""

from dataclasses import replace

import numpy as np
import pytest

from model.calibration import Outputs, calibrate
from model.calibration.scores import MOST_BYTES
from model.calibration.statistics import auroc, probabilities
from model.errors import DataError
from model.evaluation.statistics import expected_calibration_error
from tests.model.calibration.clouds import LABELS, known, strangers


@pytest.fixture(scope="module")
def trust():
    return calibrate(known(600, sharp=3.0), known(800, 5, sharp=3.0), {"far": strangers(200)})


def test_its_figures_hold_for_new_photos(trust) -> None:
    new = known(3000, 9, sharp=3.0)
    shares = probabilities(new.logits, trust.confidence.temperature)
    right = new.logits.argmax(axis=1) == new.targets
    assert trust.right / trust.photos == pytest.approx(right.mean(), abs=0.05)
    assert trust.error < 0.05 < trust.error_before
    assert expected_calibration_error(shares.max(axis=1), right) < 0.04
    floors = np.array(trust.confidence.plausible.floors)
    inside = shares >= floors
    inside[np.arange(3000), shares.argmax(axis=1)] = True
    inside = shares >= np.where(inside, shares, np.inf).min(axis=1)[:, None]
    covered = inside[np.arange(3000), new.targets].mean()
    assert covered == pytest.approx(trust.covered / trust.photos, abs=0.04)
    assert covered > 0.88
    near = trust.score(new.features, new.logits)
    assert (near <= trust.confidence.novelty).mean() == pytest.approx(0.95, abs=0.03)
    far = strangers(1000, 11)
    novelty = trust.score(far.features, far.logits)
    assert trust.strangers[0].auroc == pytest.approx(auroc(near, novelty), abs=0.05)
    let_in = (novelty <= trust.confidence.novelty).mean()
    assert trust.strangers[0].let_in == pytest.approx(let_in, abs=0.1)


def test_counts_are_whole(trust) -> None:
    assert sum(count for _, _, count in trust.confusion) == trust.photos == 600
    assert sum(one.photos for one in trust.reliability) == 600
    assert sum(count for label, said, count in trust.confusion if label == said) == trust.right
    assert trust.strangers[0].photos == 200
    assert all(one.label != one.said for one in trust.mistakes)
    assert [one.probability for one in trust.mistakes] == sorted(
        (one.probability for one in trust.mistakes), reverse=True
    )


def test_the_best_score_that_is_small_enough_is_kept(trust) -> None:
    kept = [one for one in trust.scores if one.kept]
    assert [one.name for one in kept] == [trust.score.name] == [trust.confidence.score]
    assert kept[0].bytes <= MOST_BYTES
    small = [one.auroc for one in trust.scores if one.bytes <= MOST_BYTES]
    assert kept[0].auroc >= max(small) - 0.01


def test_without_reference_and_strangers_it_still_says_something() -> None:
    trust = calibrate(known(120))
    assert trust.strangers == () == trust.scores
    assert trust.confidence.score == "margin, gated by residual"
    assert trust.kept / trust.photos > 0.8


def test_few_photos_are_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match="49 photos are too few to calibrate with: 50 are needed"):
        calibrate(known(49))


def test_a_label_with_a_single_photo_is_no_trouble() -> None:
    photos = known(80)
    lonely = np.where(photos.targets == 3, 0, photos.targets)
    lonely[0] = 3
    trust = calibrate(replace(photos, targets=lonely), None, {"far": strangers(7)})
    assert len(trust.confidence.plausible.floors) == LABELS


@pytest.mark.parametrize(("labels", "each"), [(20, 4), (60, 1), (16, 4)])
def test_many_labels_of_few_photos_are_no_trouble(labels: int, each: int) -> None:
    random = np.random.default_rng(0)
    targets = np.repeat(np.arange(labels), each)
    features = random.normal(size=(len(targets), 8)).astype(np.float32)
    given = Outputs(
        random.normal(size=(len(targets), labels)).astype(np.float32), features, targets
    )
    trust = calibrate(given, strangers={"far": replace(given, features=features + 9)})
    assert trust.photos == len(targets)
    assert trust.covered / trust.photos > 0.7
