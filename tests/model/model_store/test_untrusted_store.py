"""A store, table or route that others have changed: replicas take nothing that wasn't published."""

import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from model import Bundle, load
from model.errors import DataError, FolderExists
from model.model_store import publications
from model.model_store.publications import Publications, publish_version, republish
from model.settings import settings
from model.storage.addresses import StorageUnavailable
from model.storage.disk import hash_file
from tests.http_server import Handler, http_server
from tests.model.command import output_of
from tests.model.tiny import tiny

from .conftest import Replica


def change(file: str) -> Callable[[Path], object]:
    return lambda folder: (folder / file).write_bytes((folder / file).read_bytes()[:-1] + b" ")


def lengthen(file: str) -> Callable[[Path], object]:
    return lambda folder: os.truncate(folder / file, 10**12)


def replace_by(file: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def replace(folder: Path) -> None:
        (folder / file).rename(folder / "other")
        make(folder / file)

    return replace


def test_damaged_copy_is_replaced(replica: Replica, first: Bundle) -> None:
    publish_version(first)
    replica.compare()
    graph = replica.models / "tiny" / first.version / "graph.onnx"
    change(graph.name)(graph.parent)
    replica.restart()
    assert replica.compare() == []
    assert hashlib.sha256(graph.read_bytes()).hexdigest() == first.manifest.files[graph.name].sha256


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (change("graph.onnx"), "bundle-damaged"),
        (change("bundle.json"), "bundle-damaged"),
        (lengthen("graph.onnx"), "storage-unavailable"),
        (lengthen("bundle.json"), "storage-unavailable"),
        (replace_by("graph.onnx", lambda path: path.symlink_to("other")), "storage-unavailable"),
        (replace_by("bundle.json", getattr(os, "mkfifo", None)), "storage-unavailable"),
        (replace_by("golden.npz", lambda _: None), "storage-unavailable"),
        (shutil.rmtree, "storage-unavailable"),
    ],
)
def test_previous_version_stays_if_the_store_was_changed(
    replica: Replica,
    first: Bundle,
    second: Bundle,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[Path], object],
    code: str,
) -> None:
    publish_version(first)
    replica.compare()
    publish_version(second)
    harm(replica.store / "tiny" / second.version)
    for _ in range(3):
        assert replica.compare() == [{"code": code, "model": "tiny", "version": second.version}]
    assert len([line for line in caplog.messages if code in line]) == 1
    assert load().bundle.version == first.version
    assert replica.versions() == {first.version}
    assert [path.name for path in replica.models.iterdir()] == ["tiny"]
    republish("tiny", first.version)
    assert replica.compare() == []


def test_version_that_fails_its_golden_test_is_downloaded_once(
    replica: Replica, first: Bundle, second: Bundle, tmp_path: Path
) -> None:
    publish_version(first)
    replica.compare()
    wrong = tiny(tmp_path / "publisher", golden_change=lambda arrays: arrays["pixels"].fill(0))
    publish_version(wrong)
    problem = {"code": "golden-mismatch", "model": "tiny", "version": wrong.version}
    assert replica.compare() == [problem]
    assert load().bundle.version == first.version
    shutil.rmtree(replica.store)
    assert replica.compare() == [problem]
    publish_version(second)
    assert replica.compare() == []
    assert replica.versions() == {first.version, second.version}


ROWS = (
    {"name": "../tiny", "version": "0" * 12, "sha256": "0" * 64},
    {"name": "..", "version": "0" * 12, "sha256": "0" * 64},
    {"name": "t" * 10_000, "version": "0" * 12, "sha256": "0" * 64},
    {"name": "<script>", "version": "../../etc", "sha256": "0" * 64},
    {"name": "other", "version": "0" * 12, "sha256": "1" * 64},
    {"name": "another", "version": "0" * 12, "sha256": "0" * 64 + "\n"},
    {"name": "", "version": "", "sha256": ""},
    {"name": b"tiny", "version": b"0" * 12, "sha256": b"0" * 64},
)


def test_invalid_rows_are_refused_without_being_quoted(replica: Replica, first: Bundle) -> None:
    for row in ROWS:
        replica.insert(**row)
    publish_version(first)
    assert replica.compare() == len(ROWS) * [{"code": "data-refused"}]
    assert load().bundle.version == first.version
    assert [path.name for path in replica.models.iterdir()] == ["tiny"]


@pytest.mark.parametrize(
    "files",
    [
        {"large.bin": {"bytes": 2**31, "sha256": "0" * 64}},
        {f"file-{n}.bin": {"bytes": 1, "sha256": "0" * 64} for n in range(30)},
        {"bundle.json": {"bytes": 1, "sha256": "0" * 64}},
    ],
)
def test_published_manifest_with_absurd_files_is_refused(
    replica: Replica, first: Bundle, files: dict[str, object]
) -> None:
    manifest = json.loads((first.folder / "bundle.json").read_text())
    manifest["files"] |= files
    data = json.dumps(manifest).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    shutil.copytree(first.folder, replica.store / "tiny" / sha256[:12])
    (replica.store / "tiny" / sha256[:12] / "bundle.json").write_bytes(data)
    replica.insert(name="tiny", version=sha256[:12], sha256=sha256)
    assert [problem["code"] for problem in replica.compare()] == ["bundle-damaged"]
    assert list(replica.models.iterdir()) == []


def test_version_of_another_model_is_refused(replica: Replica, first: Bundle) -> None:
    publish_version(first)
    (replica.store / "tiny").rename(replica.store / "other")
    sha256 = hashlib.sha256((first.folder / "bundle.json").read_bytes()).hexdigest()
    replica.insert(name="other", version=first.version, sha256=sha256)
    codes = {problem["model"]: problem["code"] for problem in replica.compare()}
    assert codes == {"tiny": "storage-unavailable", "other": "bundle-damaged"}


@pytest.mark.parametrize("time", ["", "tomorrow", 7, b"\xff", "9999-12-31 23:59:59-23:00"])
def test_follower_skips_a_row_with_an_invalid_date(
    replica: Replica, first: Bundle, time: object
) -> None:
    publish_version(first)
    with sqlite3.connect(settings().database_url.removeprefix("sqlite:///")) as connection:
        # An earlier one of the same model, and the newest of another model.
        for number, name in ((0, "tiny"), (2, "other")):
            row = (number, name, first.version, hash_file(first.folder / "bundle.json"), time)
            connection.execute("insert into publications values (?, ?, ?, ?, ?)", row)
    assert replica.compare() == [{"code": "data-refused"}]
    assert load().bundle.version == first.version
    manifest = replica.models / "tiny" / first.version / "bundle.json"
    assert manifest.stat().st_mtime == pytest.approx(datetime.now(UTC).timestamp(), abs=3600)


def test_publishing_replaces_no_file(replica: Replica, first: Bundle) -> None:
    publish_version(first)
    publish_version(first)
    change("graph.onnx")(replica.store / "tiny" / first.version)
    with pytest.raises(FolderExists, match="graph.onnx in .* is another file and isn't replaced"):
        publish_version(first)


def test_malformed_bucket_address_is_not_taken_for_a_folder(
    replica: Replica, first: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    publish_version(first)
    monkeypatch.setenv("LOUPE_STORE", "s3:/museum/models")
    settings.cache_clear()
    with pytest.raises(DataError, match="s3:/museum/models can't be used as an address. Give a"):
        publish_version(first)
    assert [problem["code"] for problem in replica.compare()] == ["data-refused"]
    assert not Path("s3:").exists()


Respond = Callable[[Handler], None]


def redirect(request: Handler) -> None:
    if request.path == "/elsewhere":
        request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nwhat must not be read")
    else:
        request.wfile.write(b"HTTP/1.0 302 Found\r\nLocation: /elsewhere\r\n\r\n")


def never_end(request: Handler) -> None:
    request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        request.wfile.write(bytes(2**20))


def drip(request: Handler) -> None:
    request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        request.wfile.write(b"!")
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("respond", "message"),
    [
        (redirect, "answered 302 for .*without a redirect"),
        (never_end, "has more than 1,000 bytes, or took longer than 0.2 s"),
        (drip, "has more than 1,000 bytes, or took longer than 0.2 s"),
    ],
)
def test_hostile_route_is_refused(
    replica: Replica,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    respond: Respond,
    message: str,
) -> None:
    class Route(Handler):
        def do_GET(self) -> None:
            paths.append(self.path)
            with suppress(OSError):
                respond(self)

    paths: list[str] = []
    monkeypatch.setattr(publications, "FILE_SECONDS", 0.2)
    with http_server(Route) as address:
        monkeypatch.setenv("LOUPE_STORE", f"{address}/loupe")
        settings.cache_clear()
        with pytest.raises(StorageUnavailable, match=message):
            publications.copy_file("tiny/0/graph.onnx", tmp_path / "graph", 1000)
    assert paths == ["/loupe/api/v1/models/tiny/0/graph.onnx"]


def test_commands_publish_and_roll_back(replica: Replica, first: Bundle) -> None:
    one, two = tiny(replica.models, title="First"), tiny(replica.models, title="Two")
    assert "golden outputs match" in output_of("publish", "tiny", one.version)
    assert f"tiny {two.version} is published." in output_of("publish", "tiny")
    printed = output_of("rollback", "tiny", one.version)
    assert f"To undo: python -m model rollback tiny {two.version}" in printed
    (current,) = Publications(settings().database_url).list_current()
    assert current.sha256 == hash_file(first.folder / "bundle.json")
    rows = [line.split()[:-2] for line in output_of("published").splitlines()[1:]]
    assert rows == [["current", "tiny", one.version], ["tiny", two.version], ["tiny", one.version]]
    assert "no version 'x'" in output_of("publish", "tiny", "x", code=2)
    refusal = output_of("rollback", "tiny", "x", code=2)
    assert "tiny 'x' was never published. Published: " in refusal
    assert all(bundle.version in refusal for bundle in (one, two))


def test_command_publishes_nothing_that_fails_its_golden_test(replica: Replica) -> None:
    tiny(replica.models, golden_change=lambda arrays: arrays["pixels"].fill(0))
    assert "[golden-mismatch]" in output_of("publish", "tiny", code=2)
    assert Publications(settings().database_url).list_current() == []
