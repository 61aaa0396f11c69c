"""Mistake photos: shown if the owner set a folder, never from outside it."""

import os
from pathlib import Path

import pytest

from model.errors import MissingPhoto, PhotoError, UnsupportedFormat
from model.settings import settings
from tests.photos import drawn, encoded
from ui.models_page.mistake_photos import mistake_photo


@pytest.fixture
def photos(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos, beside a private one."""
    folder = tmp_path / "held"
    (folder / "clothing" / "shirt").mkdir(parents=True)
    (folder / "hat").mkdir()
    (folder / "clothing" / "shirt" / "a.jpg").write_bytes(encoded(drawn(60, 40)))
    (folder / "hat" / "b.jpg").write_bytes(encoded(drawn(40, 60)))
    (folder / "notes.txt").write_text("no photo")
    (tmp_path / "secret.jpg").write_bytes(encoded(drawn(64, 64)))
    (tmp_path / "held-too").mkdir()
    (tmp_path / "held-too" / "secret.jpg").write_bytes(encoded(drawn(64, 64)))
    monkeypatch.setenv("LOUPE_PHOTOS", str(folder))
    settings.cache_clear()
    return folder


@pytest.mark.parametrize("value", [None, ""])
def test_no_photo_is_shown_without_a_folder(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("LOUPE_PHOTOS", value)
    settings.cache_clear()
    assert settings().photos is None
    assert mistake_photo("clothing", "shirt/a.jpg") is None


def test_photo_is_found_below_the_models_name_or_the_folder(photos: Path) -> None:
    for name, size in (("shirt/a.jpg", (60, 40)), ("hat/b.jpg", (40, 60))):
        photo = mistake_photo("clothing", name)
        assert photo is not None
        assert photo.size == size
    # The model's own folder comes first.
    (photos / "shirt").mkdir()
    (photos / "shirt" / "a.jpg").write_bytes(encoded(drawn(20, 20)))
    photo = mistake_photo("clothing", "shirt/a.jpg")
    assert photo is not None
    assert photo.size == (60, 40)


@pytest.mark.parametrize(
    "name",
    [
        "../secret.jpg",
        "../../secret.jpg",
        "shirt/../../../secret.jpg",
        "../held-too/secret.jpg",
        "../clothing/shirt/a.jpg",
        "{folder}/clothing/shirt/a.jpg",
        "{outside}/secret.jpg",
        "/etc/hostname",
        "~/secret.jpg",
        "file:///etc/hostname",
        "https://evil.example/a.jpg",
        "shirt",
        ".",
        "..",
        "/",
        "",
        "shirt/a.jpg/..",
        "shirt/a.jpg\0",
        "\0",
        "x" * 300,
        "a/" * 149,
        "..\\secret.jpg",
        "%2e%2e/secret.jpg",
        "．．/secret.jpg",
    ],
)
def test_name_cannot_leave_the_folder(photos: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingPhoto):
        mistake_photo("clothing", name.format(folder=photos, outside=tmp_path))


def test_link_cannot_leave_the_folder(photos: Path, tmp_path: Path) -> None:
    (photos / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (photos / "out").symlink_to(tmp_path)
    (photos / "round").symlink_to(photos / "round")
    (photos / "inside.jpg").symlink_to(photos / "hat" / "b.jpg")
    for name in ("out.jpg", "out/secret.jpg", "round", "round/a.jpg"):
        with pytest.raises(MissingPhoto):
            mistake_photo("clothing", name)
    assert mistake_photo("clothing", "inside.jpg") is not None


def test_linked_folder_of_a_model_is_not_followed(photos: Path, tmp_path: Path) -> None:
    (photos / "linked").symlink_to(tmp_path)
    with pytest.raises(MissingPhoto):
        mistake_photo("linked", "secret.jpg")


def test_pipe_is_not_opened(photos: Path) -> None:
    os.mkfifo(photos / "pipe.jpg")
    with pytest.raises(MissingPhoto):
        mistake_photo("clothing", "pipe.jpg")
    with pytest.raises(UnsupportedFormat):
        mistake_photo("clothing", "notes.txt")


def test_missing_folder_has_no_photos(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_PHOTOS", str(tmp_path / "gone"))
    settings.cache_clear()
    with pytest.raises(PhotoError):
        mistake_photo("clothing", "shirt/a.jpg")
