"""``python -m model identify ARCHIVE --out RESULTS``: rows, restarts, shards, failures."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model import Bundle, load
from model.settings import ROOT
from scale import archive_run
from scale.archive_run import ArchiveRun, Job
from scale.storage import StorageUnavailable
from tests.waiting import wait_until

from .conftest import PHOTOS, Bucket, encode, identify, rows, start, write_folder

REFUSED = {"empty.jpg": "empty", "text.jpg": "unsupported-format", "large.jpg": "too-large"}


def printed_rows(folder: Path) -> list[dict[str, Any]]:
    """Return what the command prints without --out, in the form of rows."""
    command = [sys.executable, "-m", "model", "identify", "--model", "tiny", "--json", str(folder)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False).stdout
    lines = [json.loads(line) for line in printed.splitlines()]
    for line in lines:
        line["photo"] = Path(line["photo"]).relative_to(folder).as_posix()
        line.pop("milliseconds", None)
    return sorted(lines, key=lambda line: line["photo"])


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without nulls, and of an error the code: the message may have the path."""
    error = {"error": row["error"]["code"]} if row.get("error") else {}
    return {name: value for name, value in row.items() if value is not None} | error


def test_bucket_gets_the_rows_that_the_command_prints_of_a_folder(
    bucket: Bucket, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    bucket.put({f"archive/{name}": data for name, data in PHOTOS.items()})
    printed = identify(f"{bucket.address}/archive/", "--out", f"{bucket.address}/out", code=1)
    count = len(PHOTOS)
    assert f"{count} photos: 0 done earlier, {count - 3} identified, 3 couldn't be read" in printed
    results = rows(bucket.read("out/"))
    assert {row["photo"]: row["error"]["code"] for row in results if row["error"]} == REFUSED
    printed_by_command = printed_rows(write_folder(tmp_path / "archive", PHOTOS))
    assert list(map(comparable, results)) == list(map(comparable, printed_by_command))
    assert len(results) == count
    printed = identify(f"{bucket.address}/archive", "--out", f"{bucket.address}/out")
    assert f"{count} photos: {count} done earlier, 0 identified" in printed


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
        identify(folder, "--out", out, "--shard", shard, code=None)
    assert [row["photo"] for row in rows(out)] == sorted(PHOTOS)
    for words in (("--shard", "1/4"), ()):
        assert "has something else: part-" in identify(folder, "--out", out, *words, code=2)
    assert "such as 3/16" in identify(folder, "--out", out, "--shard", "4/3", code=2)


def test_results_of_two_models_or_archives_are_not_mixed(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    folder, out = write_folder(tmp_path / "archive", {"a.png": encode("red")}), tmp_path / "out"
    identify(folder, "--out", out)
    for words in ((folder, "--model", "imagenet"), (folder, "--top", 3), (ROOT / "model",)):
        printed = identify(*words, "--out", out, code=2)
        assert "[folder-exists]" in printed
        assert len(rows(out)) == 1
    other = write_folder(tmp_path / "other", {"mine.txt": b""})
    assert "has something else: mine.txt" in identify(folder, "--out", other, code=2)
    (tmp_path / "none").mkdir()
    assert "There are no photos in" in identify(tmp_path / "none", "--out", tmp_path / "2", code=2)


@pytest.fixture
def run(tiny_bundle: Bundle, tmp_path: Path) -> ArchiveRun:
    """A run in this process over three photos, with one more that was removed since."""
    names = ["a.png", "b\n.png", os.fsdecode(b"\xff.png"), "removed.png"]
    folder = write_folder(tmp_path / "archive", dict.fromkeys(names, encode("red")))
    (folder / "c.png?versionId=1.png").write_bytes(encode("green"))
    job = Job(str(folder), str(tmp_path / "out"), 1, 1, "tiny", tiny_bundle.version, "compiled", 2)
    run = ArchiveRun(job)
    (folder / "removed.png").unlink()
    return run


def test_each_listed_photo_has_a_row(run: ArchiveRun) -> None:
    assert list(run.identify(load("tiny"), run.parts)) == [(5, 2)]
    results = {row["photo"]: row for row in rows(Path(run.job.results))}
    codes = {photo: row["error"] and row["error"]["code"] for photo, row in results.items()}
    assert codes == {
        "a.png": None,
        "b\n.png": None,
        "\\udcff.png": None,
        "c.png?versionId=1.png": "damaged",
        "removed.png": "missing",
    }
    assert ArchiveRun(run.job).parts == []


@pytest.mark.parametrize("is_archive_gone", [True, False])
def test_failed_archive_stops_the_run_but_an_unreadable_photo_does_not(
    run: ArchiveRun, monkeypatch: pytest.MonkeyPatch, *, is_archive_gone: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError("The token has expired")

    monkeypatch.setattr(run.archive, "cat_file", fail)
    if is_archive_gone:
        monkeypatch.setattr(run.archive, "info", fail)
        with pytest.raises(StorageUnavailable, match="archive can't be used: The token has exp"):
            list(run.identify(load("tiny"), run.parts))
        assert rows(Path(run.job.results)) == []
        assert ArchiveRun(run.job).parts == [0]
    else:
        assert list(run.identify(load("tiny"), run.parts)) == [(5, 5)]


def test_multi_label_answers_are_lists(models_dir: Path, tmp_path: Path) -> None:
    from tests.model.tiny import tiny

    bundle = tiny(models_dir, "tiny", multilabel=True)
    folder = write_folder(tmp_path / "archive", {"a.png": encode("red")})
    job = Job(str(folder), str(tmp_path / "out"), 1, 1, "tiny", bundle.version, "compiled", 2)
    run = ArchiveRun(job)
    assert list(run.identify(load("tiny"), run.parts)) == [(1, 0)]
    assert rows(tmp_path / "out")[0]["answer"] == load("tiny").identify(folder / "a.png").answer
    assert archive_run.COLUMNS["answer"] == archive_run.TEXT
