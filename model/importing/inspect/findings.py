"""Findings about an export, first those that block an import, each with what to do."""

import sys
from collections.abc import Iterator, Mapping, Sequence

from .attacks import find_attacks
from .container import ExportFile
from .contents import Contents
from .installed import installed_version
from .network import Layer, Network
from .origin import python_minor
from .report import Finding, Name, joined, printable

__all__ = ["find_problems"]

AGAIN = "call learn.export() again where it was trained"

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"

FASTAI_1 = {"fastai.basic_train", "fastai.basic_data", "fastai.data_block"}

WORDS: Mapping[str, str] = {
    "tabular": "tables",
    "text": "text",
    "collab": "recommendations (collaborative filtering)",
    "segmentation": "a mask (segmentation)",
    "regression": "numbers or points (regression)",
    "boxes": "boxes (object detection)",
}


def find_problems(
    export: ExportFile,
    contents: Contents,
    names: Sequence[Name],
    *,
    kind: str,
    task: str,
    root: str,
    network: Network | None,
    is_weights: bool,
    not_understood: str,
    callbacks: Sequence[str],
) -> tuple[Finding, ...]:
    """Return all findings, fatal ones first.

    Args:
        export: the file.
        contents: code and texts in it.
        names: what it refers to.
        kind: of learner.
        task: what it gives for a photo.
        root: full name of the class of the file's one object.
        network: its layers, if they were read.
        is_weights: whether it is a state dict, and nothing else.
        not_understood: why its learner was not read, if it was not.
        callbacks: full names of its learner's.
    """
    if any(finding.code == "torchscript" for finding in export.findings):
        return (*find_attacks(export, contents, names), *export.findings)
    attacks = list(find_attacks(export, contents, names))
    found = [
        *attacks,
        *export.findings,
        *_damage(export),
        # An attack is not explained further: no message should help to load it.
        *(() if attacks or is_weights else _not_a_learner(export, names, root)),
        *_other_kinds(kind, task),
        *_fastai_1(names),
    ]
    if not any(finding.fatal for finding in found):
        if not_understood:
            found.append(Finding.of("not-understood", not_understood))
        found += [*_own_network(network, contents), *_not_installed(), *_own_callbacks(callbacks)]
    return tuple(sorted(found, key=lambda finding: not finding.fatal))


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


def _not_a_learner(export: ExportFile, names: Sequence[Name], root: str) -> Iterator[Finding]:
    if export.format == "pickle":
        yield Finding.of(
            "bare-pickle",
            "The file was not written by learn.export() but by pickle itself (or joblib). To get "
            f"an export, {AGAIN}.",
        )
    if root.endswith("Learner") or export.damage:
        return
    if any(name.module == "fastai.basic_train" for name in names):
        return  # fastai 1 wrote a dictionary; that is said elsewhere
    without = "without the labels and without how photos are prepared"
    if any(name.role == "network" for name in names):
        what = f"only the network, {without} (weights alone, its state_dict(), can be imported)"
    elif export.reading.storages:
        what = f"only weights, {without}, and not as learn.save() writes them"
    else:
        what = f"no fastai learner but {printable(root)}"
    yield Finding.of("no-learner", f"The file holds {what}. To get an export, {AGAIN}.")


def _other_kinds(kind: str, task: str) -> Iterator[Finding]:
    if kind in WORDS:
        yield Finding.of(
            "not-vision",
            f"This is a learner for {WORDS[kind]}, and Loupe shows classifiers of photos. It "
            "cannot be imported.",
        )
    elif task in WORDS:
        yield Finding.of(
            "not-classification",
            f"This learner gives {WORDS[task]} and no labels. Loupe shows classifiers; it cannot "
            "be imported.",
        )


def _fastai_1(names: Sequence[Name]) -> Iterator[Finding]:
    if any(name.module in FASTAI_1 for name in names):
        yield Finding.of(
            "fastai-1",
            "The export is of fastai 1, whose modules no longer exist. Train it again with "
            "fastai 2.",
        )


def _own_network(network: Network | None, contents: Contents) -> Iterator[Finding]:
    """Say that the network's class is code that only --trust runs."""
    if network is None or not network.own:
        return
    listed = joined([printable(layer.full) for layer in network.own])
    carried = any(layer.carried for layer in network.own)
    yield Finding.of(
        "own-network",
        f"Its network is made of {listed}, {_travels(network.own)}. Only running that code "
        "rebuilds it. If you trust its author, add --trust: it runs in a process without the "
        "secrets in your environment, but can reach your files"
        f"{_python(contents) if carried else ''}.",
    )


def _own_callbacks(callbacks: Sequence[str]) -> Iterator[Finding]:
    """Name callbacks whose code an import doesn't read; those of fastai serve training."""
    if own := [printable(name) for name in callbacks if not name.startswith("fastai.")]:
        yield Finding.of(
            "own-callbacks",
            f"Callbacks that aren't fastai's stay behind: {joined(own)}. If one of them changes "
            "photos or predictions, learn.predict gives other answers than Loupe.",
            fatal=False,
        )


def _travels(own: Sequence[Layer]) -> str:
    if any(layer.carried for layer in own):
        return (
            "whose code travels in the file (a class in a module on PYTHONPATH, there and here, "
            "would not)"
        )
    return (
        "which no library that Loupe knows has. Put the file that defines it into a folder named "
        "in PYTHONPATH"
    )


def _python(contents: Contents) -> str:
    made = python_minor(contents)
    if made is None or made == HERE or "later" in made:
        return ""
    return f". Python {made} compiled it, and Python {HERE} can't run that: import it there"


def _not_installed() -> Iterator[Finding]:
    if installed_version("fastai") is None:
        yield Finding.of(
            "no-fastai",
            "fastai is not installed here, and an import needs it: pip install -r "
            "requirements.txt.",
        )
