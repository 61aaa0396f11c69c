"""Build the network named by ``--arch``, and load the weights strictly."""

from collections.abc import Mapping
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

Shapes = dict[str, tuple[int, ...]]

HEADS: tuple[Head, ...] = ("fastai", "native")


def load_stated_network(
    weights: Mapping[str, Tensor], parts: LearnerParts, steps: GraphInput
) -> tuple[nn.Module, NetworkName]:
    """Return the network that all the weights fit, and its name.

    Tries fastai's ``vision_learner``, then the network as its library builds it.

    Args:
        weights: the state dict.
        parts: names the network (``architecture``) and the labels.
        steps: the preprocessing.

    Raises:
        ExportRefused: no network has that name, the weights don't fit, the number of outputs
            differs, or the network can't take photos of that size.
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
    given = _shapes(weights)
    built: list[Shapes] = []
    for name in [NetworkName(library, arch, head) for library in libraries for head in HEADS]:
        try:
            model = build_named(name.put_into(report))
        except EngineUnavailable:  # not every network can be cut for fastai's head
            continue
        built.append(_shapes(model.state_dict()))
        if not any(_misfits(built[-1], given).values()):
            model.load_state_dict(dict(weights), strict=True)
            # Many transformers take one size only.
            advice = "Give the --size that it was trained with."
            check_runs(model, steps.recipe.size, printable(arch), advice)
            return model, name
    if not built:
        raise ExportRefused(f"The network {printable(arch)} can't be built here.")
    closest = min(built, key=lambda own: sum(map(len, _misfits(own, given).values())))
    raise ExportRefused(_describe_misfit(arch, labels, closest, given))


def _shapes(tensors: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _misfits(own: Shapes, given: Shapes) -> dict[str, list[str]]:
    """Return the names of the tensors that differ between a network and a file, by kind."""
    common = [name for name in own if name in given]
    return {
        "missing": [name for name in own if name not in given],
        "that it doesn't have": [name for name in given if name not in own],
        "of another shape": [name for name in common if own[name] != given[name]],
    }


def _describe_misfit(arch: str, labels: int, own: Shapes, given: Shapes) -> str:
    """Describe the differences, and what to do."""
    misfits = {what: names for what, names in _misfits(own, given).items() if names}
    if list(misfits) == ["of another shape"]:
        pairs = [(own[name], given[name]) for name in misfits["of another shape"]]
        counts = {theirs[:1] for _, theirs in pairs}
        # Only the outputs differ.
        if len(counts) == 1 and all(
            ours[:1] == (labels,) and ours[1:] == theirs[1:] for ours, theirs in pairs
        ):
            (outputs,) = counts.pop()
            return (
                f"The network has {outputs:,} outputs, and --labels gives {labels:,}. Give all "
                f"{outputs:,} labels, in the order of its outputs (dls.vocab)."
            )
    differences = "; ".join(
        f"{len(names):,} {what} ({list_some([printable(name) for name in names], MAX_NAMED)})"
        for what, names in misfits.items()
    )
    return (
        f"The weights don't fit {printable(arch)}, neither with vision_learner's head nor "
        f"as its library builds it. Tensors: {differences}. Give the --arch that it was "
        "trained with. If its head was made by hand, import what learn.export() writes."
    )


def _unknown(arch: str, names: list[str]) -> str:
    close = list(dict.fromkeys(get_close_matches(arch.lower(), names)))
    hint = f" Similar names: {', '.join(close)}." if close else ""
    return (
        f"Neither torchvision, timm nor fastai has a network {printable(arch)!r} here.{hint} "
        "--arch takes the name that vision_learner was given."
    )
