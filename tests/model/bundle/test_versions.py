"""Versions beside each other: what there is, and the way back to one of them."""

import os
import shutil
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from model import Bundle, load
from model.bundle import BUILTIN_DIR, get_bundle, list_versions, roll_back, set_current
from model.cli import main
from model.errors import BundleDamaged, BundleError, BundleNotFound
from tests.model.tiny import colour, edit, tiny


@pytest.fixture
def two(shelf: Path) -> tuple[Bundle, Bundle]:
    """A former and a current version, made an hour apart."""
    former, current = tiny(shelf, title="Former"), tiny(shelf, title="Current", sharpness=4.0)
    made = (former.folder / "bundle.json").stat().st_mtime - 3600
    os.utime(former.folder / "bundle.json", (made, made))
    return former, current


def cli(*words: str) -> Result:
    result = CliRunner().invoke(main, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_newest_comes_first_and_the_current_one_is_marked(two: tuple[Bundle, Bundle]) -> None:
    former, current = two
    found = list_versions("tiny")
    assert [(one.version, one.current) for one in found] == [
        (current.version, True),
        (former.version, False),
    ]
    assert (found[0].created - found[1].created).total_seconds() >= 3600
    assert found[0].created.utcoffset() is not None
    assert [one.bundle.manifest.title for one in found if isinstance(one.bundle, Bundle)] == [
        "Current",
        "Former",
    ]


def test_what_ships_has_one(data_folder: Path) -> None:
    (only,) = list_versions("imagenet")
    assert only.current
    assert isinstance(only.bundle, Bundle)
    assert only.bundle.folder == BUILTIN_DIR / "imagenet"
    with pytest.raises(BundleNotFound, match="has a single version"):
        roll_back("imagenet", only.version)


def test_a_refused_version_is_listed_and_hides_no_other(two: tuple[Bundle, Bundle]) -> None:
    former, _ = two
    (former.folder / "bundle.json").write_text("{")
    (former.folder.parent / ".new-left").mkdir()
    (former.folder.parent / "notes").mkdir()
    found = {one.version: one.bundle for one in list_versions("tiny")}
    assert len(found) == 2
    assert isinstance(found[former.version], BundleError)


def test_there_and_back_is_seen_by_a_running_app_at_once(two: tuple[Bundle, Bundle]) -> None:
    former, current = two
    before = load("tiny")
    assert before.bundle.version == current.version
    assert roll_back("tiny", former.version).version == former.version
    assert get_bundle("tiny").version == former.version
    back = load("tiny")
    assert back.bundle.version == former.version
    assert back.identify(colour("red")).version == former.version
    # Who had the other in hand goes on with it.
    assert before.identify(colour("red")).version == current.version
    roll_back("tiny", current.version)
    assert load("tiny").identify(colour("red")).version == current.version


def test_the_current_one_again_changes_nothing(two: tuple[Bundle, Bundle]) -> None:
    _, current = two
    assert roll_back("tiny", current.version).folder == get_bundle("tiny").folder


@pytest.mark.parametrize(
    "version",
    ["", ".", "..", "../..", "/", "/etc", "current", "0" * 12, "a\0b", "x" * 9999, "../tiny/{}"],
)
def test_no_version_leaves_the_folder(two: tuple[Bundle, Bundle], version: str) -> None:
    former, current = two
    with pytest.raises(BundleNotFound, match="Available"):
        roll_back("tiny", version.format(former.version))
    assert get_bundle("tiny").version == current.version


def test_a_version_that_is_a_link_is_none(two: tuple[Bundle, Bundle], tmp_path: Path) -> None:
    former, _ = two
    shutil.move(former.folder, tmp_path / former.version)
    former.folder.symlink_to(tmp_path / former.version)
    with pytest.raises(BundleNotFound):
        roll_back("tiny", former.version)


@pytest.mark.parametrize("how", ["file", "missing", "manifest", "name"])
def test_a_damaged_version_does_not_become_the_current_one(
    two: tuple[Bundle, Bundle], how: str
) -> None:
    former, current = two
    graph = former.folder / "graph.onnx"
    match how:
        case "file":
            graph.write_bytes(graph.read_bytes()[::-1])
        case "missing":
            graph.unlink()
        case "manifest":
            edit(former, title="Better than it is")
        case _:
            edit(former, name="other")
    with pytest.raises(BundleDamaged):
        roll_back("tiny", former.version)
    assert get_bundle("tiny").version == current.version


def test_the_pointer_is_whole_at_every_moment(two: tuple[Bundle, Bundle]) -> None:
    former, current = two
    folder, ended, seen = former.folder.parent, threading.Event(), set[str]()

    def watch() -> None:
        while not ended.is_set():
            seen.add((folder / "current").read_text())

    def move() -> None:
        for _ in range(20):
            set_current(folder, former.version)
            set_current(folder, current.version)

    watching = threading.Thread(target=watch)
    moving = [threading.Thread(target=move) for _ in range(3)]
    for thread in (watching, *moving):
        thread.start()
    for thread in moving:
        thread.join()
    ended.set()
    watching.join()
    assert seen <= {former.version, current.version}
    assert not list(folder.glob(".*"))


def test_a_pointer_that_a_killed_write_left_is_swept_up_a_day_later(shelf: Path) -> None:
    folder = tiny(shelf).folder.parent
    old, young = folder / ".current-0123abcd", folder / ".current-4567cdef"
    for path in (old, young):
        path.write_text("half")
    os.utime(old, (0, 0))
    tiny(shelf, title="Again")
    assert not old.exists()
    assert young.exists()


def test_an_unknown_model_has_no_versions(data_folder: Path) -> None:
    for ask in (lambda: list_versions("../.."), lambda: roll_back("gone", "0" * 12)):
        with pytest.raises(BundleNotFound, match="Available"):
            ask()


def test_the_commands(two: tuple[Bundle, Bundle]) -> None:
    former, current = two
    listed = cli("versions", "tiny")
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == [
        "current",
        former.version,
    ]
    moved = cli("rollback", "tiny", former.version)
    assert moved.exit_code == 0
    assert f"tiny is now {former.version}" in moved.stdout
    assert f"rollback tiny {current.version}" in moved.stdout
    assert get_bundle("tiny").version == former.version
    (current.folder / "graph.onnx").unlink()
    listed = cli("versions", "tiny")
    assert f"{current.version}: " in listed.stderr
    for version in (current.version, "0" * 12):
        refused = cli("rollback", "tiny", version)
        assert refused.exit_code == 2
        assert refused.stderr.endswith(("[bundle-damaged]\n", "[no-such-model]\n"))
    assert get_bundle("tiny").version == former.version


def test_the_way_back_from_a_current_one_that_is_broken(two: tuple[Bundle, Bundle]) -> None:
    former, current = two
    (current.folder / "bundle.json").write_text("{")
    assert cli("rollback", "tiny", former.version).exit_code == 0
    assert get_bundle("tiny").version == former.version


def test_what_ships_comes_back_after_an_own_model_of_its_name(
    data_folder: Path, shelf: Path
) -> None:
    ships = get_bundle("imagenet")
    own = tiny(shelf, "imagenet")
    assert get_bundle("imagenet").version == own.version
    assert {one.version: one.current for one in list_versions("imagenet")} == {
        own.version: True,
        ships.version: False,
    }
    assert roll_back("imagenet", ships.version).version == ships.version
    back = get_bundle("imagenet")
    assert (back.version, back.folder) == (ships.version, shelf / "imagenet" / ships.version)
    back.verify()
    assert {one.version for one in list_versions("imagenet")} == {own.version, ships.version}
    assert roll_back("imagenet", own.version).version == own.version
