"""A model store in a bucket."""

from pathlib import Path
from typing import Any

import pytest

from model import load
from model.errors import FolderExists
from model.model_store.follower import Follower
from model.model_store.publications import publish_version, republish
from model.settings import settings
from model.storage.addresses import StorageUnavailable
from tests.model.tiny import tiny


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
