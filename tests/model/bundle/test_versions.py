"""Versions of a model: listing them and rolling back."""

import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model import Bundle, load
from model.browser.cache import find_folder
from model.browser.device_files import device_name
from model.bundle import BUILTIN_DIR, get_bundle, list_versions, roll_back
from model.bundle.versions import set_current
from model.errors import BundleDamaged, BundleError, BundleNotFound
from tests.model.command import run
from tests.model.tiny import colour, edit, tiny
from tests.waiting import in_threads


@pytest.fixture
def two(models_dir: Path) -> tuple[Bundle, Bundle]:
    """A previous and a current version, created an hour apart."""
    previous = tiny(models_dir, title="Previous")
    current = tiny(models_dir, title="Current", sharpness=4.0)
    created = (previous.folder / "bundle.json").stat().st_mtime - 3600
    os.utime(previous.folder / "bundle.json", (created, created))
    return previous, current


def test_versions_come_newest_first_with_the_current_one_marked(two: tuple[Bundle, Bundle]) -> None:
    previous, current = two
    listed = list_versions("tiny")
    rows = [(item.version, item.current) for item in listed]
    assert rows == [(current.version, True), (previous.version, False)]
    assert (listed[0].created - listed[1].created).total_seconds() >= 3600
    assert listed[0].created.utcoffset() is not None


def test_builtin_model_has_one_version(data_folder: Path) -> None:
    (only,) = list_versions("imagenet")
    assert only.current
    assert isinstance(only.bundle, Bundle)
    assert only.bundle.folder == BUILTIN_DIR / "imagenet"
    with pytest.raises(BundleNotFound, match="has a single version"):
        roll_back("imagenet", only.version)


def test_damaged_version_is_listed_and_hides_no_other(two: tuple[Bundle, Bundle]) -> None:
    previous, _ = two
    (previous.folder / "bundle.json").write_text("{")
    (previous.folder.parent / ".loupe-new-left").mkdir()
    (previous.folder.parent / "notes").mkdir()
    versions = {item.version: item.bundle for item in list_versions("tiny")}
    assert len(versions) == 2
    assert isinstance(versions[previous.version], BundleError)


def test_running_app_follows_a_rollback(two: tuple[Bundle, Bundle]) -> None:
    previous, current = two
    before = load("tiny")
    assert before.bundle.version == current.version
    assert roll_back("tiny", previous.version).version == previous.version
    assert get_bundle("tiny").version == previous.version
    back = load("tiny")
    assert back.bundle.version == previous.version
    assert back.identify(colour("red")).version == previous.version
    # A classifier that was loaded before stays as it was.
    assert before.identify(colour("red")).version == current.version
    roll_back("tiny", current.version)
    assert load("tiny").identify(colour("red")).version == current.version


def test_version_cannot_leave_the_folder(two: tuple[Bundle, Bundle]) -> None:
    previous, current = two
    other = f"../tiny/{previous.version}"
    for version in ("", ".", "../..", "/etc", "current", "0" * 12, "a\0b", "x" * 9999, other):
        with pytest.raises(BundleNotFound, match="Available"):
            roll_back("tiny", version)
    assert get_bundle("tiny").version == current.version


def test_version_that_is_a_link_is_ignored(two: tuple[Bundle, Bundle], tmp_path: Path) -> None:
    previous, _ = two
    shutil.move(previous.folder, tmp_path / previous.version)
    previous.folder.symlink_to(tmp_path / previous.version)
    with pytest.raises(BundleNotFound):
        roll_back("tiny", previous.version)


@pytest.mark.parametrize("how", ["file", "missing", "manifest", "name"])
def test_damaged_version_cannot_become_the_current_one(
    two: tuple[Bundle, Bundle], how: str
) -> None:
    previous, current = two
    graph = previous.folder / "graph.onnx"
    match how:
        case "file":
            graph.write_bytes(graph.read_bytes()[::-1])
        case "missing":
            graph.unlink()
        case "manifest":
            edit(previous, title="Better than it is")
        case _:
            edit(previous, name="other")
    with pytest.raises(BundleDamaged):
        roll_back("tiny", previous.version)
    assert get_bundle("tiny").version == current.version


def test_current_file_is_complete_at_every_moment(two: tuple[Bundle, Bundle]) -> None:
    previous, current = two
    folder, ended, seen = previous.folder.parent, threading.Event(), set[str]()

    def watch() -> None:
        while not ended.is_set():
            seen.add((folder / "current").read_text())

    def move(_: int) -> None:
        for version in (previous.version, current.version) * 20:
            set_current(folder, version)

    with in_threads(ended, watch), ThreadPoolExecutor(3) as pool:
        list(pool.map(move, range(3)))
    assert seen <= {previous.version, current.version}
    assert not list(folder.glob(".*"))


def test_versions_and_rollback_commands(two: tuple[Bundle, Bundle]) -> None:
    previous, current = two
    listed = run("versions", "tiny")
    assert listed.exit_code == 0
    rows = [line.split()[0] for line in listed.stdout.splitlines()[1:]]
    assert rows == ["current", previous.version]
    moved = run("rollback", "tiny", previous.version)
    assert moved.exit_code == 0
    assert f"tiny is now {previous.version}" in moved.stdout
    assert f"rollback tiny {current.version}" in moved.stdout
    assert get_bundle("tiny").version == previous.version
    assert find_folder(device_name(previous))
    (current.folder / "graph.onnx").unlink()
    listed = run("versions", "tiny")
    assert f"{current.version}: " in listed.stderr
    for version in (current.version, "0" * 12):
        refused = run("rollback", "tiny", version)
        assert refused.exit_code == 2
        assert refused.stderr.endswith(("[bundle-damaged]\n", "[no-such-model]\n"))
    assert get_bundle("tiny").version == previous.version


def test_rollback_works_when_the_current_version_is_broken(two: tuple[Bundle, Bundle]) -> None:
    previous, current = two
    (current.folder / "bundle.json").write_text("{")
    assert run("rollback", "tiny", previous.version).exit_code == 0
    assert get_bundle("tiny").version == previous.version


def test_builtin_model_comes_back_after_the_owners_model_of_its_name(
    data_folder: Path, models_dir: Path
) -> None:
    builtin = get_bundle("imagenet")
    owners = tiny(models_dir, "imagenet")
    assert get_bundle("imagenet").version == owners.version
    assert {item.version: item.current for item in list_versions("imagenet")} == {
        owners.version: True,
        builtin.version: False,
    }
    assert roll_back("imagenet", builtin.version).version == builtin.version
    back = get_bundle("imagenet")
    assert (back.version, back.folder) == (
        builtin.version,
        models_dir / "imagenet" / builtin.version,
    )
    back.verify()
    assert {item.version for item in list_versions("imagenet")} == {owners.version, builtin.version}
    # A built-in model keeps its date when it is copied.
    dates = {item.version: item.created for item in list_versions("imagenet")}
    manifest = builtin.folder / "bundle.json"
    assert dates[builtin.version].timestamp() == pytest.approx(manifest.stat().st_mtime)
    assert roll_back("imagenet", owners.version).version == owners.version
