"""What an opened export means: its kind, its names by group, and what would fail here."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ..errors import ExportRefused
from .container import Opened
from .groups import group_of, is_class
from .here import place_of
from .hints import hints
from .problems import problems
from .report import Export, Kind, Name, shown
from .values import Carried, Global, Made, Seen, Trace, Value

__all__ = ["diagnose"]

KINDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("collab", ("fastai.collab",)),
    ("tabular", ("fastai.tabular.learner", "fastai.tabular.model")),
    ("text", ("fastai.text",)),
    ("vision", ("fastai.vision",)),
    ("tabular", ("fastai.tabular",)),
)
"""The first whose modules occur; a vision learner made from a table names fastai.tabular, too."""

TASKS = (
    ("multi-label", ("MultiCategorize", "MultiCategoryProcessor")),
    ("segmentation", ("AddMaskCodes", "SegmentationProcessor")),
    ("boxes", ("BBoxLabeler", "ObjectCategoryProcessor")),
    ("regression", ("RegressionSetup", "PointScaler")),
    ("single-label", ("Categorize", "CategoryProcessor")),
    ("multi-label", ("BCEWithLogitsLossFlat",)),
    ("single-label", ("CrossEntropyLossFlat", "LabelSmoothingCrossEntropyFlat", "FocalLossFlat")),
)
"""The first of whose names one occurs."""

NETWORKS = (
    ("timm", ("timm",)),
    ("torchvision", ("torchvision.models",)),
    ("fastai", ("fastai.vision.models",)),
)

FASTAI = ("fastai", "fastcore", "fasttransform", "plum")

MAX_LABELS = 100_000

MAX_PARTS = 300_000
"""Parts of a network that are walked through."""


def diagnose(path: Path, opened: Opened) -> Export:
    """All that can be said of an opened export.

    Raises:
        ExportRefused: reading it met a limit.
    """
    trace = opened.trace
    layers = _layers(opened.root)
    names = (
        *(_name(found, seen, layers) for found, seen in trace.globals.items()),
        *_carried(trace.carried, layers),
    )
    if trace.limit:
        raise _limited(trace, names)
    modules = {found.module for found in trace.globals}
    kind, task = _kind(modules), _task(trace)
    return Export(
        file=shown(path.name),
        bytes=opened.bytes,
        weights_bytes=opened.weights_bytes,
        format=opened.format,
        kind=kind,
        task=task,
        library=_library(modules, names),
        labels=tuple(shown(label) for label in trace.labels[:MAX_LABELS]),
        names=names,
        inferred={key: shown(value) for key, value in hints(opened).items()},
        problems=problems(opened, names, kind=kind, task=task, root=_class(opened.root)),
    )


def _limited(trace: Trace, names: Collection[Name]) -> ExportRefused:
    attacks = [name.full for name in names if name.group == "dangerous"][:10]
    said = f" Before that it reaches {', '.join(attacks)}." if attacks else ""
    return ExportRefused(
        f"This file was not read to its end: {trace.limit}, as no export is.{said} Do not load it."
    )


def _kind(modules: Collection[str]) -> Kind:
    for kind, words in KINDS:
        if _any_within(modules, words):
            return kind
    return "unknown"


def _task(trace: Trace) -> str:
    plain = {found.name for found in trace.globals if found.module.startswith("fastai.")}
    return next((task for task, words in TASKS if plain & set(words)), "unknown")


def _name(found: Global, seen: Seen, layers: Collection[Value]) -> Name:
    place = place_of(found.module, found.name) if "." in found.module else "unknown"
    # What a module only imports from elsewhere, no export names through it; fastai's
    # modules import nearly everything with a star.
    elsewhere = place == "passed on" or (
        place == "no such name" and found.module.partition(".")[0] in FASTAI
    )
    group = group_of(found, seen, elsewhere=elsewhere)
    role = "class" if is_class(found.name) else "function" if found.name else "module"
    if found in layers:
        role = "network"
    return Name(shown(found.module), shown(found.name), group, seen.called, role)


def _carried(carried: Collection[Carried], layers: Collection[Value]) -> Iterator[Name]:
    """What the file carries, once each; methods of a class that it carries go with that."""
    classes = {found.name for found in carried if found.kind == "class"}
    met: dict[tuple[str, str], list[Carried]] = {}
    for found in carried:
        if found.kind == "class" or found.name.partition(".")[0] not in classes:
            met.setdefault((found.module, found.name), []).append(found)
    for (module, name), same in met.items():
        network = any(one in layers for one in same)
        yield Name(
            shown(module),
            shown(name),
            "own",  # whatever module it says that it is of
            any(one.called for one in same),
            "network" if network else same[0].kind,
            True,
        )


def _layers(root: Value) -> set[Value]:
    """The classes and functions that a learner's network is made of.

    Without a learner, those of the whole object if it has layers.
    """
    state = root.state if isinstance(root, Made) and isinstance(root.state, Mapping) else {}
    start = state.get("model", root if "_modules" in state else None)
    found: set[Value] = set()
    near, met = [start], {id(start)}
    while near and len(met) < MAX_PARTS:
        one = near.pop()
        if isinstance(one, Global | Carried):
            found.add(one)
        for part in _parts(one):
            if id(part) not in met:
                met.add(id(part))
                near.append(part)
    return found


def _parts(one: Value) -> Collection[Value]:
    if isinstance(one, Made):
        return (one.maker, one.args, one.state)
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


def _class(root: Value) -> str:
    """What the file's one object is: the full name of its class, or of Python's type."""
    if isinstance(root, Made) and isinstance(root.maker, Global | Carried):
        return f"{root.maker.module}.{root.maker.name}"
    return type(root).__name__
