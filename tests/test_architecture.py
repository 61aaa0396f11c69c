"""Who may know whom: pages → ui → deploy → model, api → model, and never back."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import model
from model.settings import ROOT

ROOMS = ("model", "ui", "api", "deploy", "pages")
MAX_LINES = 500
HEAVY = ("streamlit", "torch", "fastai", "sqlalchemy", "pandas")


def python_files(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]


def tree() -> list[Path]:
    """All files of the project; those that git ignores are left out."""
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


def imported(path: Path) -> Iterator[str]:
    """The full names of what a file imports, wherever in it."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            # "from model import engines" imports model.engines.
            yield from (f"{name}.{alias.name}" for alias in node.names)


def offenders(rooms: tuple[str, ...], forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in python_files(*rooms)
        for name in imported(path)
        if any(name == word or name.startswith(f"{word}.") for word in forbidden)
    ]


@pytest.mark.parametrize(
    ("rooms", "forbidden"),
    [
        (
            ("model",),
            ("ui", "pages", "api", "deploy", "streamlit", "starlette", "benchmarks", "tests"),
        ),
        (("deploy",), ("ui", "pages", "api", "streamlit", "starlette", "benchmarks", "tests")),
        (("ui",), ("pages", "api", "benchmarks", "tests")),
        (("api",), ("streamlit", "ui", "pages", "deploy", "benchmarks", "tests")),
        (("pages",), ("api", "pages", "benchmarks", "tests", "model.engines", "model.training")),
    ],
    ids=lambda value: value[0],
)
def test_no_room_knows_one_above_it(rooms: tuple[str, ...], forbidden: tuple[str, ...]) -> None:
    assert python_files(*rooms)
    assert offenders(rooms, forbidden) == []


def test_the_rule_finds_an_offender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "model" / "deep").mkdir(parents=True)
    (tmp_path / "model" / "deep" / "a.py").write_text(
        "def f():\n    import streamlit as st\nfrom ui import phrasing\nfrom ..b import c\n"
    )
    assert offenders(("model",), ("ui", "streamlit")) == [
        "model/deep/a.py imports ui.phrasing",
        "model/deep/a.py imports streamlit",
    ]
    assert list(imported(tmp_path / "model/deep/a.py"))[-1] == "streamlit"
    assert "model.b.c" in imported(tmp_path / "model/deep/a.py")


def loaded_by(code: str) -> set[str]:
    """What is loaded after ``code`` in a fresh process."""
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules, sep='\\n')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import model",
        "from model import load; load('imagenet')",
        "import model.cli, model.cli.models, model.cli.identify",
        "import model.share_link, model.photo_files, model.samples, model.explanation",
    ],
)
def test_models_load_nothing_heavy(code: str) -> None:
    assert loaded_by(code) & set(HEAVY) == set()


def test_the_api_loads_neither_the_screen_nor_torch() -> None:
    loaded = loaded_by("import api.app, api.lifecycle")
    assert loaded & {"streamlit", "torch", "fastai", "ui", "pages"} == set()


@pytest.mark.parametrize("path", python_files("pages"), ids=lambda path: path.name)
def test_a_page_names_no_engine_and_no_file(path: Path) -> None:
    texts = [
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    engines = {"compiled", "learner", "fake"}
    files = re.compile(r"^[\w/-]+\.(onnx|safetensors|npz|json|pkl|sqlite|toml|py)$")
    assert [text for text in texts if text in engines or files.match(text)] == []


@pytest.mark.parametrize("path", python_files("pages"), ids=lambda path: path.name)
def test_a_page_is_a_script(path: Path) -> None:
    """Read from top to bottom: no main guard, no class."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert not [node for node in body if isinstance(node, ast.ClassDef)]
    assert "__main__" not in path.read_text(encoding="utf-8")


def test_no_file_is_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in tree()
        # Tests are lists of cases, and may be longer.
        if path.suffix == ".py" and not path.is_relative_to(ROOT / "tests")
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_file_names_a_folder_of_one_machine() -> None:
    own = re.compile(rb"(?<![\w.~$}<-])/(?:work|Users)/\w")
    assert [
        str(path.relative_to(ROOT))
        for path in tree()
        if path.stat().st_size < 2**20 and own.search(path.read_bytes())
    ] == []


def test_public_names_are_there() -> None:
    assert sorted(model.__all__) == list(model.__all__)
    for name in model.__all__:
        assert getattr(model, name).__module__.startswith("model."), name
    assert set(model.__all__) == {
        "Bundle",
        "Candidate",
        "Classifier",
        "LoupeError",
        "Photo",
        "PhotoError",
        "Prediction",
        "list_models",
        "load",
    }


@pytest.mark.parametrize(
    "path",
    python_files("model", "ui", "api", "deploy"),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_file_says_what_it_is_and_what_is_public(path: Path) -> None:
    module = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(module)
    defined = (
        {
            target.id
            for node in ast.walk(module)
            for target in (node.targets if isinstance(node, ast.Assign) else [])
            if isinstance(target, ast.Name)
        }
        | {
            node.name
            for node in module.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        | {
            alias.asname or alias.name
            for node in module.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        | {
            node.target.id
            for node in module.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        }
    )
    for node in module.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            assert set(ast.literal_eval(node.value)) <= defined


def test_every_refusal_is_in_the_tree_with_a_code_of_its_own() -> None:
    from model import errors

    kinds = [getattr(errors, name) for name in errors.__all__]
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert issubclass(kind, errors.LoupeError)
        assert kind.__name__ in (errors.__doc__ or "")
