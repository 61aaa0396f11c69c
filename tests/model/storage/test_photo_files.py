"""Tests of ``model.storage.photo_files``: photos in folders, and ordered work on many items."""

import itertools
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.storage.photo_files import list_photos, map_ordered
from tests.photos import drawn, encoded


def test_map_ordered_keeps_the_order_of_the_items() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number % 7 == 0 else 0)
        return number * number

    assert list(map_ordered(slow_first, range(60), threads=8)) == [n * n for n in range(60)]


def test_map_ordered_works_on_several_items_at_a_time() -> None:
    meeting = threading.Barrier(4, timeout=10)
    assert len(list(map_ordered(lambda _: meeting.wait(), range(4), threads=4))) == 4


def test_map_ordered_takes_items_as_they_are_needed() -> None:
    taken = itertools.count()
    endless = (next(taken) for _ in itertools.count())
    results = map_ordered(str, endless, threads=2)
    assert [next(results) for _ in range(5)] == list("01234")
    results.close()
    assert next(taken) <= 5 + 2 * 4 + 1


def test_closing_map_ordered_stops_pending_items() -> None:
    done: list[int] = []

    def work(number: int) -> int:
        time.sleep(0.02)
        done.append(number)
        return number

    results = map_ordered(work, range(1000), threads=2)
    assert next(results) == 0
    began = time.perf_counter()
    results.close()
    assert time.perf_counter() - began < 2
    assert len(done) < 20
    # Nothing is left that could work on.
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("photos")]


@pytest.mark.parametrize("where", ["work", "items"])
def test_map_ordered_raises_a_failure_and_stops(where: str) -> None:
    done: list[int] = []

    def work(number: int) -> int:
        if where == "work" and number == 3:
            raise RuntimeError("number 3")
        time.sleep(0.005)
        done.append(number)
        return number

    def items() -> Iterator[int]:
        yield from range(40)
        if where == "items":
            raise RuntimeError("number 3")
        yield from range(40, 500)

    found: list[int] = []
    results = map_ordered(work, items(), threads=2)
    with pytest.raises(RuntimeError, match="number 3"):
        found.extend(results)
    assert found == list(range(len(found)))
    assert len(done) < 60


def test_list_photos_sorts_by_name_and_skips_hidden_files(tmp_path: Path) -> None:
    photos = ["a.png", "b.JPG", "e.jpeg", "z.avif", "sub/c.heic", "sub/deep/d.webp"]
    others = [".hidden.jpg", "notes.txt", "jpg", ".cache/x.jpg", "page.svg", "raw.nef"]
    for name in photos + others:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [str(path.relative_to(tmp_path)) for path in list_photos(tmp_path)] == photos


def test_list_photos_follows_no_links_to_folders_and_opens_no_pipes(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    assert list_photos(tmp_path) == [tmp_path / "a.jpg"]
    assert list_photos(tmp_path / "missing") == []


def test_list_photos_looks_into_files_of_other_suffixes(tmp_path: Path) -> None:
    names = {"scan": "TIFF", "IMG_1": "JPEG", "windows.jfif": "JPEG", "upload.tmp": "PNG"}
    for name, form in names.items():
        (tmp_path / name).write_bytes(encoded(drawn(20, 20), form))
    (tmp_path / "camera.dng").write_bytes(encoded(drawn(20, 20), "TIFF"))
    (tmp_path / "notes").write_text("BMW, GIF and other words")
    (tmp_path / "empty").touch()
    assert {path.name for path in list_photos(tmp_path)} == set(names)
