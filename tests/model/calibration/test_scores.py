"""Every score in its ONNX form against what its source says, in NumPy."""

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from model.calibration.scores import (
    MOST_BYTES,
    SCORES,
    energy,
    guided,
    mahalanobis,
    maximum_logit,
    maximum_probability,
    neighbours,
    prototypes,
    residual,
    virtual_logit,
)
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
    score = fit(photos)
    alone = [score(f[None], g[None])[0] for f, g in zip(far.features, far.logits, strict=True)]
    assert score(far.features, far.logits) == pytest.approx(np.array(alone), rel=1e-4, abs=1e-5)


def test_what_known_photos_do_not_vary_along() -> None:
    photos, far = known(300), strangers(20)
    middle = photos.features.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(photos.features.astype(np.float64).T))
    wanted = np.linalg.norm((far.features - middle) @ axes[:, :-8], axis=1)
    assert residual(photos)(far.features, far.logits) == pytest.approx(wanted, rel=1e-3)
    unit = (
        photos.logits.max(axis=1).mean() / residual(photos)(photos.features, photos.logits).mean()
    )
    virtual = unit * wanted - logsumexp(far.logits, axis=1)
    found = virtual_logit(photos)(far.features, far.logits)
    assert found == pytest.approx(virtual, rel=1e-3, abs=1e-2)


@pytest.mark.parametrize("fit", [prototypes, guided, residual, virtual_logit])
@pytest.mark.parametrize("width", [1280, 4096])
def test_what_is_shipped_is_small(fit, width: int) -> None:
    from model.calibration import Outputs

    random = np.random.default_rng(0)
    photos = Outputs(
        random.normal(size=(900, 3)).astype(np.float32),
        random.normal(size=(900, width)).astype(np.float32),
        random.integers(0, 3, 900),
    )
    assert fit(photos).bytes <= MOST_BYTES
