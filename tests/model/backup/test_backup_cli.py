"""Tests of the commands ``backup`` and ``restore``, with corrections in any database."""

from pathlib import Path

import pytest
from click.testing import Result

from model.corrections import correction_store
from model.settings import settings
from tests.model.backup.helpers import add_corrections, labels, names
from tests.model.command import run

SECRET = "hidden-word"


def cli(*words: object, code: int = 0) -> Result:
    result = run(*words)
    assert result.exit_code == code, result.output
    return result


def use_database(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LOUPE_DATABASE", url)
    settings.cache_clear()
    correction_store.cache_clear()


def test_backup_and_restore_name_models_and_folders(data: Path, tmp_path: Path) -> None:
    file, folder = tmp_path / "loupe.zip", tmp_path / "new"
    saved = cli("backup", file).stdout
    assert f"2 models (calibrated, tiny) and 3 corrections in {file}" in saved
    assert "Keep it private: it may contain visitors' photos." in saved
    restored = cli("restore", file, "--to", folder).stdout
    assert "2 models (calibrated, tiny) and 3 corrections, saved 20" in restored
    assert f"LOUPE_DATA={folder}" in restored


def test_backup_reports_what_is_left_out(data: Path, tmp_path: Path) -> None:
    for folder in ("derived", "phone"):
        (data / folder).mkdir()
    result = cli("backup", tmp_path / "b.zip", "--without-records")
    assert "Left out, because the app makes it again: derived, phone." in result.stdout
    assert "2 models (calibrated, tiny), no corrections in" in result.stdout
    assert result.stderr == ""
    (data / "notes.txt").write_text("mine")
    assert cli("backup", tmp_path / "b.zip", code=1).stderr == "left out: notes.txt\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("restore", "missing.zip"), "missing.zip: No such file"),
        (("restore", "other.txt"), "other.txt isn't a Loupe backup: it isn't a zip, it begins w"),
        (("restore", "data"), "is a directory"),
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


def test_corrections_in_postgresql_are_left_to_pg_dump(
    data: Path, tmp_path: Path, empty_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "b.zip"
    cli("backup", file)
    use_database(monkeypatch, empty_postgres)
    add_corrections("elsewhere")
    result = cli("backup", tmp_path / "c.zip", code=1)
    assert "2 models (calibrated, tiny), no corrections in" in result.stdout
    assert "left out: corrections, which are in PostgreSQL: save them with pg_dump" in result.stderr
    cli("backup", tmp_path / "c.zip", "--without-records")
    # Restored corrections never touch the other database.
    assert "won't see these corrections" in cli("restore", file, "--to", tmp_path / "new").stderr
    assert labels(tmp_path / "new") == ["one", "two", "three"]
    assert [kept.label for kept in correction_store().iter_corrections()] == ["elsewhere"]
    correction_store().close()
    use_database(monkeypatch, "")


def test_unreachable_postgresql_does_not_stop_a_backup(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_database(monkeypatch, f"postgresql://user:{SECRET}@127.0.0.1:1/x")
    result = cli("backup", tmp_path / "b.zip", code=1)
    assert SECRET not in result.stdout + result.stderr
    cli("restore", tmp_path / "b.zip", "--to", tmp_path / "new")
    use_database(monkeypatch, "")


def test_corrections_in_another_sqlite_file_are_saved(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_database(monkeypatch, f"sqlite:///{tmp_path / 'elsewhere' / 'c.sqlite'}")
    add_corrections("elsewhere")
    assert "and 1 correction in" in cli("backup", tmp_path / "b.zip").stdout
    cli("restore", tmp_path / "b.zip", "--to", tmp_path / "new")
    assert labels(tmp_path / "new") == ["elsewhere"]
    use_database(monkeypatch, "")
