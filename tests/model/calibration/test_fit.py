"""Calibration: fits against known results, and cross-validated figures against new photos."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.calibration import fit
from model.calibration.cross_validation import CalibrationResult, calibrate
from model.calibration.graph_outputs import GraphOutputs
from model.errors import DataError
from model.evaluation.metrics import expected_calibration_error
from tests.model.calibration.conftest import id_outputs, ood_outputs


@pytest.mark.parametrize("sharpness", [0.3, 4.0])
def test_temperature_undoes_sharpened_logits(sharpness: float) -> None:
    photos = id_outputs(4000, sharpness=sharpness)
    assert fit.fit_temperature(photos.logits, photos.targets) == pytest.approx(sharpness, rel=0.12)


def test_probabilities_add_up_and_survive_large_logits() -> None:
    result = fit.probabilities(np.array([[1e4, -1e4], [0, 0]], np.float32), 0.5)
    assert result == pytest.approx(np.array([[1, 0], [0.5, 0.5]]))


@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_new_photos_of_every_label_reach_their_threshold_as_promised(coverage: float) -> None:
    first, second = id_outputs(4000, 1), id_outputs(4000, 2)
    thresholds = fit.fit_label_thresholds(
        fit.probabilities(first.logits, 1.0), first.targets, coverage
    )
    true = fit.probabilities(second.logits, 1.0)[np.arange(4000), second.targets]
    for label in range(4):
        reached = (true >= thresholds[label])[second.targets == label].mean()
        assert reached == pytest.approx(coverage, abs=0.05)


def test_labels_with_too_few_photos_share_a_threshold() -> None:
    calibrated = np.full((60, 3), 0.1)
    targets = np.array([0] * 29 + [1] * 29 + [2] * 2)
    calibrated[np.arange(60), targets] = [0.9] * 29 + [0.5] * 29 + [0.2] * 2
    assert fit.fit_label_thresholds(calibrated, targets, 0.9) == pytest.approx([0.9, 0.5, 0.5])


def test_ood_threshold_accepts_the_target_share() -> None:
    scores = np.arange(1000, dtype=np.float32)
    accepted = (scores <= fit.conformal_quantile(scores, 0.95)).mean()
    assert accepted == pytest.approx(0.95, abs=0.002)
    assert fit.conformal_quantile(scores[:3], 0.95) == 2
    # As a promise for the next photo: with the 19th of 20, it would be 19 in 21.
    assert fit.conformal_quantile(scores[:20], 0.95) == 19


def test_auroc_is_high_if_ood_photos_score_higher_and_ties_count_half() -> None:
    low, high = np.zeros(4, np.float32), np.ones(2, np.float32)
    assert (fit.auroc(low, high), fit.auroc(high, low), fit.auroc(low, low)) == (1.0, 0.0, 0.5)


def test_few_correct_photos_do_not_make_every_answer_certain() -> None:
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, 60)
    logits = np.where(np.eye(2)[targets] > 0, 3.0, 0.0).astype(np.float32)
    assert 0.4 < fit.fit_temperature(logits, targets) < 1
    many = fit.fit_temperature(np.tile(logits, (50, 1)), np.tile(targets, 50))
    assert many < 0.7 * fit.fit_temperature(logits, targets)


@pytest.fixture(scope="module")
def result() -> CalibrationResult:
    held_out, reference = id_outputs(600, sharpness=3.0), id_outputs(800, 5, sharpness=3.0)
    return calibrate(held_out, reference, {"far": ood_outputs(200)})


def metric(result: CalibrationResult, name: str) -> float:
    return next(metric.value for metric in result.metrics if metric.name == name)


def test_cross_validated_figures_hold_for_new_photos(result: CalibrationResult) -> None:
    new, fitted = id_outputs(3000, 9, sharpness=3.0), result.calibration
    calibrated = fit.probabilities(new.logits, fitted.temperature)
    correct = new.logits.argmax(axis=1) == new.targets
    assert metric(result, "accuracy") == pytest.approx(correct.mean(), abs=0.05)
    error, uncalibrated = (metric(result, f"calibration_error{end}") for end in ("", "_before"))
    assert error < 0.05 < uncalibrated
    assert expected_calibration_error(calibrated.max(axis=1), correct) < 0.04
    covered = fit.contains_label(
        calibrated, new.targets, np.array(fitted.prediction_set.label_thresholds)
    )
    assert covered.mean() == pytest.approx(metric(result, "coverage"), abs=0.04)
    assert covered.mean() > 0.88
    id_scores, ood_scores = result.detector(new), result.detector(ood_outputs(1000, 11))
    assert (id_scores <= fitted.ood_threshold).mean() == pytest.approx(0.95, abs=0.03)
    measured = result.card.ood_sets[0]
    assert measured.auroc == pytest.approx(fit.auroc(id_scores, ood_scores), abs=0.05)
    assert measured.ood_accept_rate == pytest.approx(
        (ood_scores <= fitted.ood_threshold).mean(), abs=0.1
    )


def test_counts_add_up_to_the_number_of_photos(result: CalibrationResult) -> None:
    card = result.card
    assert sum(count for _, _, count in card.confusion) == card.photos == 600
    assert sum(bin_.photos for bin_ in card.reliability) == 600
    correct = sum(count for label, predicted, count in card.confusion if label == predicted)
    assert metric(result, "accuracy") == pytest.approx(correct / 600, abs=1e-4)
    assert card.ood_sets[0].photos == 200
    assert all(mistake.label != mistake.predicted for mistake in card.mistakes)
    confidences = [mistake.probability for mistake in card.mistakes]
    assert confidences == sorted(confidences, reverse=True)


def test_best_detector_is_selected(result: CalibrationResult) -> None:
    (selected,) = (row for row in result.card.detectors if row.selected)
    assert selected.name == result.detector.name == result.calibration.ood_detector
    assert selected.auroc >= max(row.auroc for row in result.card.detectors) - 0.01


def test_calibration_without_reference_and_ood_photos_uses_the_default_detector() -> None:
    result = calibrate(id_outputs(120))
    assert result.card.ood_sets == () == result.card.detectors
    assert result.calibration.ood_detector == "margin, gated by residual"
    assert metric(result, "kept") > 0.8


def test_too_few_photos_are_refused_with_the_number_needed() -> None:
    with pytest.raises(DataError, match="49 photos aren't enough to calibrate: use at least 50"):
        calibrate(id_outputs(49))


def test_photos_that_look_alike_are_in_one_fold() -> None:
    photos = replace(id_outputs(200), groups=np.arange(200) // 4)
    for inside, outside in fit.split_folds(photos.targets, photos.groups, 0):
        assert not {*photos.groups[inside]} & {*photos.groups[outside]}
        assert len(inside) + len(outside) == 200


def test_many_labels_of_few_photos_are_calibrated() -> None:
    random, labels = np.random.default_rng(0), 20
    targets = np.repeat(np.arange(labels), 4)
    features = random.normal(size=(len(targets), 8)).astype(np.float32)
    logits = random.normal(size=(len(targets), labels)).astype(np.float32)
    photos = GraphOutputs(logits, features, targets)
    result = calibrate(photos, ood_sets={"far": replace(photos, features=features + 9)})
    assert result.card.photos == len(targets)
    assert metric(result, "coverage") > 0.7


def test_photos_are_scored_by_detectors_that_were_not_fitted_to_them() -> None:
    def fit_to(reference: GraphOutputs, _: GraphOutputs) -> Any:
        known = {*map(bytes, reference.features)}
        return lambda outputs: np.array([float(bytes(row) in known) for row in outputs.features])

    photos = id_outputs(60)
    assert not fit._fit_detector(fit_to, photos, None, photos).id_scores.any()
