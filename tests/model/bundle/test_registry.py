"""Models on their shelves: found by name only, written whole or not at all."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model import Bundle, list_models, load
from model.bundle import BUILTIN_DIR, fingerprint, get_bundle, publish, roll_back
from model.errors import BundleDamaged, BundleError, BundleNotFound
from model.settings import ROOT
from tests.model.tiny import colour, edit, files, tiny, values


def test_what_ships_is_there_with_nothing_set(data_folder: Path) -> None:
    assert not data_folder.exists()
    assert isinstance(list_models()["imagenet"], Bundle)
    assert get_bundle("imagenet").folder == BUILTIN_DIR / "imagenet"
    # Looking writes nothing.
    assert not data_folder.exists()


def test_a_written_model_is_found_and_answers(tiny_bundle: Bundle, shelf: Path) -> None:
    assert tiny_bundle.folder == shelf.resolve() / "tiny" / tiny_bundle.version
    assert get_bundle("tiny").version == tiny_bundle.version
    assert load("tiny").identify(colour("blue")).answer == "blue"
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in tiny_bundle.folder.iterdir())
    assert tiny_bundle.folder.stat().st_mode & 0o777 == 0o755


def test_versions_stand_beside_each_other(shelf: Path) -> None:
    first, second = tiny(shelf), tiny(shelf, title="Colours again")
    assert first.version != second.version
    assert get_bundle("tiny").version == second.version
    former = Bundle.open(first.folder)
    former.verify()
    assert former.manifest.title == "Colours"
    (shelf / "tiny" / "current").write_text(first.version)
    assert get_bundle("tiny").version == first.version


def test_the_same_again_is_the_same_version(shelf: Path) -> None:
    assert tiny(shelf).version == tiny(shelf).version
    assert sorted(path.name for path in (shelf / "tiny").iterdir()) == sorted(
        [get_bundle("tiny").version, "current"]
    )


@pytest.mark.parametrize("how", ["changed", "missing"])
def test_writing_it_again_mends_a_damaged_model(shelf: Path, how: str) -> None:
    """Every refusal says to import or build the model again: that has to help."""
    bundle = tiny(shelf)
    path = bundle.folder / "graph.onnx"
    if how == "changed":
        path.write_bytes(path.read_bytes()[::-1])
    else:
        path.unlink()
    tiny(shelf)
    get_bundle("tiny").verify()


def test_the_owners_model_wins_over_the_one_that_ships(shelf: Path) -> None:
    tiny(shelf, "imagenet")
    assert get_bundle("imagenet").manifest.title == "Colours"
    listed = list_models()["imagenet"]
    assert isinstance(listed, Bundle)
    assert listed.manifest.title == "Colours"


def test_a_flat_folder_is_a_model_too(tiny_bundle: Bundle, shelf: Path) -> None:
    shutil.copytree(tiny_bundle.folder, shelf / "flat")
    edit(Bundle.open(shelf / "flat"), name="flat")
    assert get_bundle("flat").folder == shelf / "flat"
    # Written again, the new version stands beside the first and is the current one.
    assert tiny(shelf, "flat", title="New").folder.parent == shelf.resolve() / "flat"
    assert get_bundle("flat").manifest.title == "New"
    assert [path.name for path in shelf.iterdir() if path.name.startswith(".")] == []


def test_a_folder_of_another_name_is_refused(tiny_bundle: Bundle, shelf: Path) -> None:
    shutil.copytree(tiny_bundle.folder, shelf / "copy")
    with pytest.raises(BundleDamaged, match="Rename the folder"):
        get_bundle("copy")


@pytest.mark.parametrize(
    "pointer",
    [b"", b"gone", b"..", b"../..", b"/etc", b".", b"\xff\xfe\x00", b"a\0b", b"x" * 5000],
    ids=["empty", "gone", "parent", "parents", "root", "dot", "no text", "zero", "long"],
)
def test_a_pointer_to_nothing_is_refused_and_hides_no_other(
    tiny_bundle: Bundle, shelf: Path, pointer: bytes
) -> None:
    tiny(shelf, "other")
    (shelf / "tiny" / "current").write_bytes(pointer)
    found = list_models()
    assert isinstance(found["tiny"], BundleDamaged)
    assert isinstance(found["other"], Bundle)
    assert isinstance(found["imagenet"], Bundle)
    with pytest.raises(BundleDamaged, match="current"):
        get_bundle("tiny")


def test_a_broken_model_hides_no_other(tiny_bundle: Bundle, shelf: Path) -> None:
    for number, text in enumerate([b"", b"{", b"[" * 100_000, b"\xff"]):
        folder = shelf / f"broken-{number}"
        folder.mkdir()
        (folder / "bundle.json").write_bytes(text)
    (shelf / "empty").mkdir()
    (shelf / "a file").write_text("")
    (shelf / ".hidden").mkdir()
    found = list_models()
    refused = {name for name, bundle in found.items() if isinstance(bundle, BundleError)}
    assert refused == {"broken-0", "broken-1", "broken-2", "broken-3"}
    assert found.keys() - refused == {path.name for path in BUILTIN_DIR.iterdir()} | {"tiny"}


@pytest.mark.parametrize(
    "name",
    [
        "../..",
        "",
        ".",
        "..",
        "/",
        "/etc",
        "tiny/current",
        "tiny/..",
        "tiny/",
        "TINY",
        "tiny\0",
        "a" * 9999,
    ],
)
def test_no_name_leaves_the_shelf(tiny_bundle: Bundle, name: str) -> None:
    with pytest.raises(BundleNotFound, match="Available: .*tiny"):
        get_bundle(name)


def test_what_cannot_be_written_leaves_nothing(shelf: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "graph.onnx").write_bytes(b"half")
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="full"):
        publish(values(), shelf, fail)
    assert list(shelf.iterdir()) == []


def test_what_does_not_pass_its_own_check_is_not_put_into_place(tiny_bundle: Bundle) -> None:
    shelf = tiny_bundle.folder.parent.parent
    with pytest.raises(BundleDamaged, match="not listed"):
        publish(values(), shelf, lambda folder: None)
    with pytest.raises(BundleDamaged, match="name"):
        publish(values("../../escaped"), shelf, lambda folder: None)
    assert [path.name for path in shelf.iterdir()] == ["tiny"]
    assert get_bundle("tiny").version == tiny_bundle.version


KILLED = """
import os, pathlib, shutil, signal, sys
from model.bundle import registry
from tests.model.tiny import values

source, target, moment, name = sys.argv[1:]


def killing(function, *, after=False):
    def wrapped(*args, **kwargs):
        if after:
            function(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    return wrapped


def fill(folder):
    for path in pathlib.Path(source).iterdir():
        shutil.copy(path, folder)
        if moment == "fill":
            os.kill(os.getpid(), signal.SIGKILL)


match moment:
    case "sync":
        registry.fsync_path = killing(registry.fsync_path)
    case "before rename" | "after rename":
        kill = killing(pathlib.Path.rename, after=moment == "after rename")
        pathlib.Path.rename = kill
    case "before pointer" | "after pointer":
        kill = killing(pathlib.Path.replace, after=moment == "after pointer")
        pathlib.Path.replace = kill
registry.publish(values(name, title="The new one"), pathlib.Path(target), fill)
"""

MOMENTS = ["fill", "sync", "before rename", "after rename", "before pointer", "after pointer"]


def killed(shelf: Path, tmp_path: Path, moment: str, name: str = "tiny") -> int:
    """Write in a child process that is killed at that moment; its exit status."""
    source = tmp_path / "source"
    source.mkdir()
    for file, data in files().items():
        (source / file).write_bytes(data)
    command = [sys.executable, "-c", KILLED, str(source), str(shelf), moment, name]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_leaves_a_whole_model(
    tiny_bundle: Bundle, shelf: Path, tmp_path: Path, moment: str
) -> None:
    assert killed(shelf, tmp_path, moment) == -signal.SIGKILL
    found = get_bundle("tiny")
    found.verify()
    assert (found.manifest.title == "The new one") == (moment == "after pointer")
    assert load("tiny").identify(colour("green")).answer == "green"
    assert [name for name in list_models() if name.startswith(".")] == []
    # The next one goes through.
    assert tiny(shelf, title="The next one").version == get_bundle("tiny").version


@pytest.mark.parametrize("moment", ["before rename", "after rename"])
def test_a_kill_leaves_a_whole_flat_model(
    tiny_bundle: Bundle, shelf: Path, tmp_path: Path, moment: str
) -> None:
    shutil.copytree(tiny_bundle.folder, shelf / "flat")
    edit(Bundle.open(shelf / "flat"), name="flat")
    assert killed(shelf, tmp_path, moment, "flat") == -signal.SIGKILL
    get_bundle("flat").verify()


@pytest.mark.parametrize("moment", ["before rename", "after rename", "before pointer"])
def test_a_kill_in_the_first_write_does_not_hide_what_ships(
    shelf: Path, tmp_path: Path, moment: str
) -> None:
    assert killed(shelf, tmp_path, moment, "imagenet") == -signal.SIGKILL
    assert get_bundle("imagenet").folder == BUILTIN_DIR / "imagenet"


def test_a_mark_tells_one_state_of_the_files_from_the_next(shelf: Path) -> None:
    marks = [fingerprint("tiny")]
    first = tiny(shelf)
    marks.append(fingerprint("tiny"))
    second = tiny(shelf, title="Colours again")
    marks.append(fingerprint("tiny"))
    roll_back("tiny", first.version)
    marks.append(fingerprint("tiny"))
    assert len(set(marks)) == len(marks)
    assert fingerprint("tiny") == marks[-1]
    assert second.version != first.version
    # No name leaves the shelves, and none is refused before it is looked for.
    for name in ("../tiny", "a/b", "", "\0", "a\\b", "nobody"):
        assert set(fingerprint(name)) <= {None}


def test_what_is_loaded_follows_the_shelf_at_once(shelf: Path) -> None:
    first = tiny(shelf)
    assert load("tiny") is load("tiny")
    second = tiny(shelf, title="Colours again")
    assert load("tiny").bundle.version == second.version
    roll_back("tiny", first.version)
    assert load("tiny").bundle.version == first.version
    shutil.rmtree(shelf / "tiny")
    with pytest.raises(BundleNotFound):
        load("tiny")


def test_a_model_replaced_while_loaded_is_loaded_anew(shelf: Path) -> None:
    tiny(shelf)
    before = load("tiny")
    tiny(shelf, sharpness=4.0)
    after = load("tiny")
    assert before is not after
    first, second = before.identify(colour("red")), after.identify(colour("red"))
    assert first.version != second.version
    assert not np.allclose(first.probabilities, second.probabilities)
