"""The name of a network: candidates, and the test that one rebuilds the same network."""

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import nn

from ...bundle import Architecture
from ...errors import LoupeError
from ...learner.inference_module import InferenceModule
from ...learner.onnx_export import golden_pixels
from ...learner.rebuild import empty_learner, fastai_names, native_network
from .timm_network import timm_name
from .worker_report import WorkerReport

__all__ = ["NetworkName", "all_names", "build_named", "find_name", "names_in_export", "unnamed"]

SAME = 1e-5
"""Largest difference of a rebuilt network's outputs, in multiples of the largest output."""

Library = Literal["torchvision", "timm", "fastai"]
Head = Literal["linear", "fastai", "native"]


@dataclass(frozen=True)
class NetworkName:
    """A network by its library, its name there, and its head (see ``Architecture``)."""

    library: Library
    body: str
    head: Head

    def put_into(self, report: WorkerReport) -> WorkerReport:
        """Return a report that names the network, so that a learner can be rebuilt."""
        named = report.with_architecture(**vars(self))
        return named.model_copy(update={"learner": True})


def all_names() -> dict[Library, list[str]]:
    """Return the names that each library lists; timm would fetch any others from a hub."""
    import timm
    import torchvision.models

    return {
        "torchvision": torchvision.models.list_models(module=torchvision.models),
        "timm": timm.list_models(),
        "fastai": fastai_names(),
    }


def build_named(report: WorkerReport) -> nn.Module:
    """Return the network that a report names, with random weights, for evaluation.

    Raises:
        EngineUnavailable: its library doesn't know it, or can't build it with that head.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network: nn.Module = empty_learner(report.draft()).model.eval()
    return network


def find_name(model: nn.Module, names: Iterable[NetworkName], report: WorkerReport) -> WorkerReport:
    """Return ``report`` with the first name that rebuilds the network with the same outputs.

    Args:
        model: the network.
        names: the candidates.
        report: with an architecture that has no name, as ``unnamed`` makes it.
    """
    manifest = report.draft()
    pixels = torch.from_numpy(golden_pixels(manifest))
    with torch.inference_mode():
        expected = InferenceModule.from_model(model, manifest).eval()(pixels)[0]
    attempts = (name.put_into(report) for name in names)
    matching = (attempt for attempt in attempts if _is_same(model, attempt, pixels, expected))
    return next(matching, report)


def _is_same(
    model: nn.Module, attempt: WorkerReport, pixels: torch.Tensor, expected: torch.Tensor
) -> bool:
    try:
        rebuilt = build_named(attempt)
        rebuilt.load_state_dict(model.state_dict(), strict=True)
    except (LoupeError, RuntimeError):
        return False
    with torch.inference_mode():
        logits = InferenceModule.from_model(rebuilt, attempt.draft()).eval()(pixels)[0]
    scale = max(1.0, float(expected.abs().max()))
    return logits.shape == expected.shape and float((logits - expected).abs().max()) <= SAME * scale


def unnamed(model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> Architecture:
    """Return the architecture of a network that is known by its graph alone."""
    body = next(model.children(), model) if type(model) is nn.Sequential else model
    name = re.sub(r"\W", "_", type(body).__name__, flags=re.ASCII)[:100] or "network"
    return Architecture(
        library="custom",
        body=name,
        head="custom",
        features=1,
        parameters=max(1, sum(part.numel() for part in model.parameters())),
        mean=cast(Any, mean),
        std=cast(Any, std),
    )


def names_in_export(model: nn.Module, made_by: str, labels: int) -> Iterator[NetworkName]:
    """Yield candidates: the export's name, timm's, or those with tensors of the same shapes.

    Args:
        model: the network.
        made_by: the name that the export gives it, or an empty string.
        labels: the number of its outputs.
    """
    head = _head(model)
    module, _, name = made_by.rpartition(".")
    homes: tuple[tuple[Library, str], ...] = (
        ("torchvision", "torchvision.models"),
        ("fastai", "fastai.vision.models"),
    )
    for library, home in homes:
        if module.startswith(home) and name in all_names()[library]:
            yield NetworkName(library, name, head)
            return
    if name:
        yield NetworkName("timm", made_by, head)
    is_whole = type(model) is not nn.Sequential
    body = model if is_whole else next(model.children(), None)
    # fastai wraps timm's bodies.
    inner = body if is_whole else getattr(body, "model", None)
    if isinstance(inner, nn.Module) and (listed := timm_name(vars(inner))):
        yield NetworkName("timm", listed, head)
    elif body is not None:
        for library, name in _lookalikes(body, labels if is_whole else None):
            yield NetworkName(library, name, head)


def _head(model: nn.Module) -> Head:
    """Return the kind of head that ``empty_learner`` has to build, if the network has a name."""
    # A subclass of Sequential, such as XResNet, is a whole network.
    if type(model) is not nn.Sequential:
        return "native"
    if len(model) != 2:
        return "fastai"
    trainable = [part for part in model[1].modules() if list(part.parameters(recurse=False))]
    return "linear" if len(trainable) == 1 else "fastai"


def _families(network: nn.Module) -> set[str]:
    """Return the modules that may define a network of these layers."""
    homes = {type(part).__module__ for part in network.modules()}
    if all(home.startswith("torch.nn.") for home in homes):
        # These two are made of torch's layers alone.
        return {"torchvision.models.alexnet", "torchvision.models.vgg"}
    return homes | ({"fastai.vision.models.xresnet"} if "fastai.layers" in homes else set())


def _builders() -> Iterator[tuple[Library, str, Any]]:
    """Yield the networks of torchvision and fastai with the functions that build them."""
    import torchvision.models
    from fastai.vision.models import xresnet

    names = all_names()
    for name in sorted(names["torchvision"]):
        yield "torchvision", name, torchvision.models.get_model_builder(name)
    for name in names["fastai"]:
        yield "fastai", name, getattr(xresnet, name)


def _lookalikes(network: nn.Module, labels: int | None) -> Iterator[tuple[Library, str]]:
    """Yield networks that have tensors of the same names and shapes.

    Args:
        network: a whole network, or the body of one.
        labels: the number of a whole network's outputs; None for a body.
    """
    from fastai.vision.learner import create_body, model_meta

    families = _families(network) if labels is None else {type(network).__module__}
    expected = [(name, part.shape) for name, part in network.state_dict().items()]
    for library, name, builder in _builders():
        if builder.__module__ not in families:
            continue
        try:
            # Nothing is computed on the meta device: a family takes less than a second.
            with warnings.catch_warnings(), torch.device("meta"):
                warnings.simplefilter("ignore")
                other = native_network(library, name, labels or 1000)
                if labels is None:
                    other = create_body(other, 3, False, model_meta.get(builder, {}).get("cut"))
        except Exception:  # noqa: BLE001, S112 - some networks can't be cut, so can't match
            continue
        if [(key, part.shape) for key, part in other.state_dict().items()] == expected:
            yield library, name
