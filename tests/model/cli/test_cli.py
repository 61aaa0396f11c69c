"""The command line: its help and its errors."""

from pathlib import Path

import pytest

from model import Bundle
from model.cli import COMMANDS
from model.errors import DataError
from model.training.config import TrainingConfig
from tests.model.command import run


def test_help_names_every_command() -> None:
    result = run("--help")
    assert "its version, folder and small graph." in " ".join(result.stdout.split())
    for name in COMMANDS:
        assert f"\n  {name} " in result.stdout
        assert run(name, "--help").exit_code == 0
    assert "label, and corrections.csv" in " ".join(run("corrections", "--help").stdout.split())


def test_bad_name_is_refused_by_import_as_by_train(tmp_path: Path) -> None:
    export = tmp_path / "export.pkl"
    export.write_bytes(b"not read")
    with pytest.raises(DataError) as caught:
        TrainingConfig.create(folder=tmp_path, name="Bad Name")
    for trust in ((), ("--trust",)):
        result = run("import", export, "--name", "Bad Name", *trust)
        assert result.exit_code == 2
        assert result.stderr == f"Error: {caught.value} [data-refused]\n"
        assert "A model's name has up to 64 lower-case letters" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["identify", "--model", "dogs", "x.jpg"], "Error: No model named 'dogs'"),
        (["identify", "--model", "tiny", "--engine", "learner", "x.jpg"], "engine-unavailable"),
        (["identify", "--model", "tiny", "--engine", "fake", "x.jpg"], "Invalid value"),
        (["identify", "--model", "tiny", "--top", "0", "x.jpg"], "Invalid value"),
        (["identify", "--model", "tiny"], "Missing argument"),
        (["show", "dogs"], "no-such-model"),
        (["verify", "dogs"], "No model named 'dogs'"),
        (["show", "../.."], "no-such-model"),
        (["evaluate", "tiny", "no-such-folder"], "does not exist"),
        (["import", __file__, "--name", "x", "--samples"], "Name their folder"),
        (["dance"], "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_failure_is_one_line_and_exit_2(
    tiny_bundle: Bundle, words: list[str], message: str
) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
