"""``backup`` and ``restore`` as commands, wherever data folder and records are."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from model import load
from model.backup import restore, swapping
from model.cli import main
from model.corrections import CorrectionStore, correction_store
from model.corrections.database import connect, parse_url
from model.corrections.store import TABLE
from model.errors import DataError
from model.settings import ROOT, settings
from tests.model.tiny import colour, tiny
from tests.photos import encoded

SECRET = "hidden-word"


@pytest.fixture
def own(data_folder: Path, shelf: Path) -> Iterator[Path]:
    """A data folder with a model and two corrections."""
    correction_store.cache_clear()
    tiny(shelf)
    correct("scarlet", "crimson")
    yield data_folder
    correction_store().close()
    correction_store.cache_clear()


def correct(*words: str) -> None:
    red = load("tiny").identify(colour("red"))
    for word in words:
        correction_store().add_correction(red, word, None)
    correction_store().close()


def kept() -> list[str]:
    found = [one.label for one in correction_store().iter_corrections()]
    correction_store().close()
    return found


def cli(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def elsewhere(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LOUPE_DATABASE", url)
    settings.cache_clear()
    correction_store.cache_clear()


def test_there_and_back(own: Path, tmp_path: Path) -> None:
    photo = tmp_path / "red.png"
    photo.write_bytes(encoded(colour("red"), "PNG"))
    file = tmp_path / "loupe.zip"
    asked = ("identify", "--json", "--model", "tiny", photo)
    before = json.loads(cli(*asked).stdout)
    said = cli("backup", file).stdout
    assert f"1 model (tiny) and 2 corrections in {file}" in said
    assert "keep it private" in said
    correct("later")
    said = cli("restore", file).stdout
    assert "1 model (tiny) and 2 corrections, saved 20" in said
    (former,) = tmp_path.glob("data-before-restore-*")
    assert str(former) in said
    after = json.loads(cli(*asked).stdout)
    for answer in (before, after):
        del answer["milliseconds"]
    assert after == before
    assert kept() == ["scarlet", "crimson"]
    assert "2 corrections" in cli("corrections", tmp_path / "corrections.zip").stdout
    correction_store().close()
    # The way back is a rename.
    own.rename(tmp_path / "away")
    former.rename(own)
    assert kept() == ["scarlet", "crimson", "later"]


def test_what_is_left_out_is_said_and_told_by_the_exit_status(own: Path, tmp_path: Path) -> None:
    (own / "notes.txt").write_text("mine")
    result = cli("backup", tmp_path / "b.zip", "--without-records", code=1)
    assert "1 model (tiny), no corrections," in result.stdout
    assert result.stderr == "left out: notes.txt\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("restore", "missing.zip"), "cannot be read: No such file"),
        (("restore", "other.txt"), "not a whole backup"),
        (("backup", "no/such/folder.zip"), "No such file or directory"),
        (("backup", "other.txt"), "no backup of Loupe, so it is not replaced"),
        (("backup", "data/b.zip"), "in the data folder that it is to save"),
        (("backup", "data/models/b.zip"), "in the data folder that it is to save"),
    ],
)
def test_a_refusal_is_one_line(
    own: Path, tmp_path: Path, words: tuple[str, str], said: str
) -> None:
    (tmp_path / "other.txt").write_text("mine")
    result = cli(words[0], tmp_path / words[1], code=2)
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert (tmp_path / "other.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "other.txt"]


def test_nothing_to_save_is_said(data_folder: Path, tmp_path: Path) -> None:
    correction_store.cache_clear()
    assert "nothing to save" in cli("backup", tmp_path / "b.zip", code=2).stderr
    data_folder.mkdir()
    assert "nothing to save" in cli("backup", tmp_path / "b.zip", code=2).stderr
    assert not (tmp_path / "b.zip").exists()


def test_a_backup_loads_nothing_heavy() -> None:
    code = "import model.backup, model.cli.backup, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"streamlit", "torch", "fastai", "sqlalchemy", "pandas"} & set(loaded) == set()


# Where the folder cannot be swapped at one moment


def test_a_disk_without_an_exchange_takes_three_renames(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("backup", tmp_path / "b.zip")
    correct("later")
    monkeypatch.setattr(swapping, "_exchanged", lambda *_: False)
    cli("restore", tmp_path / "b.zip")
    assert kept() == ["scarlet", "crimson"]
    (former,) = tmp_path.glob("data-before-restore-*")
    assert CorrectionStore(f"sqlite:///{former / 'records.sqlite'}").count() == 3


def test_in_a_home_its_parts_are_swapped_and_the_rest_stays(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(own))
    (own / "letters").mkdir()
    (own / "training" / "flowers").mkdir(parents=True)
    (own / "training" / "flowers" / "plan.json").write_text("{}")
    cli("backup", tmp_path / "b.zip", code=1)
    correct("later")
    tiny(own / "models", "younger")
    cli("restore", tmp_path / "b.zip")
    assert kept() == ["scarlet", "crimson"]
    (former,) = own.glob("before-restore-*")
    assert sorted(path.name for path in own.iterdir()) == sorted(
        [former.name, "letters", "models", "records.sqlite"]
    )
    assert sorted(path.name for path in former.iterdir()) == [
        "models",
        "records.sqlite",
        "training",
    ]
    assert (former / "models" / "younger").is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.zip", "data"]


def test_a_swap_that_fails_half_way_is_undone(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(own))
    cli("backup", tmp_path / "b.zip")
    correct("later")
    from model.backup import restoring

    swap = restoring.swap

    def failing(new: Path, place: Path) -> None:
        if place.name == "records.sqlite":
            raise OSError(5, "Input/output error", str(place))
        swap(new, place)

    monkeypatch.setattr(restoring, "swap", failing)
    tiny(own / "models", "younger")
    with pytest.raises(DataError, match="Input/output error"):
        restore(tmp_path / "b.zip")
    assert kept() == ["scarlet", "crimson", "later"]
    assert (own / "models" / "younger").is_dir()


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode != 0
    if sys.platform == "linux"
    else True,
    reason="NO MOUNTS may be made here, so a volume is not tested",
)
def test_a_volume_keeps_its_place(own: Path, tmp_path: Path) -> None:
    """As a container sees its data: a folder of the same disk, bound."""
    cli("backup", tmp_path / "b.zip")
    correct("later")
    volume = tmp_path / "volume"
    volume.mkdir()
    python = f"{sys.executable} -m model restore {tmp_path / 'b.zip'}"
    script = f"mount --bind {own} {volume} && LOUPE_DATA={volume} {python}"
    subprocess.run(["unshare", "-rm", "sh", "-c", script], cwd=ROOT, check=True, timeout=60)
    assert kept() == ["scarlet", "crimson"]
    (former,) = own.glob("before-restore-*")
    assert CorrectionStore(f"sqlite:///{former / 'records.sqlite'}").count() == 3
    assert not list(volume.iterdir())


# Records in another database


def emptied(url: str) -> None:
    engine = connect(parse_url(url))
    TABLE.drop(engine)
    engine.dispose()


def test_corrections_are_taken_from_there_and_brought_back(
    own: Path, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(monkeypatch, database_url)
    correct(*map(str, range(45)))
    before = list(correction_store().iter_corrections())
    correction_store().close()
    file = tmp_path / "b.zip"
    assert "and 45 corrections" in cli("backup", file).stdout
    refused = cli("restore", file, code=2).stderr
    assert "holds corrections already" in refused
    assert "--without-records" in refused
    cli("restore", file, "--without-records")
    assert len(kept()) == 45
    emptied(database_url)
    cli("restore", file)
    assert list(correction_store().iter_corrections()) == before
    correct("the next")
    assert [one.id for one in correction_store().iter_corrections()] == [
        *(one.id for one in before),
        46,
    ]
    correction_store().close()
    # Without the other database they stand in the data folder.
    elsewhere(monkeypatch, "")
    cli("restore", file)
    assert kept() == [one.label for one in before]


def test_nothing_is_swapped_or_kept_when_the_other_database_refuses(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("backup", tmp_path / "b.zip")
    tiny(own / "models", "younger")
    elsewhere(monkeypatch, f"postgresql://user:{SECRET}@127.0.0.1:1/x")
    for words in (("backup", tmp_path / "c.zip"), ("restore", tmp_path / "b.zip")):
        result = cli(*words, code=2)
        assert "The corrections can't be" in result.stderr
        assert SECRET not in result.stdout + result.stderr
    cli("backup", tmp_path / "c.zip", "--without-records")
    assert (own / "models" / "younger").is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.zip", "c.zip", "data"]
    elsewhere(monkeypatch, "")
