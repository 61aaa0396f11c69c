"""Build the network named by ``--arch``, and load the weights strictly."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from torch import Tensor, nn

from ...errors import ExportRefused
from ...learner.rebuild import fastai_names, native_network
from ...text import list_some
from ..inspect.report import printable

__all__ = ["StatedNetwork", "load_stated_network"]

MAX_NAMED = 3
"""Tensors that a refusal names."""


@dataclass(frozen=True)
class StatedNetwork:
    """A network, and the name that it was made by, as an export gives it."""

    model: nn.Module
    made_by: str


@dataclass(frozen=True)
class _Candidate:
    """One way to build a network of a name: with fastai's head, or as its library does."""

    made_by: str
    build: Callable[[], nn.Module]


def load_stated_network(arch: str, weights: Mapping[str, Tensor], labels: int) -> StatedNetwork:
    """Return the network of that name that takes the weights, all of them.

    Tried are fastai's ``vision_learner`` and the network as its library builds it.

    Args:
        arch: a name in torchvision, timm or fastai.
        weights: the state dict.
        labels: how many outputs it has to have.

    Raises:
        ExportRefused: none of that name, none that takes the weights, or a different number
            of outputs.
    """
    candidates = list(_candidates(arch, labels))
    if not candidates:
        raise ExportRefused(_unknown(arch))
    misfits: list[_Misfit] = []
    for candidate in candidates:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = candidate.build().eval()
        except Exception:  # noqa: BLE001, S112 - not every network can be cut for fastai's head
            continue
        misfit = _Misfit.between(model.state_dict(), weights)
        if misfit.is_none:
            model.load_state_dict(dict(weights), strict=True)
            return StatedNetwork(model, candidate.made_by)
        misfits.append(misfit)
    if not misfits:
        raise ExportRefused(f"The network {printable(arch)} can't be built here.")
    best = min(misfits, key=lambda misfit: misfit.count)
    raise ExportRefused(best.describe(arch, labels))


@dataclass(frozen=True)
class _Misfit:
    """How weights differ from those that a network has."""

    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    reshaped: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    """The network's shape and the file's."""

    @classmethod
    def between(cls, own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> "_Misfit":
        return cls(
            tuple(name for name in own if name not in given),
            tuple(name for name in given if name not in own),
            {
                name: (tuple(own[name].shape), tuple(given[name].shape))
                for name in own
                if name in given and own[name].shape != given[name].shape
            },
        )

    @property
    def count(self) -> int:
        return len(self.missing) + len(self.unknown) + len(self.reshaped)

    @property
    def is_none(self) -> bool:
        return not self.count

    def describe(self, arch: str, labels: int) -> str:
        """Return what differs, and what to do."""
        counts = {given[0] for own, given in self.reshaped.values() if own[:1] == (labels,)}
        rest = {own[1:] == given[1:] for own, given in self.reshaped.values()}
        if not self.missing and not self.unknown and len(counts) == 1 and rest == {True}:
            outputs = counts.pop()
            return (
                f"The network has {outputs:,} outputs, and --labels gives {labels:,}. Give all "
                f"{outputs:,} labels, in the order of its outputs (dls.vocab)."
            )
        parts = [
            f"{count:,} {what} ({list_some([printable(name) for name in names], MAX_NAMED)})"
            for names, what in (
                (self.missing, "missing"),
                (self.unknown, "that it doesn't have"),
                (tuple(self.reshaped), "of another shape"),
            )
            if (count := len(names))
        ]
        return (
            f"The weights don't fit {printable(arch)}, neither with vision_learner's head nor "
            f"as its library builds it. Tensors: {'; '.join(parts)}. Give the --arch that it was "
            "trained with. If its head was made by hand, import what learn.export() writes."
        )


def _candidates(arch: str, labels: int) -> Iterator[_Candidate]:
    """Yield the ways to build a network of that name."""
    import timm
    import torchvision.models
    from fastai.vision.learner import create_timm_model, create_vision_model
    from fastai.vision.models import xresnet

    # Only listed names: timm fetches others from a hub.
    if arch in torchvision.models.list_models(module=torchvision.models):
        builder: Any = torchvision.models.get_model_builder(arch)
        made_by = f"{builder.__module__}.{arch}"
        yield _Candidate(made_by, lambda: create_vision_model(builder, labels, pretrained=False))
        yield _Candidate(made_by, lambda: native_network("torchvision", arch, labels))
    if timm.is_model(arch):
        yield _Candidate(arch, lambda: create_timm_model(arch, labels, pretrained=False)[0])
        yield _Candidate(arch, lambda: native_network("timm", arch, labels))
    if arch in fastai_names():
        own: Any = getattr(xresnet, arch)
        named = f"{own.__module__}.{arch}"
        yield _Candidate(named, lambda: create_vision_model(own, labels, pretrained=False))
        yield _Candidate(named, lambda: native_network("fastai", arch, labels))


def _unknown(arch: str) -> str:
    import timm
    import torchvision.models

    names = [
        *torchvision.models.list_models(module=torchvision.models),
        *timm.list_models(),
        *fastai_names(),
    ]
    close = list(dict.fromkeys(get_close_matches(arch.lower(), names)))
    hint = f" Similar names: {', '.join(close)}." if close else ""
    return (
        f"Neither torchvision, timm nor fastai has a network {printable(arch)!r} here.{hint} "
        "--arch takes the name that vision_learner was given."
    )
