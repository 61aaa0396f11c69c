"""What imports load, and rules of layout; who may import whom is in pyproject.toml."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import model
from model.engines import ENGINES
from model.settings import ROOT
from tests.python import run_python
from tests.windows import MISSING, MISSING_MODULES

MAX_LINES = 500
PAGES = sorted((ROOT / "pages").glob("*.py"))
HEAVY = set("streamlit torch fastai sqlalchemy pandas fsspec pyarrow ray scale".split())


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


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_page_is_a_plain_script_that_names_no_engine_and_no_file(path: Path) -> None:
    """It is read from top to bottom: no main guard, no class."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [node for node in tree.body if isinstance(node, ast.ClassDef)]
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert "__name__" not in names
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    files = re.compile(r"^[\w/-]+\.(onnx|safetensors|npz|json|pkl|sqlite|toml|py)$")
    texts = [value for value in constants if isinstance(value, str)]
    assert [text for text in texts if text in ENGINES or files.match(text)] == []


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


UNREACHED = {"model/importing/": "sandbox_folder() has refused the export before."}
"""Folders whose code Windows doesn't reach, with the reason."""


def names_missing_on_windows(node: ast.AST, checked: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield names that Windows lacks, unless the same function checks them or handles the error."""
    match node:
        case ast.With(items=guards) | ast.Try(handlers=guards):
            if any(re.search(r"\b(Attribute|Import)Error\b", ast.unparse(one)) for one in guards):
                return
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            checked |= set(re.findall(r"(?:has|get)attr\(\w+, '(\w+)'", ast.unparse(node)))
        case ast.Attribute(value=ast.Name(id="os" | "select" | "signal"), attr=name):
            yield from {name} & (MISSING - checked)
        case ast.Import(names=names):
            yield from {one.name for one in names} & MISSING_MODULES
        case ast.ImportFrom(module=module, names=names):
            yield from {module, *(one.name for one in names)} & (MISSING_MODULES | MISSING)
    for child in ast.iter_child_nodes(node):
        yield from names_missing_on_windows(child, checked)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("os.fork()", ["fork"]),
        ("from signal import SIGKILL", ["SIGKILL"]),
        ("import fcntl", ["fcntl"]),
        ("with suppress(OSError): os.nice(1)", ["nice"]),
        ("with suppress(AttributeError): os.nice(1)", []),
        ("def run():\n if hasattr(os, 'nice'): os.nice(1), os.getuid()", ["getuid"]),
    ],
)
def test_unguarded_names_are_found(code: str, expected: list[str]) -> None:
    assert list(names_missing_on_windows(ast.parse(code))) == expected


def test_names_that_windows_lacks_are_guarded() -> None:
    paths = {str(path.relative_to(ROOT)): path for path in tracked_files() if path.suffix == ".py"}
    assert {
        name: found
        for name, path in paths.items()
        if not name.startswith(("tests/", *UNREACHED))
        and (found := set(names_missing_on_windows(ast.parse(path.read_text(encoding="utf-8")))))
    } == {}


def git_on_windows(*words: str, data: bytes = b"") -> bytes:
    """Return what git prints with Windows' usual setting."""
    command = ["git", "-c", "core.autocrlf=true", *words]
    done = subprocess.run(command, cwd=ROOT, input=data, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this is not a git checkout")
    return done.stdout


@pytest.mark.parametrize("name", ["model/library/imagenet/bundle.json", "deploy/entrypoint.sh"])
def test_checkout_on_windows_has_line_feeds_alone(name: str) -> None:
    checked_out = git_on_windows("cat-file", "--filters", f":{name}")
    assert b"\n" in checked_out
    assert b"\r" not in checked_out


def test_bundle_made_on_windows_is_committed_as_it_is() -> None:
    words = "hash-object", "--stdin", "--path=bundles/mine/bundle.json"
    assert git_on_windows(*words, data=b"{\r\n}") != git_on_windows(*words, data=b"{\n}")


def test_public_names_of_model_exist() -> None:
    for name in model.__all__:
        assert getattr(model, name).__module__.startswith("model."), name
    names = "Bundle Candidate Classifier LoupeError Photo PhotoError Prediction list_models load"
    assert model.__all__ == names.split()


def test_every_error_has_a_code_of_its_own() -> None:
    from model import errors

    public = [value for value in vars(errors).values() if isinstance(value, type)]
    kinds = [kind for kind in public if issubclass(kind, errors.LoupeError)]
    assert len({kind.code for kind in kinds}) == len(kinds) == len(public)
