"""The name of a network: candidates, and whether one rebuilds the same network."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import nn

from ...bundle import Architecture
from ...errors import LoupeError
from ...learner.inference_module import InferenceModule
from ...learner.rebuild import empty_learner, fastai_names, native_network
from ...training.onnx_export import golden_pixels
from .timm_network import timm_name
from .worker_report import WorkerReport

__all__ = ["named_network", "unnamed"]

SAME = 1e-5
"""How far the answers of a rebuilt network may be from the export's own."""


@dataclass(frozen=True)
class Candidate:
    """A network that the export's may be: its library and its name there."""

    library: Literal["timm", "torchvision", "fastai"]
    body: str


def named_network(model: nn.Module, made_by: str, report: WorkerReport) -> WorkerReport:
    """Return ``report`` with the network's name, if that rebuilds it with the same outputs.

    Args:
        model: the network.
        made_by: the name that the export gives it, or nothing.
        report: with an architecture that has no name, as ``unnamed`` makes it.
    """
    manifest = report.manifest()
    pixels = torch.from_numpy(golden_pixels(manifest))
    with torch.inference_mode():
        expected = InferenceModule.from_model(model, manifest).eval()(pixels)[0]
    head = _head(model)
    for candidate in _candidates(model, made_by, len(report.labels)):
        architecture = report.architecture.model_copy(
            update={"library": candidate.library, "body": candidate.body, "head": head}
        )
        attempt = report.model_copy(update={"architecture": architecture, "learner": True})
        if _answers_alike(model, attempt, pixels, expected):
            return attempt
    return report


def _answers_alike(
    model: nn.Module, attempt: WorkerReport, pixels: torch.Tensor, expected: torch.Tensor
) -> bool:
    manifest = attempt.manifest()
    try:
        rebuilt = empty_learner(manifest).model
        rebuilt.load_state_dict(model.state_dict(), strict=True)
    except (LoupeError, RuntimeError):
        return False
    with torch.inference_mode():
        logits = InferenceModule.from_model(rebuilt, manifest).eval()(pixels)[0]
    scale = max(1.0, float(expected.abs().max()))
    return logits.shape == expected.shape and float((logits - expected).abs().max()) <= SAME * scale


def unnamed(
    model: nn.Module, features: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> Architecture:
    """Return the architecture of a network that is known by its graph alone."""
    body = next(model.children(), model) if type(model) is nn.Sequential else model
    name = re.sub(r"\W", "_", type(body).__name__, flags=re.ASCII)[:100] or "network"
    return Architecture(
        library="custom",
        body=name,
        head="custom",
        features=features,
        parameters=max(1, sum(part.numel() for part in model.parameters())),
        mean=cast(Any, mean),
        std=cast(Any, std),
    )


def _head(model: nn.Module) -> Literal["linear", "fastai", "native"]:
    """Return the kind of head that ``empty_learner`` has to build, if the network has a name."""
    # A subclass of Sequential, such as XResNet, is a whole network.
    if type(model) is not nn.Sequential:
        return "native"
    if len(model) != 2:
        return "fastai"
    learns = [part for part in model[1].modules() if list(part.parameters(recurse=False))]
    return "linear" if len(learns) == 1 else "fastai"


def _candidates(model: nn.Module, made_by: str, labels: int) -> Iterator[Candidate]:
    """Yield names to try: the export's own, timm's in the network, those that look the same."""
    module, _, name = made_by.rpartition(".")
    for named, home in (
        (Candidate("torchvision", name), "torchvision.models"),
        (Candidate("fastai", name), "fastai.vision.models"),
    ):
        if module.startswith(home) and named in _builders():
            yield named
            return
    if name:
        yield Candidate("timm", made_by)
    if type(model) is not nn.Sequential:
        if listed := timm_name(vars(model)):
            yield Candidate("timm", listed)
        else:
            yield from _lookalikes(model, {type(model).__module__}, labels)
        return
    if not len(model):
        return
    body = model[0]
    inner = getattr(body, "model", None)
    if isinstance(inner, nn.Module) and (listed := timm_name(vars(inner))):
        yield Candidate("timm", listed)
        return
    yield from _lookalikes(body, _families(body))


def _families(body: nn.Module) -> set[str]:
    """Return the modules whose networks have a cut body of such layers."""
    homes = {type(part).__module__ for part in body.modules()}
    if all(home.startswith("torch.nn.") for home in homes):
        # These two are made of torch's layers alone.
        return {"torchvision.models.alexnet", "torchvision.models.vgg"}
    return homes | ({"fastai.vision.models.xresnet"} if "fastai.layers" in homes else set())


def _builders() -> dict[Candidate, Any]:
    """Return the functions that build networks of torchvision and fastai, sorted by name."""
    import torchvision.models
    from fastai.vision.models import xresnet

    found: dict[Candidate, Any] = {
        Candidate("torchvision", name): torchvision.models.get_model_builder(name)
        for name in sorted(torchvision.models.list_models(module=torchvision.models))
    }
    return found | {Candidate("fastai", name): getattr(xresnet, name) for name in fastai_names()}


def _lookalikes(
    network: nn.Module, families: set[str], labels: int | None = None
) -> Iterator[Candidate]:
    """Yield networks that have tensors of the same names and shapes.

    Args:
        network: a whole network, or the body of one.
        families: modules in which to look.
        labels: how many outputs a whole network has; None for a body.
    """
    from fastai.vision.learner import create_body, model_meta

    expected = [(name, part.shape) for name, part in network.state_dict().items()]
    for candidate, builder in _builders().items():
        if builder.__module__ not in families:
            continue
        try:
            # Nothing is computed on the meta device: a family takes less than a second.
            with warnings.catch_warnings(), torch.device("meta"):
                warnings.simplefilter("ignore")
                other = native_network(candidate.library, candidate.body, labels or 1000)
                if labels is None:
                    other = create_body(other, 3, False, model_meta.get(builder, {}).get("cut"))
        except Exception:  # noqa: BLE001, S112 - some networks cannot be cut, and are none
            continue
        if [(key, part.shape) for key, part in other.state_dict().items()] == expected:
            yield candidate
