"""The registry: models found by name only, published completely or not at all."""

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from model import Bundle, list_models, load
from model.bundle import BUILTIN_DIR, ManifestDraft, fingerprint, get_bundle, publish, roll_back
from model.errors import BundleDamaged, BundleError, BundleNotFound
from tests.model.tiny import colour, edit, files, tiny, values
from tests.python import run_python


def draft(name: str = "tiny") -> ManifestDraft:
    return ManifestDraft.model_validate(values(name))


def test_builtin_models_exist_without_any_setting(data_folder: Path) -> None:
    assert not data_folder.exists()
    assert isinstance(list_models()["imagenet"], Bundle)
    assert get_bundle("imagenet").folder == BUILTIN_DIR / "imagenet"
    # Listing writes nothing.
    assert not data_folder.exists()


def test_published_model_is_found_and_answers(tiny_bundle: Bundle, models_dir: Path) -> None:
    assert tiny_bundle.folder == models_dir.resolve() / "tiny" / tiny_bundle.version
    assert get_bundle("tiny").version == tiny_bundle.version
    assert load("tiny").identify(colour("blue")).answer == "blue"
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in tiny_bundle.folder.iterdir())
    assert tiny_bundle.folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("how", ["changed", "missing"])
def test_publishing_again_repairs_a_damaged_model(models_dir: Path, how: str) -> None:
    """Errors advise to import or build the model again, so that has to help."""
    bundle = tiny(models_dir)
    path = bundle.folder / "graph.onnx"
    if how == "changed":
        path.write_bytes(path.read_bytes()[::-1])
    else:
        path.unlink()
    tiny(models_dir)
    get_bundle("tiny").verify()


def test_version_published_again_is_there_at_every_step(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_card = tiny(models_dir).folder / "small.json"
    small_card.write_text("measured by the owner")

    def checked(move: Any) -> Any:
        def moving(path: Path, target: Path) -> Any:
            try:
                return move(path, target)
            finally:
                get_bundle("tiny").verify()

        return moving

    for name in ("rename", "replace"):
        monkeypatch.setattr(Path, name, checked(getattr(Path, name)))
    tiny(models_dir)
    assert small_card.exists()
    assert [path.name for path in models_dir.iterdir()] == ["tiny"]


def test_folder_without_versions_is_a_model(tiny_bundle: Bundle, models_dir: Path) -> None:
    shutil.copytree(tiny_bundle.folder, models_dir / "flat")
    edit(Bundle.open(models_dir / "flat"), name="flat")
    assert get_bundle("flat").folder == models_dir / "flat"
    # Written again, the new version stands beside the first and is the current one.
    assert tiny(models_dir, "flat", title="New").folder.parent == models_dir.resolve() / "flat"
    assert get_bundle("flat").manifest.title == "New"
    assert [path.name for path in models_dir.iterdir() if path.name.startswith(".")] == []


def test_a_folder_of_another_name_is_refused(tiny_bundle: Bundle, models_dir: Path) -> None:
    shutil.copytree(tiny_bundle.folder, models_dir / "copy")
    with pytest.raises(BundleDamaged, match="Rename the folder"):
        get_bundle("copy")


@pytest.mark.parametrize(
    "pointer",
    [b"", b"gone", b"../..", b"/etc", b"\xff\xfe\x00", b"a\0b", b"x" * 5000],
    ids=range(7),
)
def test_broken_current_file_is_refused_and_hides_no_other_model(
    tiny_bundle: Bundle, models_dir: Path, pointer: bytes
) -> None:
    tiny(models_dir, "other")
    (models_dir / "tiny" / "current").write_bytes(pointer)
    models = list_models()
    assert isinstance(models["tiny"], BundleDamaged)
    assert isinstance(models["other"], Bundle)
    assert isinstance(models["imagenet"], Bundle)
    with pytest.raises(BundleDamaged, match="current"):
        get_bundle("tiny")


def test_broken_model_hides_no_other(tiny_bundle: Bundle, models_dir: Path) -> None:
    for number, text in enumerate([b"", b"{", b"[" * 100_000, b"\xff"]):
        folder = models_dir / f"broken-{number}"
        folder.mkdir()
        (folder / "bundle.json").write_bytes(text)
    (models_dir / "empty").mkdir()
    (models_dir / "a file").write_text("")
    (models_dir / ".hidden").mkdir()
    models = list_models()
    refused = {name for name, bundle in models.items() if isinstance(bundle, BundleError)}
    assert refused == {"broken-0", "broken-1", "broken-2", "broken-3"}
    assert models.keys() - refused == {
        path.name for path in BUILTIN_DIR.iterdir() if path.is_dir()
    } | {"tiny"}


def test_name_cannot_leave_the_registry(tiny_bundle: Bundle) -> None:
    for name in ("", ".", "../..", "/etc", "tiny/current", "tiny/..", "TINY", "tiny\0", "a" * 9999):
        with pytest.raises(BundleNotFound, match="Available: .*tiny"):
            get_bundle(name)


def test_failed_write_leaves_nothing(models_dir: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "graph.onnx").write_bytes(b"half")
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="full"):
        publish(draft(), models_dir, fail)
    assert list(models_dir.iterdir()) == []


def test_invalid_bundle_is_not_moved_into_place(tiny_bundle: Bundle) -> None:
    models_dir = tiny_bundle.folder.parent.parent
    with pytest.raises(BundleDamaged, match="not listed"):
        publish(draft(), models_dir, lambda folder: None)
    with pytest.raises(ValidationError, match="name"):
        draft("../../escaped")
    assert [path.name for path in models_dir.iterdir()] == ["tiny"]
    assert get_bundle("tiny").version == tiny_bundle.version


KILLED = """
import os, pathlib, shutil, signal, sys
from model.storage import disk
from model.bundle import ManifestDraft, publish
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
        disk.fsync_path = killing(disk.fsync_path)
    case "before rename" | "after rename":
        kill = killing(pathlib.Path.rename, after=moment == "after rename")
        pathlib.Path.rename = kill
    case "before pointer" | "after pointer":
        kill = killing(pathlib.Path.replace, after=moment == "after pointer")
        pathlib.Path.replace = kill
draft = ManifestDraft.model_validate(values(name, title="The new one"))
publish(draft, pathlib.Path(target), fill)
"""

MOMENTS = ["fill", "sync", "before rename", "after rename", "before pointer", "after pointer"]


def killed(models_dir: Path, tmp_path: Path, moment: str, name: str = "tiny") -> int:
    """Publish in a child process that is killed at that moment; return its exit status."""
    source = tmp_path / "source"
    source.mkdir()
    for file, data in files().items():
        (source / file).write_bytes(data)
    return run_python("-c", KILLED, source, models_dir, moment, name, check=False).returncode


@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_leaves_a_complete_model(
    tiny_bundle: Bundle, models_dir: Path, tmp_path: Path, moment: str
) -> None:
    assert killed(models_dir, tmp_path, moment) == -signal.SIGKILL
    bundle = get_bundle("tiny")
    bundle.verify()
    assert (bundle.manifest.title == "The new one") == (moment == "after pointer")
    assert load("tiny").identify(colour("green")).answer == "green"
    assert [name for name in list_models() if name.startswith(".")] == []
    # The next write succeeds.
    assert tiny(models_dir, title="The next one").version == get_bundle("tiny").version


def test_kill_leaves_a_complete_model_without_versions(
    tiny_bundle: Bundle, models_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_bundle.folder, models_dir / "flat")
    edit(Bundle.open(models_dir / "flat"), name="flat")
    assert killed(models_dir, tmp_path, "after rename", "flat") == -signal.SIGKILL
    get_bundle("flat").verify()


def test_kill_in_the_first_write_does_not_hide_a_builtin_model(
    models_dir: Path, tmp_path: Path
) -> None:
    assert killed(models_dir, tmp_path, "before pointer", "imagenet") == -signal.SIGKILL
    assert get_bundle("imagenet").folder == BUILTIN_DIR / "imagenet"


def test_fingerprint_changes_with_the_files(models_dir: Path) -> None:
    fingerprints = [fingerprint("tiny")]
    first = tiny(models_dir)
    fingerprints.append(fingerprint("tiny"))
    tiny(models_dir, title="Colours again")
    fingerprints.append(fingerprint("tiny"))
    roll_back("tiny", first.version)
    fingerprints.append(fingerprint("tiny"))
    assert len(set(fingerprints)) == len(fingerprints)
    assert fingerprint("tiny") == fingerprints[-1]
    # Unknown names are accepted, and none leads out of the registry.
    for name in ("../tiny", "a/b", "", "\0", "a\\b", "nobody"):
        assert set(fingerprint(name)) <= {None}


def test_draft_returned_by_the_writer_replaces_the_first_one(models_dir: Path) -> None:
    first = draft()

    def write_files(folder: Path) -> ManifestDraft:
        for file, data in files().items():
            (folder / file).write_bytes(data)
        return first.model_copy(update={"title": "Measured"})

    bundle = publish(first, models_dir, write_files)
    assert bundle.manifest.title == "Measured"
    assert bundle.manifest.to_draft() == first.model_copy(update={"title": "Measured"})
