"""CI installs every program that tests need, and a missing one fails its tests there."""

import os
from pathlib import Path

import pytest

from tests.python import run_python
from tests.tools import TOOLS, find_tool

VALIDATED = (
    "tests/deploy/test_check.py::"
    "test_caddyfile_is_valid_formatted_and_retries_without_health_checks"
)


def test_missing_tools_name_their_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    packages = {package for tool in TOOLS.values() for package in tool.package.split()}
    assert set(run_python("tests/tools.py").stdout.split()) == packages
    assert not any(map(find_tool, TOOLS))


@pytest.mark.slow
def test_tests_without_their_tools_fail_in_ci(tmp_path: Path) -> None:
    words = ("-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", VALIDATED)
    environment = {**os.environ, "PATH": str(tmp_path), "CI": "true"}
    done = run_python(*words, env=environment, check=False, timeout=None)
    summary = done.stdout.strip().splitlines()[-1]
    assert done.returncode == 1
    assert "failed" in summary
    assert "skipped" not in summary
