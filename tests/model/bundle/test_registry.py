"""The registry: models found by name only, published completely or not at all."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from model import Bundle, list_models, load
from model.bundle import (
    BUILTIN_DIR,
    ManifestDraft,
    check_name,
    fingerprint,
    get_bundle,
    publish,
    roll_back,
)
from model.errors import BundleDamaged, BundleError, BundleNotFound, DataError
from model.settings import settings
from model.storage import disk
from tests.model.tiny import colour, edit, files, tiny, values


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


def test_version_published_again_keeps_the_owners_small_card(models_dir: Path) -> None:
    small_card = tiny(models_dir).folder / "small.json"
    small_card.write_text("measured by the owner")
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
    builtin = {path.name for path in BUILTIN_DIR.iterdir() if path.is_dir()}
    assert models.keys() - refused == builtin | {"tiny"}


def test_name_cannot_leave_the_registry(tiny_bundle: Bundle) -> None:
    for name in ("", ".", "../..", "/etc", "tiny/current", "tiny/..", "TINY", "tiny\0", "a" * 9999):
        with pytest.raises(BundleNotFound, match="Available: .*tiny"):
            get_bundle(name)


def test_names_that_windows_reserves_are_for_existing_models(models_dir: Path) -> None:
    with pytest.raises(DataError, match="Windows reserves the name 'nul'. Choose another name"):
        check_name("nul")
    tiny(models_dir, "nul")
    check_name("nul")


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


@pytest.mark.parametrize("kind", ["another version", "same version", "flat", "built-in"])
def test_kill_at_any_moment_leaves_a_complete_model(
    kind: str, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill leaves is what is on disk before the next step: a copy of that is checked."""
    name = "imagenet" if kind == "built-in" else "tiny"
    first = get_bundle(name) if kind == "built-in" else tiny(models_dir)
    title = "Colours again" if kind != "same version" else first.manifest.title
    if kind == "flat":
        shutil.copytree(first.folder, tmp_path / "flat")
        shutil.rmtree(models_dir / "tiny")
        shutil.copytree(tmp_path / "flat", models_dir / "tiny")
    models_dir.mkdir(parents=True, exist_ok=True)
    moments: list[Path] = []

    def stop() -> None:
        moments.append(tmp_path / f"moment {len(moments)}")
        shutil.copytree(models_dir, moments[-1] / "models")

    def stopping(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            stop()
            return function(*args, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(disk, "fsync_path", stopping(disk.fsync_path))
        for step in ("rename", "replace", "write_bytes"):
            patch.setattr(Path, step, stopping(getattr(Path, step)))
        last = tiny(models_dir, name, title=title)
    stop()
    seen = []
    for moment in moments:
        monkeypatch.setenv("LOUPE_DATA", str(moment))
        settings.cache_clear()
        bundle = get_bundle(name)
        bundle.verify()
        seen.append(bundle.version)
        assert [model for model in list_models() if model.startswith(".")] == []
        # The next write succeeds.
        assert tiny(moment / "models", name, title="Next").version == get_bundle(name).version
    assert len(moments) > 8
    assert seen == sorted(seen, key=[first.version, last.version].index)
    assert {seen[0], seen[-1]} == {first.version, last.version}


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
