"""Build a learner from a state dict, a named network and stated preprocessing."""

from pathlib import Path
from typing import Any

from PIL import Image

from ...errors import ExportRefused
from ..inspect.container import open_export
from ..inspect.report import printable
from ..inspect.weights import read_state_dict
from ..weights_settings import WeightsSettings
from .fastai_pipeline import FastaiPipeline
from .network_builder import Weights
from .recipe import read_recipe
from .restored_learner import RestoredLearner
from .restored_network import check_runs
from .stated_network import load_stated_network

__all__ = ["restore_weights"]


def restore_weights(path: Path, settings: WeightsSettings) -> RestoredLearner:
    """Build the learner of a weights file from the stated settings.

    Raises:
        ExportRefused: no network of that name takes these weights, it has another number of
            outputs than there are labels, or it can't take photos of the stated size.
    """
    with open_export(path) as export:
        state = read_state_dict(export.root)
        if state is None:
            raise ExportRefused("The file isn't a state dict.")
        weights = Weights(export.read_storage)
        tensors = {name: weights.tensor(tensor) for name, tensor in state.tensors.items()}
    network = load_stated_network(settings.arch, tensors, len(settings.labels))
    pipeline = stated_pipeline(settings)
    steps = read_recipe(pipeline)
    # Many transformers take one size only.
    advice = "Give the --size that it was trained with."
    check_runs(network.model, steps.recipe.size, printable(settings.arch), advice)
    return RestoredLearner(
        settings.labels,
        settings.multilabel,
        network.made_by,
        pipeline,
        steps,
        network.model,
        settings.threshold,
    )


def stated_pipeline(settings: WeightsSettings) -> FastaiPipeline:
    """Return fastai's own transforms at validation for the stated preprocessing."""
    from fastai.vision.all import IntToFloatTensor, Normalize, Resize, ToTensor

    resamples = Image.Resampling.BILINEAR, Image.Resampling.NEAREST
    items: tuple[Any, ...] = (
        Resize(settings.size, method=settings.method, resamples=resamples),
        ToTensor(),
    )
    mean, std = settings.normalize
    return FastaiPipeline(items, (IntToFloatTensor(), Normalize.from_stats(mean, std, cuda=False)))
