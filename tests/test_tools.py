"""Programs that tests need: where they are looked for, and what happens without them."""

import os
import re
from pathlib import Path

import pytest

from model.settings import ROOT
from tests.python import run_python
from tests.tools import TOOLS, find_tool

VALIDATED = (
    "tests/deploy/test_check.py::"
    "test_caddyfile_is_valid_formatted_and_retries_without_health_checks"
)


def program(folder: Path, name: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.touch(mode=0o755)
    return str(path)


def run_without_tools(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run pytest where PATH names an empty folder; return its exit status and summary."""
    words = ("-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", *arguments)
    others = {name: value for name, value in os.environ.items() if name not in ("CI", "CHROMIUM")}
    environment = {**others, "PATH": str(folder), **environment}
    done = run_python(*words, env=environment, check=False, timeout=None)
    return done.returncode, done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
def test_tests_without_their_tools_skip(tmp_path: Path) -> None:
    """Browsers, replicas behind a proxy, and the validator of a host's file."""
    replicas = "tests/operating/test_replicas.py"
    status, summary = run_without_tools(tmp_path, "tests/browser", replicas, VALIDATED)
    assert status == 0
    skipped = re.search(r"(\d+) skipped", summary)
    assert skipped
    assert int(skipped[1]) > 50


@pytest.mark.slow
def test_tests_without_their_tools_fail_in_ci(tmp_path: Path) -> None:
    status, summary = run_without_tools(tmp_path, VALIDATED, CI="true")
    assert status == 1
    assert "failed" in summary
    assert "skipped" not in summary


def test_missing_tools_name_their_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    packages = {package for tool in TOOLS.values() for package in tool.package.split()}
    assert set(run_python("tests/tools.py").stdout.split()) == packages
    assert not any(map(find_tool, TOOLS))


def test_programs_beside_path_are_found_and_the_newest_version_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    program(tmp_path / "lib/postgresql/9/bin", "initdb")
    newest = program(tmp_path / "lib/postgresql/17/bin", "initdb")
    nginx = program(tmp_path / "sbin", "nginx")
    assert Path(str(find_tool("initdb"))).resolve() == Path(newest)
    assert Path(str(find_tool("nginx"))).resolve() == Path(nginx)


def test_a_variable_may_name_the_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chrome = program(tmp_path, "google-chrome")
    monkeypatch.setenv("CHROMIUM", chrome)
    assert find_tool("chromium") == chrome


def test_no_test_looks_for_a_program_by_itself() -> None:
    assert [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path.name not in ("tools.py", "test_tools.py")
        and ("shutil.which" in (text := path.read_text()) or '"CHROMIUM"' in text)
    ] == []
