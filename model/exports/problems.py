"""What stands in the way of an import, what is fatal first, each with what to do."""

from collections.abc import Iterator, Mapping, Sequence

from .container import Opened
from .dangers import dangers, trust
from .missing import missing, versions
from .report import Name, Problem, shown

__all__ = ["problems"]

AGAIN = "call learn.export() again where it was trained"

WORDS: Mapping[str, str] = {
    "tabular": "tables",
    "text": "text",
    "collab": "recommendations (collaborative filtering)",
    "segmentation": "a mask (segmentation)",
    "regression": "numbers or points (regression)",
    "boxes": "boxes (object detection)",
}


def problems(
    opened: Opened, names: Sequence[Name], *, kind: str, task: str, root: str
) -> tuple[Problem, ...]:
    """All problems; fatal ones first. ``root`` is the class of the file's one object."""
    if any(problem.code == "torchscript" for problem in opened.problems):
        return (*dangers(opened.trace, names), *opened.problems)
    attacks = list(dangers(opened.trace, names))
    found = [
        *attacks,
        *opened.problems,
        *_damage(opened),
        # Nobody is to be told how to make that one work.
        *(() if attacks else _not_a_learner(opened, names, root)),
        *_refused_kinds(kind, task),
        *versions(opened.trace, names),
        *missing(names),
        *trust(names),
    ]
    return tuple(sorted(found, key=lambda problem: not problem.fatal))


def _damage(opened: Opened) -> Iterator[Problem]:
    if opened.trace.broken:
        yield Problem(
            "damaged",
            f"The file is damaged or was not copied whole: {opened.trace.broken}. Copy or download "
            "it again, and compare its size with the original's.",
            True,
        )


def _not_a_learner(opened: Opened, names: Sequence[Name], root: str) -> Iterator[Problem]:
    if opened.format == "pickle":
        yield Problem(
            "bare-pickle",
            "The file was not written by learn.export() but by pickle itself (or joblib), and "
            f"torch does not load it. To get an export, {AGAIN}.",
            True,
        )
    if root.endswith("Learner") or opened.trace.broken:
        return
    if any(name.module == "fastai.basic_train" for name in names):
        return  # fastai 1 wrote a dictionary; that is said elsewhere
    without = "without the labels and without how photos are prepared"
    if any(name.role == "network" for name in names):
        what = f"only the network, {without}"
    elif opened.trace.storages:
        what = f"only weights, {without} (a state_dict, as learn.save() writes it)"
    else:
        what = f"no fastai learner but {shown(root)}"
    yield Problem("no-learner", f"The file holds {what}. To get an export, {AGAIN}.", True)


def _refused_kinds(kind: str, task: str) -> Iterator[Problem]:
    if kind in WORDS:
        yield Problem(
            "not-vision",
            f"This is a learner for {WORDS[kind]}, and Loupe shows classifiers of photos. It "
            "cannot be imported.",
            True,
        )
    elif task in WORDS:
        yield Problem(
            "not-classification",
            f"This learner gives {WORDS[task]} and no labels. Loupe shows classifiers; it cannot "
            "be imported.",
            True,
        )
