"""Build the network named by ``--arch``, and load the weights strictly."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from torch import Tensor, nn

from ...bundle import Architecture
from ...errors import EngineUnavailable, ExportRefused
from ...text import list_some
from ..inspect.learner import LearnerParts
from ..inspect.report import printable
from .network_name import Head, NetworkName, all_names, build_named
from .recipe import GraphInput
from .restored_network import check_runs
from .worker_report import WorkerReport

__all__ = ["load_stated_network"]

MAX_NAMED = 3
"""Tensors that a refusal names."""

HEADS: tuple[Head, ...] = ("fastai", "native")


def load_stated_network(
    weights: Mapping[str, Tensor], parts: LearnerParts, steps: GraphInput
) -> tuple[nn.Module, NetworkName]:
    """Return the network that takes the weights, all of them, and its name.

    Tried are fastai's ``vision_learner`` and the network as its library builds it.

    Args:
        weights: the state dict.
        parts: names the network (``architecture``) and the labels.
        steps: the preprocessing.

    Raises:
        ExportRefused: none of that name, none that takes the weights, a different number of
            outputs, or photos of a size that it can't take.
    """
    arch, labels = parts.architecture, len(parts.labels)
    listed = all_names()
    libraries = [library for library, names in listed.items() if arch in names]
    if not libraries:
        raise ExportRefused(_unknown(arch, [name for names in listed.values() for name in names]))
    nameless = Architecture(
        library="custom",
        body="network",
        head="custom",
        features=1,
        parameters=1,
        mean=steps.mean,
        std=steps.std,
    )
    report = WorkerReport.of(parts, steps.recipe, nameless)
    misfits: list[_Misfit] = []
    for name in [NetworkName(library, arch, head) for library in libraries for head in HEADS]:
        try:
            model = build_named(name.put_into(report))
        except EngineUnavailable:  # not every network can be cut for fastai's head
            continue
        misfit = _Misfit.between(model.state_dict(), weights)
        if not misfit.count:
            model.load_state_dict(dict(weights), strict=True)
            # Many transformers take one size only.
            advice = "Give the --size that it was trained with."
            check_runs(model, steps.recipe.size, printable(arch), advice)
            return model, name
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


def _unknown(arch: str, names: list[str]) -> str:
    close = list(dict.fromkeys(get_close_matches(arch.lower(), names)))
    hint = f" Similar names: {', '.join(close)}." if close else ""
    return (
        f"Neither torchvision, timm nor fastai has a network {printable(arch)!r} here.{hint} "
        "--arch takes the name that vision_learner was given."
    )
