"""The network of an export: built from its layers, rebuilt by name, or unpickled."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import ExportRefused
from ..inspect.network import read_network
from ..inspect.report import printable
from .named_network import rebuild_timm
from .network_builder import CannotBuild, Weights, build_network
from .worker_report import installed_here

__all__ = ["channels_of", "check_runs", "restore_network"]

OWN_PHOTOS = "Its network", "Check that learn.predict works where it was trained."


def restore_network(
    value: Any,
    weights: Weights,
    size: tuple[int, int],
    *,
    greyscale: bool = False,
    trusted: Path | None = None,
) -> nn.Module:
    """Return a network in float32 on the CPU, for evaluation.

    Args:
        value: the network's placeholder.
        weights: its tensors.
        size: height and width of its input.
        greyscale: True if its photos may have one channel.
        trusted: the export, if its own code may run.

    Raises:
        ExportRefused: it has unknown classes, or doesn't run.
    """
    network = read_network(value)
    if network.own:
        if trusted is None:
            raise ExportRefused(f"Its network is made of {network.own[0].full}.")
        from .trusted import unpickle_network

        model = unpickle_network(trusted)
        _check_channels(model, greyscale=greyscale)
        return model
    try:
        model = build_network(network, weights)
        _check_channels(model, greyscale=greyscale)
        check_runs(model, size, *OWN_PHOTOS)
    except (CannotBuild, AttributeError, TypeError) as error:
        rebuilt = rebuild_timm(network, weights)
        if not rebuilt:
            raise ExportRefused(_cannot_rebuild(error)) from None
        try:
            model = build_network(network, weights, rebuilt)
            check_runs(model, size, *OWN_PHOTOS)
        except (CannotBuild, AttributeError, TypeError) as retry_error:
            raise ExportRefused(_cannot_rebuild(retry_error)) from None
    return model


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
