"""The report on an opened export: its kind, an import's steps, and the findings."""

from collections.abc import Collection
from pathlib import Path

from ...errors import ExportRefused
from .container import ExportFile, open_export
from .contents import read_contents
from .findings import find_problems
from .network import Network
from .report import ExportReport, Kind, printable

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

LIBRARIES = (
    ("timm", ("timm",)),
    ("torchvision", ("torchvision.models",)),
    ("fastai", ("fastai.vision.models",)),
)
"""Libraries of networks; the first whose modules occur counts."""

MAX_LABELS = 100_000


def inspect_file(path: Path) -> ExportReport:
    """Return the report on an export, read in the calling process.

    ``inspect_export`` does the same in a process of its own, with limits.

    Raises:
        ExportRefused: the file is missing, not an export, or made to exhaust the machine.
    """
    with open_export(path) as export:
        if export.limit:
            raise ExportRefused(
                f"This file was not read to its end: {export.limit}. Do not load it."
            )
        contents = read_contents(export)
        modules = {module for module, _ in export.reading.names}
        kind: Kind = "weights" if contents.weights else _kind(modules)
        task = _task(export)
        problems = find_problems(export, contents, kind=kind, task=task)
    labels = contents.parts.labels if contents.parts else ()
    return ExportReport(
        file=printable(path.name),
        bytes=export.size,
        weights_bytes=export.weights_bytes,
        format=export.format,
        kind=kind,
        task=task,
        library=_library(modules, contents.network),
        labels=tuple(printable(label) for label in labels[:MAX_LABELS]),
        plan=contents.plan,
        left_behind=contents.left_behind,
        names=tuple(printable(name.full) for name in export.reading.names.values()),
        problems=problems,
        needs_trust=any(problem.code == "own-network" for problem in problems),
    )


def _kind(modules: Collection[str]) -> Kind:
    return next((kind for kind, packages in KINDS if _any_within(modules, packages)), "unknown")


def _task(export: ExportFile) -> str:
    names = {name for module, name in export.reading.names if module.startswith("fastai.")}
    return next((task for task, signs in TASKS if names & set(signs)), "unknown")


def _library(modules: Collection[str], network: Network | None) -> str:
    """Return the network's library: ``timm``, ``torchvision``, ``fastai``, ``own`` or nothing."""
    if network and network.own:
        return "own"
    return next((name for name, packages in LIBRARIES if _any_within(modules, packages)), "")


def _any_within(modules: Collection[str], packages: Collection[str]) -> bool:
    return any(
        name == package or name.startswith(f"{package}.")
        for name in modules
        for package in packages
    )
