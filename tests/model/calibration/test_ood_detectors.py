"""OOD detectors: each ONNX form against its source's formula in NumPy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from model.calibration import GraphOutputs
from model.calibration.ood_detectors import (
    DETECTORS,
    GATE_QUANTILE,
    MAX_DETECTOR_BYTES,
    gated_margin,
    maximum_probability,
    subspace_distance,
)
from tests.model.calibration.clouds import id_outputs, ood_outputs


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_maximum_probability_matches_numpy() -> None:
    photos = id_outputs(50)
    expected = -softmax(photos.logits, axis=1).max(axis=1)
    assert maximum_probability(photos)(photos) == pytest.approx(expected, rel=1e-4)


def test_subspace_distance_matches_principal_components() -> None:
    photos, ood = id_outputs(300), ood_outputs(20)
    mean = unit(photos.features).mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(unit(photos.features).astype(np.float64).T))
    expected = np.linalg.norm((unit(ood.features) - mean) @ axes[:, :-8], axis=1)
    assert subspace_distance(photos)(ood) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("fit", DETECTORS)
def test_score_of_a_photo_does_not_depend_on_its_batch(fit) -> None:
    photos, ood = id_outputs(400), ood_outputs(100)
    detector = fit(photos, photos)
    alone = [detector(ood.subset(np.array([place])))[0] for place in range(len(ood))]
    assert detector(ood) == pytest.approx(np.array(alone), rel=1e-4, abs=1e-5)


def test_gated_margin_ranks_photos_beyond_the_gate_above_all_within() -> None:
    photos, held_out, ood = id_outputs(600, 1), id_outputs(300, 2), ood_outputs(300)
    # Put the OOD photos where the features of the labels vary least.
    _, axes = np.linalg.eigh(np.cov(unit(photos.features).astype(np.float64).T))
    features = np.random.default_rng(0).normal(size=(300, 4)) @ axes[:, :4].T
    ood = replace(ood, features=features.astype(np.float32))
    detector, distance = gated_margin(photos, held_out), subspace_distance(photos)
    distances = distance(held_out)
    gate = np.quantile(distances, GATE_QUANTILE)
    within = distances <= gate
    first, second = np.sort(held_out.logits[within], axis=1)[:, :-3:-1].T
    scores = detector(held_out)
    assert scores[within] == pytest.approx(second - first, abs=1e-4)
    beyond = distance(ood) > gate + distances.std()
    assert beyond.mean() > 0.2
    assert detector(ood)[beyond].min() > scores[within].max()


@pytest.mark.parametrize("width", [1280, 4096])
@pytest.mark.parametrize("fit", DETECTORS)
def test_detector_stays_below_the_size_limit(fit, width: int) -> None:
    random = np.random.default_rng(0)
    photos = GraphOutputs(
        random.normal(size=(900, 3)).astype(np.float32),
        random.normal(size=(900, width)).astype(np.float32),
        random.integers(0, 3, 900),
    )
    assert fit(photos, photos).size_bytes <= MAX_DETECTOR_BYTES
