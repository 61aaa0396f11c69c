"""Budgets: the most lines of each package, and the file names that are used twice.

A budget is a decision. Whoever needs more room raises it in the same commit and says why.
"""

from collections import Counter
from pathlib import Path

import pytest

from model.settings import ROOT
from tests.test_architecture import tracked_files

BUDGETS = {
    "api": (
        4102,
        "HTTP over model/: v1, the pages' session, /device/, the owner's door; bounds of all",
    ),
    "benchmarks": (
        2413,
        "every published figure, measured again by a command; peers in environments of their own",
    ),
    "deploy": (2733, "ten hosts, the table that filters them, one check"),
    "docs": (281, "two clients without dependencies, as documentation"),
    "launch": (765, "make run, share and phone"),
    "model": (
        2879,
        "what answers a photo: classifier, admission queue, preprocessing, settings, errors",
    ),
    "model/answer": (
        1001,
        "predictions, decisions, words, share links; the device's answers as untrusted input",
    ),
    "model/browser": (
        1701,
        "downloads of browsers, made once, cached: packed networks, Streamlit's files compressed",
    ),
    "model/bundle": (1545, "manifest, card and registry"),
    "model/calibration": (
        1545,
        "temperature, prediction sets, two OOD detectors, estimates, the graph's head",
    ),
    "model/cli": (1728, "one module per group of commands"),
    "model/corrections": (
        1046,
        "corrections by SQLAlchemy, their review, their export, the pages' sessions",
    ),
    "model/engines": (277, "compiled, learner"),
    "model/evaluation": (871, "accuracy, intervals, calibration error, confusion, old against new"),
    "model/exporting": (1000, "five formats, each checked against the original"),
    "model/exporting/converters": (421, "scripts and sample programs beside exports"),
    "model/importing": (
        4510,
        "fastai exports and weights alone, read without running them; the sandbox",
    ),
    "model/learner": (538, "a learner rebuilt from a bundle, and its ONNX"),
    "model/model_store": (527, "versions by hash from a bucket or a route, current by a database"),
    "model/photo": (1407, "formats checked before Pillow opens them"),
    "model/samples": (63, "the sample photos"),
    "model/storage": (1115, "atomic writes, zips, photos in folders, disk"),
    "model/teaching": (
        849,
        "a few photos to a bundle, judged by photo groups; the strangers' .loupe file",
    ),
    "model/training": (
        3681,
        "a folder of photos to a bundle, resumable; photo sets, what is wrong with them, runs",
    ),
    "pages": (386, "one script per page"),
    "scale": (
        634,
        "archives in buckets, on Ray or without; the API on Ray Serve and its proxies",
    ),
    "ui": (
        5_946,
        "what pages share: viewfinder, plain page, workshop, first screen, previews of links",
    ),
    "device/kernels": (420, "resampling, and the kernels of packed networks, in C"),
    "device": (
        13_403,
        "the browser's half: visit, viewfinder, engines, offline pages, first visit, Teach (3,500)",
    ),
}
"""Most lines by folder, without folders below it that have a budget of their own; and why so many.

Python, and in ``device`` JavaScript and C.
"""

ALL_PYTHON, ALL_TESTS = 44_018, 43_978
"""Most lines of Python outside and inside ``tests``."""

ALL_FILES = 284
"""Most files of Python outside ``tests``."""

SHARED_NAMES = {
    "batch.py",
    "compare.py",
    "corrections.py",
    "formats.py",
    "identify.py",
    "models.py",
    "preprocess.py",
    "sample.py",
    "streamlit_app.py",
    "teach.py",
    "train.py",
}
"""File names in more than one package. The list only shrinks: a name says its concept alone."""


def count_lines(suffixes: tuple[str, ...]) -> dict[Path, int]:
    """Return the lines of each tracked file, by its path in the project."""
    return {
        path.relative_to(ROOT): path.read_text(encoding="utf-8").count("\n")
        for path in tracked_files()
        if path.suffix in suffixes
    }


def budget_of(path: Path) -> str:
    """Return the folder whose budget a file counts for."""
    return next((str(folder) for folder in path.parents if str(folder) in BUDGETS), "")


@pytest.fixture(scope="module")
def sizes() -> Counter[str]:
    """Lines by folder of ``BUDGETS``."""
    total: Counter[str] = Counter()
    for path, lines in count_lines((".py", ".js", ".mjs", ".c", ".h")).items():
        is_counted = path.suffix == ".py" or path.parts[0] == "device"
        if is_counted and path.parts[0] != "tests":
            total[budget_of(path)] += lines
    return total


@pytest.mark.parametrize("folder", BUDGETS)
def test_package_keeps_its_budget(sizes: Counter[str], folder: str) -> None:
    budget, reason = BUDGETS[folder]
    assert 0 < sizes[folder] <= budget, f"{folder} has {sizes[folder]} lines: {reason}"


def test_every_package_has_a_budget(sizes: Counter[str]) -> None:
    # The entry point alone is in no package.
    assert sizes[""] <= 61


def test_sum_keeps_its_budget() -> None:
    lines = count_lines((".py",))
    tests = sum(count for path, count in lines.items() if path.parts[0] == "tests")
    assert tests <= ALL_TESTS
    assert sum(lines.values()) - tests <= ALL_PYTHON
    assert sum(path.parts[0] != "tests" for path in lines) <= ALL_FILES


def test_shared_file_names_only_become_fewer() -> None:
    names = Counter(path.name for path in count_lines((".py",)) if path.parts[0] != "tests")
    usual = {"__init__.py", "__main__.py"}
    assert {name for name, count in names.items() if count > 1} - usual == SHARED_NAMES
