"""The dependency rule: pages → ui → deploy → model; scale → api → model; launch → api, ui."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import model
from model.engines import ENGINES
from model.exporting.export_folder import CONVERTERS_DIR
from model.settings import ROOT
from tests.python import run_python

PACKAGES = ("model", "ui", "api", "deploy", "pages", "launch", "scale")
FLOORS = (
    ("engine_info", "errors", "preprocess", "resources", "samples", "text"),
    ("events", "settings"),
    ("admission",),
    ("photo",),
    ("storage",),
    ("bundle",),
    ("answer", "learner"),
    ("api_client", "browser", "engines"),
    ("classifier",),
    ("loading",),
    ("corrections", "evaluation", "explanation", "exporting", "importing"),
    ("backup", "calibration", "model_store", "sign_ins"),
    ("teaching", "training"),
    ("cli",),
    ("__main__",),
)
"""Packages and modules of ``model``: each imports those of earlier rows alone."""

FORBIDDEN = {
    "model": "ui pages api deploy launch scale streamlit starlette",
    "deploy": "ui pages api launch scale streamlit starlette",
    "ui": "pages api launch scale",
    "api": "ui pages deploy launch scale streamlit",
    "scale": "ui pages deploy launch streamlit",
    "pages": "pages api scale model.engines model.training",
    "launch": "pages scale model.training",
    # Importing can't import training: it is on a later floor.
    "model/training": "model.importing",
    # Inspecting needs no torch.
    "model/importing/inspect": "torch fastai timm model.importing.convert",
}
"""Modules that the code in each folder must not import."""

MAX_LINES = 500
HEAVY = set("streamlit torch fastai sqlalchemy pandas fsspec pyarrow ray scale".split())


def python_files(*folders: str) -> list[Path]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in paths if not path.is_relative_to(CONVERTERS_DIR)]


def tracked_files() -> list[Path]:
    """Return all files of the project except those that git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def imported_names(path: Path) -> Iterator[str]:
    """Yield the full names that a file imports, in functions as well."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            # "from model import engines" imports model.engines.
            yield from (f"{name}.{alias.name}" for alias in node.names)


def forbidden_imports(folder: str, *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in python_files(folder)
        for name in imported_names(path)
        if any(name == word or name.startswith(f"{word}.") for word in forbidden)
    ]


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_package_imports_nothing_above_it(folder: str) -> None:
    assert python_files(folder)
    assert forbidden_imports(folder, *FORBIDDEN[folder].split(), "benchmarks", "tests") == []


def test_forbidden_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "model" / "deep").mkdir(parents=True)
    (tmp_path / "model" / "deep" / "a.py").write_text(
        "def f():\n    import streamlit as st\nfrom ui import phrasing\nfrom ..b import c\n"
    )
    assert forbidden_imports("model", "ui", "streamlit") == [
        "model/deep/a.py imports ui.phrasing",
        "model/deep/a.py imports streamlit",
    ]
    assert list(imported_names(tmp_path / "model/deep/a.py"))[-1] == "streamlit"
    assert "model.b.c" in imported_names(tmp_path / "model/deep/a.py")


def import_graph() -> dict[str, set[str]]:
    """Return which modules of the project each module imports, in functions as well."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in python_files(*PACKAGES)
    }

    def module_of(name: str) -> str:
        while name and name not in modules:
            name = name.rpartition(".")[0]
        return name

    return {
        module: {module_of(name) for name in imported_names(path)} - {module, ""}
        for module, path in modules.items()
    }


def by_package(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the same graph between the packages and single modules right below ``model``."""

    def package(module: str) -> str:
        return ".".join(module.split(".")[: 2 if module.startswith("model.") else 1])

    merged: dict[str, set[str]] = {}
    for module, imports in graph.items():
        merged.setdefault(package(module), set()).update(map(package, imports))
    return {module: imports - {module, "model"} for module, imports in merged.items()}


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of an import cycle, the first one repeated at the end; or nothing."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in done:
            for imported in sorted(graph.get(module, ())):
                if cycle := visit(imported, [*path, module]):
                    return cycle
            done.add(module)
        return []

    return next(filter(None, (visit(module, []) for module in sorted(graph))), [])


def test_no_modules_import_each_other() -> None:
    assert find_cycle(import_graph()) == []


def test_packages_of_model_import_those_of_earlier_rows() -> None:
    floor = {f"model.{name}": number for number, row in enumerate(FLOORS) for name in row}
    graph = by_package(import_graph())
    packages = {name: imports for name, imports in graph.items() if name.startswith("model.")}
    assert packages.keys() == floor.keys()
    assert [
        f"{name} imports {imported}"
        for name, imports in packages.items()
        for imported in sorted(imports)
        if floor[imported] >= floor[name]
    ] == []


def test_import_cycle_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    for name, text in {
        "a/__init__": "",
        "a/one": "from ..b import two\n",
        "b/__init__": "from .three import x\n",
        "b/two": "from . import three\n",
        "b/three": "def lazy():\n    from model.c import four\n",
        "c/four": "import model.b.two\n",
    }.items():
        path = tmp_path / "model" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    cycle = ["model.b.two", "model.b.three", "model.c.four", "model.b.two"]
    assert find_cycle(import_graph()) == cycle


def loaded_modules(code: str) -> set[str]:
    """Return what is loaded after ``code`` in a fresh process."""
    return set(run_python("-c", f"{code}\nimport sys; print(*sys.modules)").stdout.split())


def test_model_package_loads_nothing_heavy() -> None:
    modules = """
        model.answer.share_link model.backup model.cli.owner model.cli.identify model.cli.models
        model.cli.teach model.explanation model.samples model.storage.photo_files model.teaching
    """
    code = f"import {', '.join(modules.split())}\nmodel.load('imagenet')"
    assert loaded_modules(code) & HEAVY == set()


def test_api_loads_neither_streamlit_nor_torch() -> None:
    loaded = loaded_modules("import api.app, api.lifecycle")
    assert loaded & {"streamlit", "torch", "fastai", "ui", "pages"} == set()


@pytest.mark.parametrize("path", python_files("pages"), ids=lambda path: path.name)
def test_page_names_no_engine_and_no_file(path: Path) -> None:
    texts = [
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    files = re.compile(r"^[\w/-]+\.(onnx|safetensors|npz|json|pkl|sqlite|toml|py)$")
    assert [text for text in texts if text in ENGINES or files.match(text)] == []


@pytest.mark.parametrize("path", python_files("pages"), ids=lambda path: path.name)
def test_page_is_a_plain_script(path: Path) -> None:
    """It is read from top to bottom: no main guard, no class."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert not [node for node in body if isinstance(node, ast.ClassDef)]
    assert "__main__" not in path.read_text(encoding="utf-8")


def test_no_file_is_longer_than_500_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in tracked_files()
        if path.suffix == ".py"
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_file_contains_a_path_of_one_machine() -> None:
    machine_path = re.compile(rb"(?<![\w.~$}<-])/(?:work|Users)/\w")
    assert [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.stat().st_size < 2**20 and machine_path.search(path.read_bytes())
    ] == []


def test_public_names_of_model_exist() -> None:
    for name in model.__all__:
        assert getattr(model, name).__module__.startswith("model."), name
    names = "Bundle Candidate Classifier LoupeError Photo PhotoError Prediction list_models load"
    assert model.__all__ == names.split()


def test_every_error_has_a_code_of_its_own() -> None:
    from model import errors

    kinds = [getattr(errors, name) for name in errors.__all__]
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert issubclass(kind, errors.LoupeError)
