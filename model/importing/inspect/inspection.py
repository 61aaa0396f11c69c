"""The report on an opened export: its kind, and what blocks an import, with what to do."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ...bundle.manifest import PRESENT_FROM
from ...errors import ExportRefused
from ...text import list_some
from . import ExportReport, Finding, Kind, printable
from .container import ExportFile, open_export
from .learner_parts import LearnerParts, read_learner
from .network import Network, read_network
from .placeholders import Placeholder, full_name
from .transforms import fold
from .weights import StateDict, describe_weights, read_state_dict

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

OTHER_OUTPUTS: Mapping[str, str] = {
    "tabular": "tables",
    "text": "text",
    "collab": "recommendations (collaborative filtering)",
    "segmentation": "a mask (segmentation)",
    "regression": "numbers or points (regression)",
    "boxes": "boxes (object detection)",
}
"""Kinds of learner and tasks that aren't photos to labels, in words."""

FASTAI_1 = {"fastai.basic_train", "fastai.basic_data", "fastai.data_block"}

AGAIN = "call learn.export() again where it was trained"

MAX_LABELS = 100_000


@dataclass(frozen=True)
class Contents:
    """The parts of a learner and its network, or weights; ``reason`` says why a part is missing."""

    parts: LearnerParts | None = None
    network: Network | None = None
    weights: StateDict | None = None
    reason: str = ""

    @property
    def plan(self) -> tuple[str, ...]:
        """The import's steps, one sentence each; for weights, their description."""
        if self.weights:
            return describe_weights(self.weights)
        return _plan(self.parts, self.network) if self.parts and self.network else ()

    @property
    def left_behind(self) -> tuple[str, ...]:
        """Parts that an import leaves out because the model does not need them."""
        if self.weights:
            return self.weights.unneeded
        if self.parts is None:
            return ()
        callbacks = [f"callback {name}" for name in dict.fromkeys(self.parts.callbacks)]
        return tuple(printable(name) for name in (*callbacks, *self.parts.unneeded))


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
        contents = _read_contents(export)
        modules = {module for module, _ in export.reading.names}
        kind: Kind = "weights" if contents.weights else _kind(modules)
        task = _task(export)
        problems = _find_problems(export, contents, kind, task)
    labels = contents.parts.labels if contents.parts else ()
    return ExportReport(
        file=printable(path.name),
        bytes=export.size,
        weights_bytes=export.weights_bytes,
        format=export.format,
        kind=kind,
        task=task,
        labels=tuple(printable(label) for label in labels[:MAX_LABELS]),
        plan=contents.plan,
        left_behind=contents.left_behind,
        names=tuple(printable(name.full) for name in export.reading.names.values()),
        problems=problems,
        needs_trust=any(problem.code == "own-network" for problem in problems),
    )


def _read_contents(export: ExportFile) -> Contents:
    """Read the learner, or the weights, as an import would."""
    parts = None
    try:
        if weights := read_state_dict(export.root):
            return Contents(weights=weights)
        parts = read_learner(export.root)
        return Contents(parts, read_network(parts.network))
    except ExportRefused as error:
        return Contents(parts, reason=printable(str(error), 1000))


def _plan(parts: LearnerParts, network: Network) -> tuple[str, ...]:
    photos = fold(parts.items, parts.batches).describe()
    outputs = "The probabilities of all labels sum to 1 (softmax)."
    if parts.loss == "sigmoid":
        usual = parts.threshold == PRESENT_FROM
        shown = "" if usual else f", and is shown if that is {parts.threshold:g} or more"
        outputs = f"Each label has a probability of its own (sigmoid){shown}."
    layers = sum(1 for _ in network.layers())
    made_of = (
        "Its network's own code has to run."
        if network.own
        else f"Its network is built of {layers:,} known layers; none of its code runs."
    )
    return (f"Photos: {'in greyscale, ' if parts.greyscale else ''}{photos}.", outputs, made_of)


def _kind(modules: Collection[str]) -> Kind:
    def occurs(package: str) -> bool:
        return any(f"{name}.".startswith(f"{package}.") for name in modules)

    return next((kind for kind, packages in KINDS if any(map(occurs, packages))), "unknown")


def _task(export: ExportFile) -> str:
    names = {name for module, name in export.reading.names if module.startswith("fastai.")}
    return next((task for task, signs in TASKS if names & set(signs)), "unknown")


def _find_problems(
    export: ExportFile, contents: Contents, kind: str, task: str
) -> tuple[Finding, ...]:
    """Return all findings, fatal ones first."""
    findings = [*_damage(export), *_other_kinds(kind, task)]
    if any(module in FASTAI_1 for module, _ in export.reading.names):
        message = (
            "The export is of fastai 1, which has other modules. Train it again with fastai 2."
        )
        findings.append(Finding.of("fastai-1", message))
    elif contents.weights is None:
        findings += _not_a_learner(export)
    if not findings:
        if contents.reason:
            findings.append(Finding.of("not-understood", contents.reason))
        callbacks = contents.parts.callbacks if contents.parts else ()
        findings += [
            *_own_network(contents.network),
            *_not_installed(),
            *_own_callbacks(callbacks),
        ]
    return tuple(sorted(findings, key=lambda finding: not finding.fatal))


def _damage(export: ExportFile) -> Iterator[Finding]:
    if export.damage:
        yield Finding.of(
            "damaged",
            f"The file is damaged or was not copied whole: {export.damage}. Copy or download "
            "it again, and compare its size with the original's.",
        )
    if not export.has_weights and not export.damage:
        yield Finding.of(
            "weights-missing",
            "Weights that the file refers to are not in it: it is damaged. Copy or download it "
            "again.",
        )


def _not_a_learner(export: ExportFile) -> Iterator[Finding]:
    root = full_name(export.root)
    if root.endswith("Learner") or export.damage:
        return
    without = "without labels and preprocessing"
    if isinstance(export.root, Placeholder) and "_modules" in export.root.attributes:
        what = f"only the network, {without} (weights alone, its state_dict(), can be imported)"
    elif export.reading.storages:
        what = f"only weights, {without}, and not as learn.save() writes them"
    else:
        what = f"no fastai learner but {printable(root)}"
    yield Finding.of("no-learner", f"The file holds {what}. To get an export, {AGAIN}.")


def _other_kinds(kind: str, task: str) -> Iterator[Finding]:
    if kind in OTHER_OUTPUTS:
        yield Finding.of(
            "not-vision",
            f"This is a learner for {OTHER_OUTPUTS[kind]}, and Loupe shows classifiers of photos. "
            "It cannot be imported.",
        )
    elif task in OTHER_OUTPUTS:
        yield Finding.of(
            "not-classification",
            f"This learner gives {OTHER_OUTPUTS[task]} and no labels. Loupe shows classifiers; it "
            "cannot be imported.",
        )


def _own_network(network: Network | None) -> Iterator[Finding]:
    """Name the network's classes whose code only --trust runs."""
    if network is None or not network.own:
        return
    names = list_some([printable(layer.full) for layer in network.own])
    if any(layer.embedded for layer in network.own):
        place = (
            f"Its network is made of {names}, whose code is embedded in the file and fits only the "
            "Python version that compiled it. Only running that code rebuilds it."
        )
    else:
        place = (
            f"Its network is made of {names}, which no library that Loupe knows has. Put the file "
            "that defines it into a folder named in PYTHONPATH. Only running that code rebuilds it."
        )
    yield Finding.of(
        "own-network",
        f"{place} If you trust its author, add --trust: it runs in a process without the secrets "
        "in your environment, but can reach your files.",
    )


def _own_callbacks(callbacks: Sequence[str]) -> Iterator[Finding]:
    """Name callbacks whose code an import doesn't read; those of fastai serve training."""
    names = dict.fromkeys(name for name in callbacks if not name.startswith("fastai."))
    if own := [printable(name) for name in names]:
        yield Finding.of(
            "own-callbacks",
            f"Callbacks that aren't fastai's stay behind: {list_some(own)}. If one of them changes "
            "photos or predictions, learn.predict gives other answers than Loupe.",
            fatal=False,
        )


def _not_installed() -> Iterator[Finding]:
    if find_spec("fastai") is None:
        yield Finding.of(
            "no-fastai",
            "fastai is not installed here, and an import needs it: pip install -r "
            "requirements.txt.",
        )
