"""Networks that a library builds by name: stated by ``--arch``, or found in an export."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import torch
from torch import nn

from ...errors import EngineUnavailable, ExportRefused, LoupeError
from ...learner.inference_module import InferenceModule, golden_pixels
from ...learner.rebuild import empty_learner, fastai_names
from ..inspect import printable
from .worker_report import WorkerReport

SAME = 1e-5
"""Largest difference of a rebuilt network's outputs, in multiples of the largest output."""

MAX_MISFIT = 600
"""Most characters of torch's message on weights that don't fit."""

Library = Literal["torchvision", "timm", "fastai"]
Head = Literal["linear", "fastai", "native"]

HEADS: tuple[Head, ...] = ("fastai", "native")

MODULES: Mapping[str, Library] = {
    "torchvision.models": "torchvision",
    "fastai.vision.models": "fastai",
}
"""Libraries by the module of the function that an export names."""


@dataclass(frozen=True)
class NetworkName:
    """A network by its library, its name there, and its head (see ``bundle.Architecture``)."""

    library: Library
    body: str
    head: Head

    def put_into(self, report: WorkerReport) -> WorkerReport:
        """Return a report that names the network, so that a learner can be rebuilt."""
        named = report.with_architecture(**vars(self))
        return named.model_copy(update={"learner": True})


def _all_names() -> dict[Library, list[str]]:
    """Return the names that each library lists."""
    import timm
    import torchvision.models

    return {
        "torchvision": torchvision.models.list_models(module=torchvision.models),
        "timm": timm.list_models(),
        "fastai": fastai_names(),
    }


def _build(report: WorkerReport) -> nn.Module:
    """Return the network that a report names, with random weights, for evaluation.

    Raises:
        EngineUnavailable: its library doesn't know it, or can't build it with that head.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network: nn.Module = empty_learner(report.draft()).model.eval()
    return network


def load_named(
    arch: str, weights: Mapping[str, torch.Tensor], outputs: int, report: WorkerReport
) -> tuple[nn.Module, NetworkName]:
    """Return the network that all the weights fit, and its name.

    Tries fastai's ``vision_learner``, then the network as its library builds it.

    Args:
        arch: the name given by ``--arch``, or timm's in an export.
        weights: the state dict.
        outputs: rows of its last linear layer, as far as names tell; else 0.
        report: with an architecture that has no name.

    Raises:
        ExportRefused: no network has that name, or the weights don't fit it.
    """
    import timm

    listed = _all_names()
    libraries = [library for library, names in listed.items() if arch in names]
    # Former names and those with a tag aren't listed; any others timm would fetch from a hub.
    if "timm" not in libraries and timm.is_model(arch):
        libraries.append("timm")
    if not libraries:
        raise ExportRefused(_unknown(arch, [name for names in listed.values() for name in names]))
    misfits = []
    for name in [NetworkName(library, arch, head) for library in libraries for head in HEADS]:
        try:
            model = _build(name.put_into(report))
            model.load_state_dict(dict(weights), strict=True)
        except EngineUnavailable:  # not every network can be cut for fastai's head
            continue
        except RuntimeError as error:
            misfits.append(str(error).partition("\n")[2])
            continue
        return model, name
    if not misfits:
        raise ExportRefused(f"The network {printable(arch)} can't be built here.")
    labels = len(report.labels)
    if outputs not in (0, labels):
        raise ExportRefused(
            f"The network has {outputs:,} outputs, and --labels gives {labels:,}. Give all "
            f"{outputs:,} labels, in the order of its outputs (dls.vocab)."
        )
    # The shortest names the fewest tensors.
    misfit = printable(" ".join(min(misfits, key=len).split()), MAX_MISFIT)
    raise ExportRefused(
        f"The weights don't fit {printable(arch)}, neither with vision_learner's head nor as its "
        f"library builds it: {misfit} Give the --arch that it was trained with. If its head was "
        "made by hand, import what learn.export() writes."
    )


def _unknown(arch: str, names: list[str]) -> str:
    close = list(dict.fromkeys(get_close_matches(arch.lower(), names)))
    hint = f" Similar names: {', '.join(close)}." if close else ""
    return (
        f"Neither torchvision, timm nor fastai has a network {printable(arch)!r} here.{hint} "
        "--arch takes the name that vision_learner was given."
    )


def name_in_export(model: nn.Module, made_by: str) -> NetworkName | None:
    """Return the name that an export gives its network, or timm's own name of it.

    ``made_by`` is the function that made it, timm's name, or an empty string.
    """
    head = _head(model)
    module, _, name = made_by.rpartition(".")
    for home, library in MODULES.items():
        if module.startswith(home):
            return NetworkName(library, name, head)
    body = model if head == "native" else next(model.children(), None)
    # fastai wraps timm's bodies.
    inner = getattr(body, "model", body)
    listed = timm_name(vars(inner)) if isinstance(inner, nn.Module) else ""
    return NetworkName("timm", listed or made_by, head) if listed or made_by else None


def _head(model: nn.Module) -> Head:
    """Return the kind of head that ``empty_learner`` has to build, if the network has a name."""
    # A subclass of Sequential, such as XResNet, is a whole network.
    if type(model) is not nn.Sequential:
        return "native"
    if len(model) != 2:
        return "fastai"
    trainable = [part for part in model[1].modules() if list(part.parameters(recurse=False))]
    return "linear" if len(trainable) == 1 else "fastai"


def confirm_name(model: nn.Module, name: NetworkName, report: WorkerReport) -> WorkerReport:
    """Return a report with the name if that rebuilds the network with the same outputs."""
    attempt = name.put_into(report)
    try:
        rebuilt = _build(attempt)
        rebuilt.load_state_dict(model.state_dict(), strict=True)
    except (LoupeError, RuntimeError):
        return report
    manifest = report.draft()
    pixels = torch.from_numpy(golden_pixels(manifest))
    with torch.inference_mode():
        expected, logits = (
            InferenceModule.from_model(network, manifest).eval()(pixels)[0]
            for network in (model, rebuilt)
        )
    scale = max(1.0, float(expected.abs().max()))
    is_same = logits.shape == expected.shape and bool(
        (logits - expected).abs().max() <= SAME * scale
    )
    return attempt if is_same else report


def timm_name(attributes: Mapping[str, Any]) -> str:
    """Return timm's name of a network from its attributes; empty if they have none."""
    for key in ("pretrained_cfg", "default_cfg"):
        config = attributes.get(key)
        name = config.get("architecture") if isinstance(config, dict) else None
        if isinstance(name, str):
            return name
    return ""
