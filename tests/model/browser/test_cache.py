"""``model.browser.cache``: folders are compared with their hashes, and made again if damaged."""

from pathlib import Path

import pytest

from model.browser import cache
from model.browser.cache import HASHES, cached_folder, find_file, find_folder, read_info

NAME = "kind/version"


def make(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "script.js").write_text("good")
    (folder / "info.json").write_text("{}")


@pytest.fixture
def folder(data_folder: Path) -> Path:
    return cached_folder(NAME, make)


def harm(folder: Path, file: str) -> None:
    """Overwrite a file, and forget, like another process, that the folder was compared."""
    (folder / file).write_text("x\n")
    cache._matches_hashes.cache_clear()


@pytest.mark.parametrize("file", ["sub/script.js", "info.json", HASHES])
def test_damaged_folder_is_made_again(
    folder: Path, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert find_folder(NAME) == folder
    harm(folder, file)
    assert find_folder(NAME) is None
    assert find_file("kind", "info.json") is None
    assert len(caplog.messages) == 1
    assert cached_folder(NAME, make) == find_folder(NAME) == folder
    assert (folder / "sub" / "script.js").read_text() == "good"
    assert find_file("kind", "info.json") == folder / "info.json"


def test_damaged_folder_of_an_image_is_made_again_in_the_data_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "BUILT_DIR", folder.parent.parent.rename(tmp_path / "built"))
    assert cached_folder(NAME, make) == tmp_path / "built" / NAME
    harm(tmp_path / "built" / NAME, "info.json")
    assert cached_folder(NAME, make) == find_folder(NAME) == folder


def test_folder_of_an_earlier_version_without_hashes_is_made_again(folder: Path) -> None:
    (folder / HASHES).unlink()
    harm(folder, "info.json")
    assert find_folder(NAME) is None
    assert read_info(cached_folder(NAME, make), "info.json") == {}


def test_information_that_is_damaged_later_is_made_again(folder: Path) -> None:
    assert find_folder(NAME) == folder
    (folder / "info.json").write_text("x\n")
    with pytest.raises(OSError, match="made again"):
        read_info(folder, "info.json")
    assert read_info(cached_folder(NAME, make), "info.json") == {}
