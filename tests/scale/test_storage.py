"""Reading photos from archives, and versions from model stores, at all kinds of addresses."""

from pathlib import Path
from typing import Any

import pytest

from model import load
from model.errors import DataError, FolderExists
from model.model_store.follower import Follower
from model.model_store.publications import publish_version, republish
from model.settings import settings
from model.storage.addresses import StorageUnavailable, open_storage, storage_errors
from scale.archive_run import list_photos
from tests.model.tiny import tiny

from .conftest import PHOTOS, write_folder

REFUSED = """http://example.org/photos https://bucket.s3.amazonaws.com/photos file:///etc memory://x
s3:// s3:///photos s3://user:password@bucket/photos s3://bucket:9000/photos s3://bucket/../other
s3://bucket//photos s3://bucket/photos?versionId=1 s3://BUCKET/photos S3://bucket s3://bucket/a\0b
abfs://container@account.dfs.core.windows.net/photos simplecache::s3://bucket/photos gcs://bucket
zip://*.jpg::s3://bucket/photos.zip filecache::/photos s3:/bucket/photos s3:bucket S3:/bucket
file:/etc s3: http: https:/example.org"""


@pytest.mark.parametrize("address", REFUSED.split())
def test_address_of_anything_but_a_folder_or_bucket_is_refused(address: str) -> None:
    match = "can't be used as an address. Give a folder, or a bucket"
    with pytest.raises(DataError, match=match) as refusal:
        open_storage(address)
    assert "password" not in str(refusal.value)


def test_address_names_a_path() -> None:
    assert open_storage("s3://my.bucket-1/2026/hall 3").path == "my.bucket-1/2026/hall 3"
    assert open_storage("/photos/s3").path == "/photos/s3"


def test_photos_of_a_bucket_and_a_folder_are_the_same(s3: Any, bucket: str, tmp_path: Path) -> None:
    others = (".hidden.png", ".cache/red.png", "notes.txt", "hall/list.parquet")
    files = {**PHOTOS, **dict.fromkeys(others, b"other")}
    s3.pipe({f"{bucket}/{name}": data for name, data in files.items()})
    folder = write_folder(tmp_path / "archive", files)
    (folder / "link.jpg").symlink_to("/etc/hostname")
    (folder / "more").symlink_to(folder / "hall", target_is_directory=True)
    for address in (f"s3://{bucket}", str(folder)):
        photos = dict(list_photos(open_storage(address)))
        assert photos == {name: len(data) for name, data in PHOTOS.items()}
        below = dict(list_photos(open_storage(f"{address}/hall")))
        assert below == {name[5:]: size for name, size in photos.items() if name[:5] == "hall/"}


def test_folder_is_left_out_only_if_it_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files = open_storage(str(write_folder(tmp_path, {"hall/1/a.png": b"", "hall/b.png": b""})))
    failures, list_folder = iter((PermissionError("not allowed"), OSError("stale"))), files.fs.ls

    def fail(path: str, **options: Any) -> Any:
        if path.endswith("1"):
            raise next(failures)
        return list_folder(path, **options)

    monkeypatch.setattr(files.fs, "ls", fail)
    assert list(list_photos(files)) == [("hall/b.png", 0)]
    assert caplog.messages == ["Left out: not allowed"]
    with pytest.raises(OSError, match="stale"):
        list(list_photos(files))


def test_photos_below_a_folder_without_a_name_are_listed_once(s3: Any, bucket: str) -> None:
    for key in ("archive//a.png", "archive/b.png", "archive/hall/c.png"):
        s3.pipe_file(f"{bucket}/{key}", b"photo")
    names = [name for name, _ in list_photos(open_storage(f"s3://{bucket}/archive"))]
    assert len(names) == len(set(names)) == 3


def test_missing_prefix_is_named(s3: Any, bucket: str) -> None:
    address = f"s3://{bucket}/nothing"
    photos = list_photos(open_storage(address))
    with pytest.raises(StorageUnavailable, match="/nothing doesn't exist"), storage_errors(address):
        next(photos)


def test_missing_account_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StorageUnavailable, match=r"^abfs://container/photos can't be used: .*acco"):
        open_storage("abfs://container/photos")


def test_replica_takes_versions_from_a_bucket(
    s3: Any, bucket: str, tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_DATABASE", f"sqlite:///{tmp_path / 'records.sqlite'}")
    monkeypatch.setenv("LOUPE_STORE", f"s3://{bucket}/models")
    first, second = (tiny(tmp_path / "publisher", title=title) for title in ("First", "Second"))
    follower = Follower()
    for bundle in (first, second):
        publish_version(bundle)
        follower.compare()
        assert (follower.report(), load().bundle.version) == ([], bundle.version)
    republish("tiny", first.version)
    follower.compare()
    assert load().bundle.version == first.version
    names = {name.partition(f"{bucket}/")[2] for name in s3.find(bucket)}
    assert names == {
        f"models/tiny/{bundle.version}/{path.name}"
        for bundle in (first, second)
        for path in bundle.folder.iterdir()
    }
    graph = f"{bucket}/models/tiny/{second.version}/graph.onnx"
    s3.pipe(graph, s3.cat(graph)[:-1] + b"!")
    with pytest.raises(FolderExists, match="is another file and isn't replaced"):
        publish_version(second)
    monkeypatch.setenv("LOUPE_STORE", "s3://no-such-bucket/models")
    settings.cache_clear()
    with pytest.raises(StorageUnavailable, match="The specified bucket does not exist. Check"):
        publish_version(first)
