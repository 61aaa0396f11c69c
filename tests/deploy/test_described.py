"""All of ``deploy/`` is described: for those who use it, for those who work on it."""

import ast
import re
from pathlib import Path

import pytest

from deploy.hosts import hosts
from deploy.schemas import schema
from model.settings import ROOT

FILES = sorted((ROOT / "deploy").rglob("*.py"))


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_a_newcomer_reads_where_to_add_a_host() -> None:
    assert "deploy/hosts/" in text("CONTRIBUTING.md")
    assert "deploy/schemas/" in text("CONTRIBUTING.md")
    assert "deploy/hosts/" in text("deploy/__init__.py")


def test_the_architecture_describes_the_room() -> None:
    described = text("docs/architecture.md")
    assert re.search(r"^\| `deploy/`", described, re.MULTILINE)
    assert "pages → ui → deploy → model" in described


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_and_what_is_public(path: Path) -> None:
    module = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(module)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    names = [
        node
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in ast.unparse(node)
    ]
    assert names or path.name == "__main__.py"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_room_above_is_imported(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        above = {"ui", "pages", "api", "streamlit", "starlette", "tests", "benchmarks"}
        assert not {name.split(".")[0] for name in names} & above


def test_every_schema_is_used_by_a_host() -> None:
    there = {path.stem for path in (ROOT / "deploy/schemas").glob("*.yaml")}
    assert there == {name for host in hosts().values() for name in host.schemas.values()}
    for name in there:
        assert schema(name)["type"] == "object"


def test_a_host_is_short() -> None:
    """Its own facts and files; what others need too stands in parts.py."""
    for path in (ROOT / "deploy/hosts").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 170, path
