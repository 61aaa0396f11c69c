"""Addresses of archives, and the photos that are found there."""

from pathlib import Path

import pytest

from scale.storage import AddressRefused, StorageUnavailable, list_photos, open_storage, write_file

from .conftest import OTHERS, PHOTOS, Bucket, write_folder


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/photos",
        "https://bucket.s3.amazonaws.com/photos",
        "file:///etc",
        "memory://photos",
        "s3://",
        "s3:///photos",
        "s3://user:password@bucket/photos",
        "s3://bucket:9000/photos",
        "s3://bucket/../other",
        "s3://bucket//photos",
        "s3://bucket/photos?versionId=1",
        "s3://bucket/photos\n",
        "s3://BUCKET/photos",
        "S3://bucket/photos",
        "abfs://container@account.dfs.core.windows.net/photos",
        "simplecache::s3://bucket/photos",
        "zip://*.jpg::s3://bucket/photos.zip",
        "filecache::/photos",
    ],
)
def test_address_of_anything_but_a_folder_or_bucket_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused, match="can't be used as an address. Give a folder, or a"):
        open_storage(address)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("s3://bucket", "bucket"),
        ("s3://my.bucket-1/2026/hall 3", "my.bucket-1/2026/hall 3"),
        ("/photos/s3", "/photos/s3"),
    ],
)
def test_address_names_a_path(address: str, path: str) -> None:
    assert open_storage(address).path == path


def test_photos_of_a_bucket_and_a_folder_are_the_same(bucket: Bucket, tmp_path: Path) -> None:
    files = {**PHOTOS, **dict.fromkeys(OTHERS, b"other")}
    bucket.put(files)
    expected = sorted((name, len(data)) for name, data in PHOTOS.items())
    assert sorted(list_photos(open_storage(bucket.address))) == expected
    folder = write_folder(tmp_path / "archive", files)
    (folder / "link.jpg").symlink_to("/etc/hostname")
    (folder / "more").symlink_to(folder / "hall", target_is_directory=True)
    assert sorted(list_photos(open_storage(str(folder)))) == expected
    below = [name for name, _ in list_photos(open_storage(f"{bucket.address}/hall"))]
    assert sorted(below) == sorted(name[5:] for name in PHOTOS if name.startswith("hall/"))


def test_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    files = open_storage(str(tmp_path))
    write_file(files, "deep/part.parquet", b"1")
    with pytest.raises(TypeError):
        write_file(files, "deep/part.parquet", "no bytes")  # type: ignore[arg-type]
    assert [path.read_bytes() for path in (tmp_path / "deep").iterdir()] == [b"1"]


def test_missing_account_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StorageUnavailable, match=r"^abfs://container/photos can't be used: .*acco"):
        open_storage("abfs://container/photos")
