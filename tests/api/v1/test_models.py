"""``GET models``: the list, the description of a model, and its files."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from starlette.convertors import StringConvertor
from starlette.testclient import TestClient

from model import Bundle, list_models
from model.exporting.formats import export_models, keep_download
from tests.api.v1.test_identify import is_problem
from tests.model.tiny import tiny

URL = "/api/v1/models"


def test_list_leaves_out_damaged_models(api: TestClient, models_dir: Any) -> None:
    (tiny(models_dir, "broken").folder / "graph.onnx").write_bytes(b"short")
    summaries = api.get(URL).json()["models"]
    usable = [entry for entry in list_models().values() if isinstance(entry, Bundle)]
    assert [entry["name"] for entry in summaries] == [entry.name for entry in usable]
    assert "broken" not in [entry["name"] for entry in summaries]
    assert {entry["name"]: entry["labels"] for entry in summaries}["imagenet"] == 1000
    assert [entry["name"] for entry in summaries if entry["default"]] == ["tiny"]
    assert {entry["name"]: entry["calibrated"] for entry in summaries}["clothing"] is True


def test_model_response_has_the_complete_manifest(api: TestClient, tiny_bundle: Bundle) -> None:
    response = api.get(f"{URL}/tiny")
    description = response.json()
    assert description["version"] == tiny_bundle.version
    assert description["manifest"]["labels"] == list(tiny_bundle.labels)
    assert "files" not in description["manifest"]
    assert description["files"].keys() == tiny_bundle.manifest.files.keys()
    again = api.get(f"{URL}/tiny", headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for path in (URL, f"{URL}/tiny"):
        head = api.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == api.get(path).headers["content-length"]


def test_file_matches_its_hash_and_is_immutable(api: TestClient, tiny_bundle: Bundle) -> None:
    for name, file in api.get(f"{URL}/tiny").json()["files"].items():
        response = api.get(file["url"])
        assert response.status_code == 200
        assert hashlib.sha256(response.content).hexdigest() == file["sha256"]
        assert len(response.content) == file["bytes"]
        assert response.headers["etag"] == f'"{file["sha256"]}"'
        assert "immutable" in response.headers["cache-control"]
        assert response.headers["x-content-type-options"] == "nosniff"
        for tags in (response.headers["etag"], f'"other", W/{response.headers["etag"]}', "*"):
            again = api.get(file["url"], headers={"If-None-Match": tags})
            assert (again.status_code, again.content) == (304, b""), name
        changed = api.get(file["url"], headers={"If-None-Match": '"other"'})
        assert changed.status_code == 200
        part = api.get(file["url"], headers={"Range": "bytes=2-5"})
        assert (part.status_code, part.content) == (200, response.content)
        assert api.head(file["url"]).headers["content-length"] == str(file["bytes"])
    manifest = api.get(f"{URL}/tiny/{tiny_bundle.version}/bundle.json")
    assert hashlib.sha256(manifest.content).hexdigest().startswith(tiny_bundle.version)


def test_file_damaged_or_edited_later_is_not_served(api: TestClient, tiny_bundle: Bundle) -> None:
    url = api.get(f"{URL}/tiny").json()["files"]["graph.onnx"]["url"]
    assert api.get(url).status_code == 200
    file = tiny_bundle.folder / "graph.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    is_problem(api.get(url), 503, "bundle-damaged")
    manifest = tiny_bundle.folder / "bundle.json"
    manifest.write_text(manifest.read_text().replace("red", "rot", 1))
    is_problem(api.get(url), 404, "not-found")


def test_export_is_sent_once_its_owner_has_made_it(
    api: TestClient, tiny_bundle: Any, tmp_path: Path
) -> None:
    url = f"{URL}/tiny/{tiny_bundle.version}/tiny-onnx.zip"
    is_problem(api.get(url), 404, "not-found")
    export = export_models([tiny_bundle], "onnx", tmp_path / "out")
    path = keep_download(tiny_bundle, "onnx", tmp_path / "out", export.files)
    response = api.get(url)
    assert response.content == path.read_bytes()
    assert response.headers["cache-control"] == "no-cache"
    tag = response.headers["etag"]
    assert api.get(url, headers={"If-None-Match": tag}).status_code == 304
    keep_download(tiny_bundle, "onnx", tmp_path / "out", [*export.files][:1])
    assert api.get(url, headers={"If-None-Match": tag}).status_code == 200
    is_problem(api.get(f"{URL}/tiny/{tiny_bundle.version}/tiny-tflite.zip"), 404, "not-found")


def test_previous_version_keeps_its_url(api: TestClient, models_dir: Any, tiny_bundle: Any) -> None:
    before = api.get(f"{URL}/tiny").json()
    after = tiny(models_dir, "tiny", title="Another title").version
    assert api.get(f"{URL}/tiny").json()["version"] == after != before["version"]
    for file in before["files"].values():
        assert hashlib.sha256(api.get(file["url"]).content).hexdigest() == file["sha256"]


def test_downloads_can_be_switched_off(serve: Any, tiny_bundle: Any, tmp_path: Path) -> None:
    client = serve(LOUPE_MODEL="tiny", LOUPE_DOWNLOADS="false")
    export = export_models([tiny_bundle], "onnx", tmp_path / "out")
    keep_download(tiny_bundle, "onnx", tmp_path / "out", export.files)
    description = client.get(f"{URL}/tiny").json()
    assert {file["url"] for file in description["files"].values()} == {None}
    for name in [*description["files"], "tiny-onnx.zip"]:
        is_problem(client.get(f"{URL}/tiny/{description['version']}/{name}"), 404, "not-found")


NOT_SERVED = """
    tiny/{version}/nothing.onnx tiny/{version}/current tiny/000000000000/graph.onnx nobody tiny/
    imagenet/{version}/graph.onnx nobody/{version}/graph.onnx tiny//graph.onnx tiny/{version}/
"""


@pytest.mark.parametrize("pattern", ["[^/]+", "[^/]*"])
def test_only_files_of_the_manifest_are_served(
    serve: Any, tiny_bundle: Any, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # python-fasthtml, which fastai imports, changes the pattern to the second one.
    monkeypatch.setattr(StringConvertor, "regex", pattern)
    api = serve(LOUPE_MODEL="tiny")
    for path in ["", *NOT_SERVED.format(version=tiny_bundle.version).split()]:
        response = api.get(f"{URL}/{path}")
        assert response.status_code == 404, path
        assert response.headers["content-type"] == "application/problem+json"


def test_malformed_name_or_version_is_invalid(api: TestClient) -> None:
    for path in ("UPPER", "tiny/latest/graph.onnx", "tiny/ABCDEF012345/a.onnx"):
        is_problem(api.get(f"{URL}/{path}"), 422, "invalid")
