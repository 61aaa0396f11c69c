"""A learner's network: whether it is whole, what it is called, whether it can be rebuilt."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import nn

from ...bundle import Architecture
from ...errors import ExportRefused, LoupeError
from ...learner.inference_module import InferenceModule
from ...learner.rebuild import empty_learner
from ..onnx_export import golden_pixels
from .found import Found
from .unpickling import Stub, held, named

__all__ = ["check_network", "named_network", "unnamed"]

SAME = 1e-5
"""How far the answers of a rebuilt network may be from the export's own."""


@dataclass(frozen=True)
class Candidate:
    """A network that the export's may be: its library and its name there."""

    library: Literal["timm", "torchvision"]
    body: str


def check_network(model: Any) -> None:
    """Check that a network has all its parts.

    Raises:
        ExportRefused: a part is missing here, or it takes no colour photos.
    """
    if stub := _missing_part(model):
        raise ExportRefused(
            f"Its network needs {named(stub)}, which is not here. Put the file that defines it "
            "into a folder named in PYTHONPATH, or install its package, and import again."
        )
    if not isinstance(model, nn.Module):
        raise ExportRefused(f"Its model is a {type(model).__name__}, not a torch module.")
    first = next((part for part in model.modules() if isinstance(part, nn.Conv2d)), None)
    if first is not None and first.in_channels != 3:
        raise ExportRefused(
            f"Its network takes images of {first.in_channels} channels, and Loupe's have 3 (RGB)."
        )


def _missing_part(model: Any) -> Stub | None:
    # Not model.modules(), which asks a stub for its own parts.
    near = [model]
    while near:
        part = near.pop()
        if not isinstance(part, nn.Module):
            if stub := held(part):
                return stub
            continue
        # A layer's functions and settings; its children are looked at one by one.
        own = {key: value for key, value in vars(part).items() if key != "_modules"}
        if stub := held(own):
            return stub
        near += vars(part)["_modules"].values()
    return None


def named_network(learner: Any, found: Found) -> Found:
    """``found`` with the network's name, if it can be rebuilt by it with the same answers.

    Args:
        found: with an architecture that has no name, as ``unnamed`` makes it.
    """
    manifest = found.manifest()
    pixels = torch.from_numpy(golden_pixels(manifest))
    with torch.inference_mode():
        wanted = InferenceModule.from_model(learner.model, manifest).eval()(pixels)[0]
    head: Literal["linear", "fastai"] = "linear" if _head_is_linear(learner.model) else "fastai"
    for candidate in _candidates(learner):
        named_so = found.architecture.model_copy(
            update={"library": candidate.library, "body": candidate.body, "head": head}
        )
        attempt = found.model_copy(update={"architecture": named_so, "learner": True})
        if _answers_alike(learner.model, attempt, pixels, wanted):
            return attempt
    return found


def _answers_alike(
    model: nn.Module, attempt: Found, pixels: torch.Tensor, wanted: torch.Tensor
) -> bool:
    manifest = attempt.manifest()
    try:
        rebuilt = empty_learner(manifest).model
        rebuilt.load_state_dict(model.state_dict(), strict=True)
    except (LoupeError, RuntimeError):
        return False
    with torch.inference_mode():
        logits = InferenceModule.from_model(rebuilt, manifest).eval()(pixels)[0]
    scale = max(1.0, float(wanted.abs().max()))
    return logits.shape == wanted.shape and float((logits - wanted).abs().max()) <= SAME * scale


def unnamed(
    model: nn.Module, features: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> Architecture:
    """The architecture of a network that is known by its graph alone."""
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


def _head_is_linear(model: nn.Module) -> bool:
    """Whether its head learns nothing but one layer, as ``empty_learner`` can build it."""
    if type(model) is not nn.Sequential or len(model) != 2:
        return False
    return sum(1 for part in model[1].modules() if list(part.parameters(recurse=False))) == 1


def _candidates(learner: Any) -> Iterator[Candidate]:
    """Names to try: what the learner says, what timm wrote into the body, what looks the same."""
    import torchvision.models

    arch = getattr(learner, "arch", None)
    if isinstance(arch, str):
        yield Candidate("timm", arch)
    known = set(torchvision.models.list_models(module=torchvision.models))
    told = getattr(arch, "__name__", "")
    if told in known and getattr(arch, "__module__", "").startswith("torchvision."):
        yield Candidate("torchvision", told)
        return
    if type(learner.model) is not nn.Sequential or not len(learner.model):
        return
    body = learner.model[0]
    inner = getattr(body, "model", None)
    for config in (getattr(inner, "pretrained_cfg", None), getattr(inner, "default_cfg", None)):
        name = config.get("architecture") if isinstance(config, dict) else None
        if isinstance(name, str):
            yield Candidate("timm", name)
            return
    yield from _lookalikes(body, known)


def _lookalikes(body: nn.Module, known: set[str]) -> Iterator[Candidate]:
    """torchvision's networks whose cut body has tensors of the same names and shapes."""
    import torchvision.models
    from fastai.vision.learner import create_body, model_meta

    homes = {type(part).__module__ for part in body.modules()}
    # These two are made of torch's layers alone.
    plain = {"torchvision.models.alexnet", "torchvision.models.vgg"}
    families = plain if all(home.startswith("torch.nn.") for home in homes) else homes
    wanted = [(name, part.shape) for name, part in body.state_dict().items()]
    for name in sorted(known):
        builder = torchvision.models.get_model_builder(name)
        if builder.__module__ not in families:
            continue
        try:
            # Nothing is computed on the meta device: a family takes less than a second.
            with warnings.catch_warnings(), torch.device("meta"):
                warnings.simplefilter("ignore")
                cut = model_meta.get(builder, {}).get("cut")
                other = create_body(builder(weights=None), 3, False, cut)
        except Exception:  # noqa: BLE001, S112 - some networks cannot be cut, and are none
            continue
        if [(key, part.shape) for key, part in other.state_dict().items()] == wanted:
            yield Candidate("torchvision", name)
