"""Every score in its ONNX form against what its source says, in NumPy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from model.calibration.scores import MOST_BYTES, SCORES
from model.calibration.scores.gate import gated_by_prototypes, gated_by_residual
from model.calibration.scores.logits import energy, maximum_logit, maximum_probability
from model.calibration.scores.near import guided, neighbours, prototypes
from model.calibration.scores.spread import mahalanobis, residual
from tests.model.calibration.clouds import known, strangers


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_scores_of_logits() -> None:
    photos = known(50)
    for fit, wanted in (
        (maximum_probability, -softmax(photos.logits, axis=1).max(axis=1)),
        (maximum_logit, -photos.logits.max(axis=1)),
        (energy, -logsumexp(photos.logits, axis=1)),
    ):
        assert fit(photos)(photos.features, photos.logits) == pytest.approx(wanted, rel=1e-4)


def test_neighbours() -> None:
    photos, far = known(200), strangers(20)
    likeness = unit(far.features) @ unit(photos.features).T
    wanted = -np.sort(likeness, axis=1)[:, -10:].mean(axis=1)
    assert neighbours(photos)(far.features, far.logits) == pytest.approx(wanted, abs=1e-5)


def test_mahalanobis() -> None:
    from sklearn.covariance import ledoit_wolf

    photos, far = known(300), strangers(20)
    centres = np.stack([photos.features[photos.targets == x].mean(axis=0) for x in range(4)])
    covariance, _ = ledoit_wolf((photos.features - centres[photos.targets]).astype(np.float64))
    inverse = np.linalg.inv(covariance)
    away = far.features[:, None] - centres[None]
    wanted = np.einsum("nld,de,nle->nl", away, inverse, away).min(axis=1)
    assert mahalanobis(photos)(far.features, far.logits) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("fit", SCORES)
def test_a_score_is_the_same_for_photos_alone_and_together(fit) -> None:
    photos, far = known(400), strangers(100)
    score = fit(photos, photos)
    alone = [score(f[None], g[None])[0] for f, g in zip(far.features, far.logits, strict=True)]
    assert score(far.features, far.logits) == pytest.approx(np.array(alone), rel=1e-4, abs=1e-5)


def test_what_known_photos_do_not_vary_along() -> None:
    photos, far = known(300), strangers(20)
    middle = unit(photos.features).mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(unit(photos.features).astype(np.float64).T))
    wanted = np.linalg.norm((unit(far.features) - middle) @ axes[:, :-8], axis=1)
    assert residual(photos)(far.features, far.logits) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(
    ("gated", "base", "share"),
    [(gated_by_prototypes, prototypes, 0.95), (gated_by_residual, residual, 0.98)],
)
def test_what_is_beyond_the_gate_comes_before_all_that_is_within(gated, base, share) -> None:
    photos, held_out, far = known(600, 1), known(300, 2), strangers(300)
    # Where known photos vary least.
    _, axes = np.linalg.eigh(np.cov(unit(photos.features).astype(np.float64).T))
    lost = np.random.default_rng(0).normal(size=(300, 4)) @ axes[:, :4].T
    far = replace(far, features=lost.astype(np.float32))
    score, distance = gated(photos, held_out), base(photos)
    away = distance(held_out.features, held_out.logits)
    gate = np.quantile(away, share)
    within = away <= gate
    first, second = np.sort(held_out.logits[within], axis=1)[:, :-3:-1].T
    found = score(held_out.features, held_out.logits)
    assert found[within] == pytest.approx(second - first, abs=1e-4)
    novelty = score(far.features, far.logits)
    beyond = distance(far.features, far.logits) > gate + away.std()
    assert beyond.mean() > 0.2
    assert novelty[beyond].min() > found[within].max()


@pytest.mark.parametrize(
    "fit", [prototypes, guided, residual, gated_by_prototypes, gated_by_residual]
)
@pytest.mark.parametrize("width", [1280, 4096])
def test_what_is_shipped_is_small(fit, width: int) -> None:
    from model.calibration import Outputs

    random = np.random.default_rng(0)
    photos = Outputs(
        random.normal(size=(900, 3)).astype(np.float32),
        random.normal(size=(900, width)).astype(np.float32),
        random.integers(0, 3, 900),
    )
    assert fit(photos, photos).bytes <= MOST_BYTES
