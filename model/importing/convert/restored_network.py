"""The network of an export: built from its layers, rebuilt by name, or unpickled."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import ExportRefused
from ..inspect.export_report import printable
from ..inspect.network import Network, read_network
from .named_network import load_named, timm_name
from .network_builder import CannotBuild, Weights, build_network
from .worker_report import WorkerReport, installed_here

OWN_PHOTOS = "Its network", "Check that learn.predict works where it was trained."


def restore_network(
    value: Any, weights: Weights, report: WorkerReport, trusted: Path | None = None
) -> nn.Module:
    """Return a network in float32 on the CPU, for evaluation.

    Args:
        value: the network's placeholder.
        weights: its tensors.
        report: the labels and the recipe, with an architecture that has no name.
        trusted: the export, if its own code may run.

    Raises:
        ExportRefused: it has unknown classes, or doesn't run.
    """
    network = read_network(value)
    recipe = report.recipe
    if network.own:
        if trusted is None:
            raise ExportRefused(f"Its network is made of {network.own[0].full}.")
        from .trusted import unpickle_network

        model = unpickle_network(trusted)
        _check_channels(model, greyscale=recipe.greyscale)
        return model
    size = recipe.graph_size or recipe.size
    try:
        model = build_network(network, weights)
        _check_channels(model, greyscale=recipe.greyscale)
        check_runs(model, size, *OWN_PHOTOS)
    except (CannotBuild, AttributeError, TypeError) as error:
        # Layers of timm 0.9, for example, lack attributes that timm 1.0 reads.
        rebuilt = _rebuild_by_timm(network, weights, report)
        if rebuilt is None:
            raise ExportRefused(_cannot_rebuild(error)) from None
        check_runs(rebuilt, size, *OWN_PHOTOS)
        return rebuilt
    return model


def _rebuild_by_timm(network: Network, weights: Weights, report: WorkerReport) -> nn.Module | None:
    """Return a network of timm by its name, with the weights of the export.

    None if it isn't timm's, or the installed timm has no network that they fit.
    """
    layers = (layer for layer in network.layers() if layer.module.startswith("timm.models."))
    name = next(filter(None, (timm_name(layer.attributes) for layer in layers)), "")
    state = {key: weights.tensor(tensor) for key, tensor in network.weights().items()}
    try:
        return load_named(name, state, 0, report)[0]
    except ExportRefused:
        return None


def check_runs(model: nn.Module, size: tuple[int, int], title: str, advice: str) -> None:
    """Run a network once on black images of (height, width).

    Raises:
        ExportRefused: it can't take them; begins with ``title`` and ends with ``advice``.
        AttributeError, TypeError: layers of another version lack attributes.
    """
    height, width = size
    try:
        with torch.inference_mode():
            model(torch.zeros(2, channels_of(model), height, width))
    except (RuntimeError, AssertionError, ValueError) as error:
        # torch has no class for this error, and the caller's advice is about memory.
        if "allocate memory" in str(error):
            raise
        raise ExportRefused(
            f"{title} can't take photos of {height} × {width}: "
            f"{printable(str(error)).rstrip('.! ')}. {advice}"
        ) from None


def channels_of(model: nn.Module) -> int:
    """Return how many channels a network's first convolution takes; 3 without one."""
    first = next((part for part in model.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels


def _check_channels(model: nn.Module, *, greyscale: bool) -> None:
    channels = channels_of(model)
    if channels != 3 and not (greyscale and channels == 1):
        raise ExportRefused(
            f"Its network takes images of {channels} channels, and its photos have "
            f"{'1 or 3' if greyscale else '3 (RGB)'}."
        )


def _cannot_rebuild(error: Exception) -> str:
    reason = str(error).partition("\n")[0][:200]
    is_missing = isinstance(error, CannotBuild)
    what = f"has no {reason}" if is_missing else f"can't run its layers ({reason})"
    return (
        f"Its network can't be rebuilt: what is installed ({installed_here()}) {what}. Where it "
        "was trained, update these packages, load the weights (learn.load), and call "
        "learn.export() again."
    )
