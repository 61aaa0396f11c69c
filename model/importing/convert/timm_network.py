"""timm's networks, rebuilt by name: layers' attributes change between versions of timm."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from ...errors import EngineUnavailable
from ...learner.rebuild import native_network
from ..inspect.network import Layer, Network
from .network_builder import Weights

__all__ = ["rebuild_timm", "timm_name"]


def timm_name(attributes: Mapping[str, Any]) -> str:
    """Return timm's name of a network from its attributes; empty if they have none."""
    for key in ("pretrained_cfg", "default_cfg"):
        config = attributes.get(key)
        name = config.get("architecture") if isinstance(config, dict) else None
        if isinstance(name, str):
            return name
    return ""


def rebuild_timm(network: Network, weights: Weights) -> dict[int, nn.Module]:
    """Return timm's networks within a network, built by name with the weights of the export.

    Returns:
        Networks by the ``id`` of the layer that each replaces, without those whose names or
        weights the installed timm does not know.
    """
    rebuilt: dict[int, nn.Module] = {}
    for layer in network.layers():
        name = timm_name(layer.attributes)
        if name and layer.module.startswith("timm.models."):
            state = {
                key: weights.tensor(tensor) for key, tensor in Network(layer, ()).weights().items()
            }
            if module := _built(name, layer, state):
                rebuilt[id(layer)] = module
    return rebuilt


def _built(name: str, layer: Layer, state: dict[str, Any]) -> nn.Module | None:
    labels = layer.attributes.get("num_classes")
    counts = [0]  # without a classifier, as vision_learner takes it
    if isinstance(labels, int) and 0 < labels <= 100_000:
        counts.insert(0, labels)
    for count in counts:
        try:
            module = native_network("timm", name, count, pretrained=False)
            module.load_state_dict(state, strict=True)
        except (EngineUnavailable, RuntimeError, ValueError):  # not timm's name, other weights
            continue
        return module.eval()
    return None
