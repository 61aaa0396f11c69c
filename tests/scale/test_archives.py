"""``python -m model identify ARCHIVE --out RESULTS``: rows, restarts, shards, failures."""

import os
from pathlib import Path
from typing import Any

import pytest

from model import Bundle, PhotoError, load
from model.settings import ROOT
from scale.archive_run import COLUMNS
from scale.storage import StorageUnavailable
from tests.model.tiny import tiny
from tests.waiting import wait_until

from .conftest import PHOTOS, encode, identify, rows, run_in, start, write_folder


def expected_row(name: str, data: bytes) -> dict[str, Any]:
    try:
        row = load("tiny").identify(data).to_dict(name) | {"error": None}
    except PhotoError as error:
        problem = {"code": error.code, "message": str(error)}
        row = dict.fromkeys(COLUMNS) | {"photo": name, "error": problem}
    del row["milliseconds"]
    return row


def test_bucket_gets_the_answers_of_the_app(s3: Any, bucket: str, tiny_bundle: Bundle) -> None:
    s3.pipe({f"{bucket}/archive/{name}": data for name, data in PHOTOS.items()})
    words = (f"s3://{bucket}/archive/", "--out", f"s3://{bucket}/out")
    printed = identify(*words, codes=(1,))
    assert f"{len(PHOTOS) - 3} identified, 3 couldn't be read, 0 not reached" in printed
    assert rows(f"{bucket}/out", s3) == [expected_row(*item) for item in sorted(PHOTOS.items())]
    assert f"{len(PHOTOS)} done earlier, 0 identified" in identify(*words)


def test_killed_run_continues_with_no_photo_twice_and_none_lost(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    folder, out = tmp_path / "archive", tmp_path / "out"
    names = [f"{number // 500}/{number}.png" for number in range(1500)]
    write_folder(folder, dict.fromkeys(names, encode("blue")))
    process = start(folder, "--out", out)
    wait_until(lambda: list(out.glob("part-*")), 60)
    process.kill()
    process.communicate()
    before = {path: path.stat().st_mtime_ns for path in out.glob("part-*")}
    assert 0 < len(before) < 6
    printed = identify(folder, "--out", out)
    assert f"1,500 photos: {256 * len(before):,} done earlier" in printed
    assert [row["photo"] for row in rows(out)] == sorted(names)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_shards_have_each_photo_once(tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder, out = write_folder(tmp_path / "archive", PHOTOS), tmp_path / "out"
    for shard in ("1/3", "3/3", "2/3"):
        identify(folder, "--out", out, "--shard", shard, codes=(0, 1))
    assert [row["photo"] for row in rows(out)] == sorted(PHOTOS)
    for words in (("--shard", "1/4"), ()):
        assert "has something else: part-" in identify(folder, "--out", out, *words, codes=(2,))
    assert "such as 3/16" in identify(folder, "--out", out, "--shard", "4/3", codes=(2,))


def test_results_of_two_models_or_archives_are_not_mixed(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    folder, out = write_folder(tmp_path / "archive", {"a.png": encode("red")}), tmp_path / "out"
    identify(folder, "--out", out)
    for words in ((folder, "--model", "imagenet"), (folder, "--top", 3), (ROOT / "model",)):
        assert "[folder-exists]" in identify(*words, "--out", out, codes=(2,))
    assert len(rows(out)) == 1
    empty = write_folder(tmp_path / "empty", {"notes.txt": b""})
    assert "There are no photos in" in identify(empty, "--out", tmp_path / "new", codes=(2,))


def test_each_listed_photo_has_a_row_under_any_name(tiny_bundle: Bundle, tmp_path: Path) -> None:
    names = ["a.png", "b\n.png", os.fsdecode(b"\xff.png"), "a.png?versionId=1.png", "removed.png"]
    folder = write_folder(tmp_path / "archive", dict.fromkeys(names, encode("red")))
    run = run_in(folder, tiny_bundle)
    (folder / "removed.png").unlink()
    assert list(run.identify(load("tiny"), run.parts)) == [(5, 2)]
    results = {row["photo"]: row["error"] for row in rows(tmp_path / "out")}
    assert results.pop("a.png?versionId=1.png")["code"] == "damaged"
    assert results.pop("removed.png")["code"] == "missing"
    assert results == {"a.png": None, "b\n.png": None, "\\udcff.png": None}
    assert run_in(folder, tiny_bundle).parts == []


@pytest.mark.parametrize("is_archive_gone", [True, False])
def test_failed_archive_stops_the_run_but_an_unreadable_photo_does_not(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_archive_gone: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError("The token has expired")

    folder = write_folder(tmp_path / "archive", {"a.png": encode("red")})
    run = run_in(folder, tiny_bundle)
    monkeypatch.setattr(run.archive, "cat_file", fail)
    if not is_archive_gone:
        assert list(run.identify(load("tiny"), run.parts)) == [(1, 1)]
        return
    monkeypatch.setattr(run.archive, "info", fail)
    with pytest.raises(StorageUnavailable, match="archive can't be used: The token has expired"):
        list(run.identify(load("tiny"), run.parts))
    assert run_in(folder, tiny_bundle).parts == [0]


def test_multi_label_answers_are_lists(models_dir: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "archive", {"a.png": encode("red")})
    run = run_in(folder, tiny(models_dir, "tiny", multilabel=True))
    assert list(run.identify(load("tiny"), run.parts)) == [(1, 0)]
    assert rows(tmp_path / "out")[0]["answer"] == load("tiny").identify(folder / "a.png").answer
