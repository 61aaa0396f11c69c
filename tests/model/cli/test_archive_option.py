"""``identify --out`` where the packages for archives are, and where they aren't."""

import os
import sys
from pathlib import Path

import pytest

from model.cli import identify
from model.settings import ROOT
from tests.model.command import run


def test_missing_packages_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identify, "SCALE", tmp_path)
    monkeypatch.setattr(identify, "find_spec", lambda _name: None)
    result = run("identify", "s3://bucket", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "--out needs packages that aren't installed. Run: make scale" in result.stderr


def test_command_continues_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(identify, "SCALE", tmp_path)
    monkeypatch.setattr(os, "execve", lambda *words: started.append(words))
    monkeypatch.setattr(sys, "argv", ["model", "identify", "s3://bucket", "--out", "out"])
    (tmp_path / ".ready").touch()
    identify._start_scale()
    ((python, command, environment),) = started
    assert python == tmp_path / "bin" / "python"
    assert command[1:] == ["-m", "scale", "identify", "s3://bucket", "--out", "out"]
    assert environment["PYTHONPATH"].startswith(str(ROOT))


@pytest.mark.parametrize(
    "words",
    [
        ("a.jpg", "b.jpg", "--out", "out"),
        ("a.jpg", "--out", "out", "--json"),
        ("a.jpg", "--shard", "1/2"),
        ("a.jpg", "--ray", "local"),
    ],
)
def test_options_that_do_not_fit_are_refused(words: tuple[str, ...]) -> None:
    result = run("identify", *words)
    assert result.exit_code == 2
    assert "--out takes one folder or bucket; --shard and --ray need --out." in result.stderr
