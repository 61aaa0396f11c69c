"""An opened export → the report on it: what it is, what an import makes of it, what blocks it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ...errors import ExportRefused
from .attacks import find_risky_code
from .container import ExportFile, open_export
from .contents import Contents, list_contents
from .findings import find_problems
from .installed import place_of
from .learner import LearnerParts, read_learner
from .name_groups import group_of, is_class
from .network import Network, read_network
from .origin import infer_origin
from .placeholders import Placeholder, PlaceholderType
from .plan import describe_import, describe_left_behind
from .report import ExportReport, Kind, Name, printable
from .values import full_name
from .weights import StateDict, describe_weights, read_state_dict

__all__ = ["inspect_file"]

KINDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("collab", ("fastai.collab",)),
    ("tabular", ("fastai.tabular.learner", "fastai.tabular.model")),
    ("text", ("fastai.text",)),
    ("vision", ("fastai.vision",)),
    ("tabular", ("fastai.tabular",)),
)
"""Kinds of learner; the first whose modules occur counts. Vision may also name fastai.tabular."""

TASKS = (
    ("multi-label", ("MultiCategorize", "MultiCategoryProcessor")),
    ("segmentation", ("AddMaskCodes", "SegmentationProcessor")),
    ("boxes", ("BBoxLabeler", "ObjectCategoryProcessor")),
    ("regression", ("RegressionSetup", "PointScaler")),
    ("single-label", ("Categorize", "CategoryProcessor")),
    ("multi-label", ("BCEWithLogitsLossFlat",)),
    ("single-label", ("CrossEntropyLossFlat", "LabelSmoothingCrossEntropyFlat", "FocalLossFlat")),
)
"""Tasks; the first with a name that occurs counts."""

NETWORKS = (
    ("timm", ("timm",)),
    ("torchvision", ("torchvision.models",)),
    ("fastai", ("fastai.vision.models",)),
)

FASTAI = ("fastai", "fastcore", "fasttransform", "plum")

MAX_LABELS = 100_000

MAX_PARTS = 300_000
"""Parts of a network that are walked through."""


@dataclass(frozen=True)
class _Understood:
    """The parts of the learner that were read, or the weights, and why others were not."""

    parts: LearnerParts | None = None
    network: Network | None = None
    weights: StateDict | None = None
    reason: str = ""


def inspect_file(path: Path) -> ExportReport:
    """Return all that can be said of an export, in the process that asks.

    ``inspect_export`` does the same in a process of its own, with limits.

    Raises:
        ExportRefused: no such file, not an export at all, or made to exhaust the machine.
    """
    with open_export(path) as export:
        contents = list_contents(export.root)
        layers = _layer_types(export.root)
        names = (
            *(_name(one, layers) for one in export.reading.names.values()),
            *_carried(contents, layers),
        )
        if export.limit:
            raise _limited(export, names)
        modules = {module for module, _ in export.reading.names}
        kind, task = _kind(modules), _task(export)
        understood = _understand(export)
        if understood.weights:
            kind = "weights"
        return _report(path, export, contents, names, kind, task, understood)


def _report(
    path: Path,
    export: ExportFile,
    contents: Contents,
    names: tuple[Name, ...],
    kind: Kind,
    task: str,
    understood: _Understood,
) -> ExportReport:
    parts, network = understood.parts, understood.network
    problems = find_problems(
        export,
        contents,
        names,
        kind=kind,
        task=task,
        root=full_name(export.root),
        network=network,
        is_weights=understood.weights is not None,
        not_understood=understood.reason,
        callbacks=parts.callbacks if parts else (),
    )
    return ExportReport(
        file=printable(path.name),
        bytes=export.size,
        weights_bytes=export.weights_bytes,
        format=export.format,
        kind=kind,
        task=task,
        library=_library({name.module for name in names}, names),
        labels=tuple(printable(one) for one in (parts.labels if parts else ())[:MAX_LABELS]),
        plan=_plan(understood),
        left_behind=_left_behind(understood, contents),
        names=names,
        inferred={key: printable(one) for key, one in infer_origin(export, contents).items()},
        problems=problems,
        needs_trust=any(problem.code == "own-network" for problem in problems),
    )


def _plan(understood: _Understood) -> tuple[str, ...]:
    if understood.weights:
        return describe_weights(understood.weights)
    if understood.parts and understood.network:
        return describe_import(understood.parts, understood.network)
    return ()


def _left_behind(understood: _Understood, contents: Contents) -> tuple[str, ...]:
    if understood.weights:
        return understood.weights.unneeded
    if understood.parts:
        return describe_left_behind(understood.parts, find_risky_code(contents))
    return ()


def _understand(export: ExportFile) -> _Understood:
    """Read the learner, or the weights, as an import would."""
    parts = None
    try:
        if weights := read_state_dict(export.root):
            return _Understood(weights=weights)
        parts = read_learner(export.root)
        return _Understood(parts, read_network(parts.network))
    except ExportRefused as error:
        return _Understood(parts, reason=printable(str(error), 1000))


def _limited(export: ExportFile, names: Collection[Name]) -> ExportRefused:
    attacks = [name.full for name in names if name.group == "dangerous"][:10]
    reached = f" Before that it reaches {', '.join(attacks)}." if attacks else ""
    return ExportRefused(
        f"This file was not read to its end: {export.limit}.{reached} Do not load it."
    )


def _kind(modules: Collection[str]) -> Kind:
    for kind, words in KINDS:
        if _any_within(modules, words):
            return kind
    return "unknown"


def _task(export: ExportFile) -> str:
    plain = {name for module, name in export.reading.names if module.startswith("fastai.")}
    return next((task for task, words in TASKS if plain & set(words)), "unknown")


def _name(found: PlaceholderType, layers: Collection[Any]) -> Name:
    module, name = found.module, found.name
    place = place_of(module, name) if "." in module else "unknown"
    # What a module only imports from elsewhere, no export names through it; fastai's
    # modules import nearly everything with a star.
    elsewhere = place == "passed on" or (
        place == "no such name" and module.partition(".")[0] in FASTAI
    )
    group = group_of(
        module, name, called=found.called, is_misused=found.misused, elsewhere=elsewhere
    )
    role = "class" if is_class(name) else "function" if name else "module"
    if found in layers:
        role = "network"
    return Name(
        module=printable(module),
        name=printable(name),
        group=group,
        called=found.called,
        role=role,
    )


def _carried(contents: Contents, layers: Collection[Any]) -> Iterator[Name]:
    """Yield what the file carries, once each; methods of a class that it carries go with that."""
    classes = {one.name for one in contents.classes}
    met: set[tuple[str, str]] = set()
    for cls in contents.classes:
        if (cls.module, cls.name) not in met:
            met.add((cls.module, cls.name))
            yield _carried_name(cls.module, cls.name, "network" if cls in layers else "class")
    for function in contents.functions:
        key = function.module, function.name
        if key not in met and function.name.partition(".")[0] not in classes:
            met.add(key)
            yield _carried_name(*key, "function")


def _carried_name(module: str, name: str, role: str) -> Name:
    return Name(
        module=printable(module),
        name=printable(name),
        group="own",  # whatever module it says that it is of
        called=False,
        role=role,
        carried=True,
    )


def _layer_types(root: Any) -> set[PlaceholderType]:
    """Return the classes and functions that a learner's network is made of.

    Without a learner, those of the whole object if it has layers.
    """
    state = root.attributes if isinstance(root, Placeholder) else {}
    start = state.get("model", root if "_modules" in state else None)
    found: set[PlaceholderType] = set()
    near, met = [start], {id(start)}
    while near and len(met) < MAX_PARTS:
        one = near.pop()
        if isinstance(one, PlaceholderType):
            found.add(one)
        elif isinstance(one, Placeholder):
            found.add(cast(PlaceholderType, type(one)))
        for part in _parts(one):
            if id(part) not in met:
                met.add(id(part))
                near.append(part)
    return found


def _parts(one: Any) -> Collection[Any]:
    if isinstance(one, Placeholder):
        return (*one.args, one.state)
    if isinstance(one, dict):
        return one.values()
    return one if isinstance(one, tuple | list) else ()


def _any_within(modules: Collection[str], words: Collection[str]) -> bool:
    return any(name == word or name.startswith(word + ".") for name in modules for word in words)


def _library(modules: Collection[str], names: Collection[Name]) -> str:
    """Where the network comes from: ``timm``, ``torchvision``, ``own``, ``fastai``, or nothing."""
    if any(
        name.role == "network"
        and name.group in ("own", "other")
        and (name.carried or is_class(name.name))
        for name in names
    ):
        return "own"
    return next((library for library, words in NETWORKS if _any_within(modules, words)), "")
