"""Tests of the commands ``backup`` and ``restore``, with corrections in any database."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from model import load
from model.cli import main
from model.corrections import correction_store
from model.corrections.database import connect, parse_url
from model.corrections.store import TABLE
from model.settings import ROOT, settings
from tests.model.backup.helpers import add_corrections, labels, names
from tests.model.tiny import colour
from tests.photos import encoded

SECRET = "hidden-word"


def cli(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def use_database(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LOUPE_DATABASE", url)
    settings.cache_clear()
    correction_store.cache_clear()


def test_restored_folder_gives_the_same_answers(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, file, folder = tmp_path / "red.png", tmp_path / "loupe.zip", tmp_path / "new"
    photo.write_bytes(encoded(colour("red"), "PNG"))
    words = ("identify", "--json", "--model", "tiny", photo)
    before = json.loads(cli(*words).stdout)
    saved = cli("backup", file).stdout
    assert f"2 models (calibrated, tiny) and 3 corrections in {file}" in saved
    assert "Keep it private: it may contain visitors' photos." in saved
    restored = cli("restore", file, "--to", folder).stdout
    assert "2 models (calibrated, tiny) and 3 corrections, saved 20" in restored
    assert f"LOUPE_DATA={folder}" in restored
    monkeypatch.setenv("LOUPE_DATA", str(folder))
    settings.cache_clear()
    after = json.loads(cli(*words).stdout)
    for answer in (before, after):
        del answer["milliseconds"]
    assert after == before


def test_backup_reports_what_is_left_out_and_exits_with_1(data: Path, tmp_path: Path) -> None:
    (data / "notes.txt").write_text("mine")
    result = cli("backup", tmp_path / "b.zip", "--without-records", code=1)
    assert "2 models (calibrated, tiny), no corrections," in result.stdout
    assert result.stderr == "left out: notes.txt\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("restore", "missing.zip"), "can't be read: No such file"),
        (("restore", "other.txt"), "damaged or incomplete. Copy the file again"),
        (("backup", "no/such/folder.zip"), "No such file or directory"),
        (("backup", "other.txt"), "isn't a backup, so it isn't replaced"),
        (("backup", "data/b.zip"), "inside the data folder"),
        (("backup", "data/models/b.zip"), "inside the data folder"),
    ],
)
def test_errors_say_what_to_do(
    data: Path, tmp_path: Path, words: tuple[str, str], message: str
) -> None:
    (tmp_path / "other.txt").write_text("mine")
    result = cli(words[0], tmp_path / words[1], code=2)
    assert message in " ".join(result.stderr.split())
    assert (tmp_path / "other.txt").read_text() == "mine"
    assert names(tmp_path) == ["data", "other.txt"]


def test_backup_of_nothing_is_an_error(data_folder: Path, tmp_path: Path) -> None:
    correction_store.cache_clear()
    assert "nothing to save" in cli("backup", tmp_path / "b.zip", code=2).stderr
    data_folder.mkdir()
    assert "nothing to save" in cli("backup", tmp_path / "b.zip", code=2).stderr
    assert not (tmp_path / "b.zip").exists()


def test_backup_module_loads_nothing_heavy() -> None:
    code = "import model.backup, model.cli.backup, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"streamlit", "torch", "fastai", "sqlalchemy", "pandas"} & set(loaded) == set()


def test_corrections_travel_from_and_to_another_database(
    data: Path, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_database(monkeypatch, database_url)
    add_corrections(*map(str, range(45)))
    before = list(correction_store().iter_corrections())
    correction_store().close()
    file = tmp_path / "b.zip"
    assert "and 45 corrections" in cli("backup", file).stdout
    refused = " ".join(cli("restore", file, "--to", tmp_path / "unpacked", code=2).stderr.split())
    assert "already holds corrections" in refused
    assert "--without-records" in refused
    assert not (tmp_path / "unpacked").exists()
    cli("restore", file, "--to", tmp_path / "models-only", "--without-records")
    assert len(list(correction_store().iter_corrections())) == 45
    correction_store().close()
    engine = connect(parse_url(database_url))
    TABLE.drop(engine)
    engine.dispose()
    cli("restore", file, "--to", tmp_path / "unpacked")
    assert not (tmp_path / "unpacked" / "records.sqlite").exists()
    assert list(correction_store().iter_corrections()) == before
    add_corrections("the next")
    ids = [correction.id for correction in correction_store().iter_corrections()]
    assert ids == [*(correction.id for correction in before), 46]
    correction_store().close()
    # Without the other database they are in the data folder.
    use_database(monkeypatch, "")
    cli("restore", file, "--to", tmp_path / "here")
    assert labels(tmp_path / "here") == [correction.label for correction in before]


def test_unreachable_database_leaves_nothing_behind(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("backup", tmp_path / "b.zip")
    use_database(monkeypatch, f"postgresql://user:{SECRET}@127.0.0.1:1/x")
    restoring = ("restore", tmp_path / "b.zip", "--to", tmp_path / "new")
    for words in (("backup", tmp_path / "c.zip"), restoring):
        result = cli(*words, code=2)
        assert "The corrections can't be" in " ".join(result.stderr.split())
        assert SECRET not in result.stdout + result.stderr
    assert names(tmp_path) == ["b.zip", "data"]
    cli("backup", tmp_path / "c.zip", "--without-records")
    assert load("tiny").identify(colour("red"))
    use_database(monkeypatch, "")
