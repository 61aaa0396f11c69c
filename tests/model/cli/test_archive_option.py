"""``identify --out`` where the packages for archives are, and where they aren't."""

import os
import shlex
import sys
from pathlib import Path

import pytest

from model import Bundle
from model.cli import identify
from model.settings import ROOT
from tests.model.command import run


def test_archives_need_their_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[Path, list[str], dict[str, str]]] = []
    monkeypatch.setattr(identify, "SCALE", tmp_path)
    monkeypatch.setattr(identify, "find_spec", lambda _name: None)
    monkeypatch.setattr(os, "execve", lambda *words: started.append(words))
    monkeypatch.setattr(sys, "argv", ["model", "identify", "s3://bucket", "--out", "out"])
    result = run("identify", "s3://bucket", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "--out needs packages that aren't installed. Run: make scale" in result.stderr
    (tmp_path / ".ready").touch()
    identify._start_scale()
    ((python, command, environment),) = started
    assert python == tmp_path / "bin" / "python"
    assert command[1:] == ["-m", "scale", "identify", "s3://bucket", "--out", "out"]
    assert environment["PYTHONPATH"].startswith(str(ROOT))


OPTIONS = ("a b --out c", "'' --out c", "a --out c --json", "a --shard 1/2", "a --ray x")
AROUND = ("s3://a/b --out s3://a/b/", "gs://a/b --out gs://a", "b --out ./c/../b")


@pytest.mark.parametrize("words", [*OPTIONS, *AROUND])
def test_options_that_do_not_fit_are_refused(words: str) -> None:
    result = run("identify", *shlex.split(words))
    assert result.exit_code == 2
    message = "holds the photos." if words in AROUND else "--out takes one folder or bucket, and no"
    assert message in result.stderr


@pytest.mark.parametrize("address", ["s3://museum/photos", "s3:/museum/photos"])
def test_bucket_without_results_is_no_missing_file(tiny_bundle: Bundle, address: str) -> None:
    result = run("identify", address)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Photos in a bucket need --out RESULTS." in result.stderr
