"""A learner → what its bundle says of it."""

from typing import Any

import torch

from ...errors import ExportRefused
from ...learner.inference_module import InferenceModule
from .answers import is_multilabel, labels
from .found import Found
from .network import unnamed
from .pipeline import Steps

__all__ = ["read_learner"]

MOST_FEATURES = 100_000


def read_learner(learner: Any, steps: Steps, stubs: list[str]) -> Found:
    """Labels, recipe and a network without a name, once it has answered a photo.

    Raises:
        ExportRefused: it has no labels, or its network does not answer for each of them.
    """
    texts = labels(learner)
    found = Found(
        labels=tuple(texts),
        multilabel=is_multilabel(learner, len(texts)),
        recipe=steps.recipe,
        architecture=unnamed(learner.model, 1, steps.mean, steps.std),
        learner=False,
        stubs=tuple(sorted(name[:200] for name in stubs)[:1000]),
    )
    features = _features(learner, found, steps)
    return found.model_copy(
        update={"architecture": unnamed(learner.model, features, steps.mean, steps.std)}
    )


def _features(learner: Any, found: Found, steps: Steps) -> int:
    """Numbers that describe a photo; the network is run once to find out."""
    height, width = steps.recipe.size
    generator = torch.Generator().manual_seed(0)
    shape = (2, height, width, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    module = InferenceModule.from_model(learner.model, found.manifest(), steps.scale).eval()
    with torch.inference_mode():
        logits, features, _ = module(pixels)
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, len(found.labels)):
        shape = tuple(getattr(logits, "shape", ()))
        raise ExportRefused(
            f"Its network answers with {shape} for two photos, where {len(found.labels)} labels "
            "ask for as many numbers a photo."
        )
    if not torch.isfinite(logits).all():
        raise ExportRefused("Its network answers with infinities or NaN: its training failed.")
    return _checked(features)


def _checked(features: torch.Tensor) -> int:
    if features.ndim != 2 or not 1 <= features.shape[1] <= MOST_FEATURES:
        raise ExportRefused(
            f"Its last linear layer gets {tuple(features.shape)} for two photos, and Loupe takes "
            f"up to {MOST_FEATURES:,} numbers a photo."
        )
    return int(features.shape[1])
