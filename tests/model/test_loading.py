"""``model.loading``: models load once, and by default the newest of the owner's that works."""

import gc
import logging
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from model import Bundle, Classifier, list_models, load, loading
from model.bundle import default_models, get_bundle, hold_back, list_versions, roll_back
from model.engines import ENGINES, Engine, available, start, why_unavailable
from model.errors import BundleDamaged, BundleNotFound, EngineUnavailable
from model.loading import default_model
from model.settings import settings
from tests.model.command import run
from tests.model.tiny import edit, replace, tiny


def set_age(bundle: Bundle, seconds: int) -> None:
    manifest = bundle.folder / "bundle.json"
    os.utime(manifest, (manifest.stat().st_mtime - seconds,) * 2)


def reread_settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()


def test_built_in_model_opens_where_the_owner_has_none(data_folder: Path) -> None:
    assert default_models() == ["imagenet"]
    assert default_model() == "imagenet"


def test_newest_own_model_opens(models_dir: Path) -> None:
    set_age(tiny(models_dir, "aaa"), 10)
    set_age(tiny(models_dir, "zzz"), 5)
    assert default_models() == ["zzz", "aaa", "imagenet"]
    assert load().bundle.name == "zzz"
    set_age(tiny(models_dir, "aaa", title="Colours again"), 0)
    assert load().bundle.name == "aaa"


def test_rolling_back_does_not_make_a_model_the_newest(models_dir: Path) -> None:
    first = tiny(models_dir, "aaa")
    set_age(first, 20)
    set_age(tiny(models_dir, "aaa", title="Colours again"), 10)
    set_age(tiny(models_dir, "zzz"), 5)
    roll_back("aaa", first.version)
    assert default_model() == "zzz"


def test_labels_that_look_alike_are_named_and_the_model_opens(
    models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = ("red", "red\u200b", "cafe\u0301", "café", "white", "black")
    tiny(models_dir, labels=labels)
    assert load("tiny").bundle.labels == labels
    (message,) = caplog.messages
    assert message.endswith(r"invisible characters: 'red\u200b', 'cafe\u0301', 'caf\xe9'.")
    verified = run("verify", "tiny").stdout
    assert " files match their hashes; compiled: golden outputs match" in verified
    assert verified.endswith(f"; {message.removeprefix('tiny: ')}\n")


def test_version_that_is_held_back_opens_after_all_others(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_age(tiny(models_dir, "aaa"), 10)
    first = tiny(models_dir, "zzz")
    hold_back(first, is_held=True)
    assert default_models() == ["aaa", "imagenet", "zzz"]
    # Another version may open first.
    tiny(models_dir, "zzz", title="Colours again")
    assert default_models() == ["zzz", "aaa", "imagenet"]
    roll_back("zzz", first.version)
    hold_back(get_bundle("aaa"), is_held=True)
    assert default_models() == ["imagenet", "zzz", "aaa"]
    reread_settings(monkeypatch, LOUPE_BUILTIN="false")
    assert load().bundle.name == "zzz"
    hold_back(get_bundle("aaa"), is_held=False)
    assert load().bundle.name == "aaa"


def test_settings_choose_the_model(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny(models_dir, "mine")
    reread_settings(monkeypatch, LOUPE_MODEL="imagenet")
    assert default_model() == "imagenet"
    reread_settings(monkeypatch, LOUPE_MODEL="gone")
    with pytest.raises(BundleNotFound, match="gone"):
        load()


def test_model_that_fails_its_golden_test_is_skipped_with_a_line(
    models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    set_age(tiny(models_dir, "good"), 10)
    bad = tiny(models_dir, "bad", golden_change=lambda arrays: arrays["pixels"].fill(0))
    assert default_model() == "bad"
    with caplog.at_level(logging.WARNING, "loupe"):
        assert load().bundle.name == "good"
        assert load().bundle.name == "good"
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "The model 'bad' is skipped"
    ]
    assert default_model() == "good"
    # Once it is imported again, it is tried again.
    set_age(bad, -5)
    tiny(models_dir, "bad")
    assert load().bundle.name == "bad"


def test_error_of_a_default_model_keeps_no_photo_in_memory(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(models_dir, "bad")
    (models_dir / "bad" / "current").write_text("0123456789ab")
    reread_settings(monkeypatch, LOUPE_BUILTIN="false")
    photos = []

    def identify() -> str:
        photo = np.zeros(1)
        photos.append(weakref.ref(photo))
        with pytest.raises(BundleDamaged) as raised:
            load()
        return str(raised.value)

    assert len({identify() for _ in range(3)}) == 1
    gc.collect()
    assert not any(photo() is not None for photo in photos)


def test_built_in_models_can_be_hidden(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reread_settings(monkeypatch, LOUPE_BUILTIN="false")
    assert list_models() == {}
    assert default_model() is None
    with pytest.raises(BundleNotFound, match="Import one"):
        load()
    with pytest.raises(BundleNotFound):
        load("imagenet")
    tiny(models_dir, "mine")
    assert list(list_models()) == default_models() == ["mine"]


def test_models_deployed_with_the_app_are_the_owners(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tiny(tmp_path / "elsewhere", "mine")
    deployed = tmp_path / "bundles"
    deployed.mkdir()
    (deployed / "README.md").write_text("Models that are deployed.")
    bundle.folder.rename(deployed / "mine")
    reread_settings(monkeypatch, LOUPE_BUNDLES=str(deployed))
    assert default_models() == ["mine", "imagenet"]
    assert get_bundle("mine").folder == deployed / "mine"
    # One of the same name in the data folder takes its place, and can be rolled back.
    tiny(data_folder / "models", "mine", title="Newer")
    assert load().bundle.manifest.title == "Newer"
    assert {item.version for item in list_versions("mine")} == {
        bundle.version,
        get_bundle("mine").version,
    }
    assert roll_back("mine", bundle.version).version == load("mine").bundle.version


def test_weights_may_be_left_out(models_dir: Path) -> None:
    whole = tiny(models_dir, "mine")
    edit(whole, engines=["compiled", "learner"])
    replace(whole, "weights.safetensors", b"not read here")
    whole = Bundle.open(whole.folder)
    assert "weights.safetensors" in whole.file_names
    size = whole.size
    (whole.folder / "weights.safetensors").unlink()
    bundle = Bundle.open(whole.folder)
    bundle.verify()
    assert bundle.version == whole.version
    assert bundle.size == size - len(b"not read here")
    assert "weights.safetensors" not in bundle.file_names
    assert available(bundle) == ("compiled",)
    with pytest.raises(EngineUnavailable, match=r"weights.safetensors, which was left out"):
        start(bundle, "learner")
    # Nothing else may be missing, and a broken link is damage.
    (bundle.folder / "weights.safetensors").symlink_to("nowhere")
    with pytest.raises(BundleDamaged):
        Bundle.open(bundle.folder)


def test_learner_is_refused_where_memory_is_small(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = get_bundle("imagenet")
    reread_settings(monkeypatch, LOUPE_MEMORY_MB="690")
    assert available(bundle) == ("compiled",)
    assert "needs 1,024 MB of memory and this app may use 690 MB" in why_unavailable(
        bundle, "learner"
    )
    with pytest.raises(EngineUnavailable, match="LOUPE_MEMORY_MB"):
        load("imagenet", "learner")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the engines that were started."""
    names: list[str] = []

    def note(bundle: Bundle, name: str) -> Engine:
        names.append(name)
        return start(bundle, name)

    monkeypatch.setattr(loading, "start", note)
    return names


def test_concurrent_loads_start_one_engine(tiny_bundle: Bundle, started: list[str]) -> None:
    barrier = threading.Barrier(16)

    def ask(_: int) -> Classifier:
        barrier.wait()
        return load("tiny")

    with ThreadPoolExecutor(16) as pool:
        loaded = list(pool.map(ask, range(16)))
    assert {*loaded, load("tiny", "compiled")} == {loaded[0]}
    assert started == ["compiled"]


def test_previous_version_leaves_memory_with_all_its_engines(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two engines: a second name for the compiled one stands in for the learner's.
    monkeypatch.setitem(ENGINES, "learner", ENGINES["compiled"])
    edit(tiny_bundle, engines=["compiled", "learner"])
    previous = [weakref.ref(load("tiny", engine)) for engine in ("compiled", "learner")]
    newer = tiny(tiny_bundle.folder.parents[1], title="Newer")
    assert load("tiny").bundle.version == newer.version
    gc.collect()
    assert [classifier() for classifier in previous] == [None, None]
    assert load("tiny") is load("tiny")


def test_unknown_model_or_engine_raises(tiny_bundle: Bundle) -> None:
    with pytest.raises(BundleNotFound, match=r"No model named .dogs.. Available: tiny"):
        load("dogs")
    with pytest.raises(EngineUnavailable, match="has no engine 'learner'. Available: compiled"):
        load("tiny", "learner")
    with pytest.raises(EngineUnavailable, match="has no engine 'magic'"):
        load("tiny", "magic")


def test_loaded_model_is_returned_while_another_loads(tiny_bundle: Bundle) -> None:
    """Other sessions must not wait while one loads torch."""
    ready = load("tiny")
    with loading._lock:
        loaded: list[Classifier] = []
        visitor = threading.Thread(target=lambda: loaded.append(load("tiny")), daemon=True)
        visitor.start()
        visitor.join(timeout=5)
        assert loaded == [ready]
