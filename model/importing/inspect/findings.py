"""Findings about an export, first those that block an import, each with what to do."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec

from ...text import list_some
from .container import ExportFile
from .contents import Contents
from .network import Network
from .placeholders import Placeholder
from .report import Finding, printable
from .values import full_name

__all__ = ["find_problems"]

AGAIN = "call learn.export() again where it was trained"

FASTAI_1 = {"fastai.basic_train", "fastai.basic_data", "fastai.data_block"}

OTHER_OUTPUTS: Mapping[str, str] = {
    "tabular": "tables",
    "text": "text",
    "collab": "recommendations (collaborative filtering)",
    "segmentation": "a mask (segmentation)",
    "regression": "numbers or points (regression)",
    "boxes": "boxes (object detection)",
}
"""Kinds of learner and tasks that aren't photos to labels, in words."""


def find_problems(
    export: ExportFile, contents: Contents, *, kind: str, task: str
) -> tuple[Finding, ...]:
    """Return all findings, fatal ones first.

    Args:
        export: the file.
        contents: the learner or the weights, as far as they were read.
        kind: the kind of learner.
        task: its task.
    """
    findings = list(_damage(export))
    if contents.weights is None:
        findings += _not_a_learner(export)
    findings += _other_kinds(kind, task)
    if _is_fastai_1(export):
        message = (
            "The export is of fastai 1, which has other modules. Train it again with fastai 2."
        )
        findings.append(Finding.of("fastai-1", message))
    if not any(finding.fatal for finding in findings):
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
    if export.format == "pickle":
        yield Finding.of(
            "bare-pickle",
            "The file was not written by learn.export() but by pickle itself (or joblib). To get "
            f"an export, {AGAIN}.",
        )
    root = full_name(export.root)
    # fastai 1 wrote a dictionary, which has a finding of its own.
    if root.endswith("Learner") or export.damage or _is_fastai_1(export):
        return
    without = "without the labels and without how photos are prepared"
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


def _is_fastai_1(export: ExportFile) -> bool:
    return any(module in FASTAI_1 for module, _ in export.reading.names)


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
