"""``python -m model identify ARCHIVE --out RESULTS``: rows, restarts, shards, failures."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from model import Bundle, PhotoError, load
from model.errors import DataError, FolderExists
from model.storage.addresses import StorageUnavailable
from scale import __main__ as command
from scale.archive_run import COLUMNS
from scale.trial_decoder import TrialDecoder
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
    assert f"{len(PHOTOS) - 3} answered, 3 couldn't be read, 0 not reached" in printed
    assert rows(f"{bucket}/out", s3) == [expected_row(*item) for item in sorted(PHOTOS.items())]
    assert f"{len(PHOTOS)} done earlier, 0 answered" in identify(*words)


def test_stopped_and_killed_run_continues_with_no_photo_twice_and_none_lost(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    folder, out = tmp_path / "archive", tmp_path / "out"
    names = [f"{number // 500}/{number}.png" for number in range(2000)]
    write_folder(folder, dict.fromkeys(names, encode("blue")))
    before: dict[Path, int] = {}
    for number, message in (
        (signal.SIGINT, "not reached.\nStopped. Run the same"),
        (signal.SIGKILL, ""),
    ):
        process = start(folder, "--out", out)
        wait_until(lambda: set(out.glob("part-*")) - before.keys(), 60)
        process.send_signal(number)
        assert message in process.communicate()[1]
        assert process.returncode == (130 if message else -number)
        before.update({path: path.stat().st_mtime_ns for path in out.glob("part-*")})
    assert 2 <= len(before) < 8
    printed = identify(folder, "--out", out)
    assert f"2,000 photos: {256 * len(before):,} done earlier" in printed
    assert [row["photo"] for row in rows(out)] == sorted(names)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_progress_tells_the_time_left(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(command, "REPORT_SECONDS", 0)
    names = [f"{number}.png" for number in range(300)]
    folder = write_folder(tmp_path / "archive", dict.fromkeys(names, encode("blue")))
    words = [str(folder), "--model", "tiny", "--out", str(tmp_path / "out")]
    printed = CliRunner().invoke(command.identify, words).output
    assert re.search(r"\n256 of 300 photos, 0:0\d:\d\d left\n", printed)


def test_shards_have_each_photo_once(tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder, out = write_folder(tmp_path / "archive", PHOTOS), tmp_path / "archive" / "out"
    shards = [start(folder, "--out", out, "--shard", f"{shard}/3") for shard in (1, 2, 3)]
    for process in shards:
        printed = process.communicate(timeout=100)[1]
        assert process.returncode in (0, 1), printed
    assert [row["photo"] for row in rows(out)] == sorted(PHOTOS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        *((("--shard", shard), "such as 3/16") for shard in ("0/4", "5/4", "a/b", "1", "")),
        *((("--ray", cluster), "a cluster's HOST:PORT") for cluster in ("os://local", "head", "")),
    ],
)
def test_unusable_shard_or_cluster_is_refused(words: tuple[str, str], message: str) -> None:
    reply = CliRunner().invoke(command.identify, ["photos", "--out", "labels", *words])
    assert reply.exit_code == 2
    assert message in reply.output


@pytest.mark.parametrize(
    "change",
    [{"archive": "/usr"}, {"shards": 3}, {"model": "imagenet"}, {"version": "0"}, {"top": 3}],
    ids=str,
)
def test_results_of_two_jobs_are_not_mixed(
    tiny_bundle: Bundle, tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = write_folder(tmp_path / "archive", {"a.png": encode("red")})
    run_in(folder, tiny_bundle, shards=2)
    with pytest.raises(FolderExists, match="out has results of another job"):
        run_in(folder, tiny_bundle, **{"shards": 2, "shard": 2} | change)
    run_in(folder, tiny_bundle, shards=2, shard=2)


def test_unreadable_results_stop_the_run_instead_of_listing_again(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("Stale file handle")

    folder = write_folder(tmp_path / "archive", {"a.png": encode("red")})
    monkeypatch.setattr(run_in(folder, tiny_bundle).results.fs, "info", fail)
    with pytest.raises(StorageUnavailable, match="out can't be used: Stale"):
        run_in(folder, tiny_bundle)


def test_address_without_photos_leaves_no_results(tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "archive", {"notes.txt": b""})
    with pytest.raises(DataError, match="There are no photos in"):
        run_in(folder, tiny_bundle)
    assert not (tmp_path / "out").exists()


def test_crashing_photo_becomes_an_error_row_on_the_third_run(
    tiny_bundle: Bundle, tmp_path: Path, crash_on_gifs: None
) -> None:
    photos = {"a.png": encode("red"), "b.gif": encode("red", "GIF"), "c.jpg": b"no photo"}
    folder, out = write_folder(tmp_path / "archive", photos), tmp_path / "out"
    for code in (-signal.SIGSEGV, -signal.SIGSEGV, 1):
        identify(folder, "--out", out, codes=(code,))
    codes = {row["photo"]: row["error"] and row["error"]["code"] for row in rows(out)}
    assert codes == {"a.png": None, "b.gif": "damaged", "c.jpg": "unsupported-format"}


def test_decoder_that_hangs_counts_as_one_that_crashes() -> None:
    photo, decoder = encode("red"), TrialDecoder(8)
    assert not decoder.crashes(photo)
    hanging, decoder.seconds = decoder.process, 0.1
    assert hanging.pid is not None
    os.kill(hanging.pid, signal.SIGSTOP)
    assert decoder.crashes(photo)
    assert not hanging.is_alive()
    # The next photo gets a process of its own.
    decoder.seconds = 60
    assert not decoder.crashes(photo)


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

    def fail_too(*_: object, **__: object) -> None:
        raise OSError("Bad Request")

    folder = write_folder(tmp_path / "archive", {"a.png": encode("red")})
    run = run_in(folder, tiny_bundle)
    monkeypatch.setattr(run.archive, "cat_file", fail)
    if not is_archive_gone:
        assert list(run.identify(load("tiny"), run.parts)) == [(1, 1)]
        return
    monkeypatch.setattr(run.archive, "info", fail_too)
    with pytest.raises(StorageUnavailable, match="archive can't be used: The token has expired"):
        list(run.identify(load("tiny"), run.parts))
    assert run_in(folder, tiny_bundle).parts == [0]


def test_multi_label_answers_are_lists(models_dir: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "archive", {"a.png": encode("red")})
    run = run_in(folder, tiny(models_dir, "tiny", multilabel=True))
    assert list(run.identify(load("tiny"), run.parts)) == [(1, 0)]
    assert rows(tmp_path / "out")[0]["answer"] == load("tiny").identify(folder / "a.png").answer
