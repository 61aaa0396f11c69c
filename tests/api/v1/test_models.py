"""``GET models``: what there is, what it says of itself, and its files."""

import hashlib
from typing import Any

import pytest
from starlette.convertors import StringConvertor
from starlette.testclient import TestClient

from model import Bundle, list_models
from tests.api.v1.test_identify import is_problem
from tests.model.tiny import tiny

URL = "/api/v1/models"


def test_the_list_is_the_library_without_what_is_damaged(api: TestClient, shelf: Any) -> None:
    (tiny(shelf, "broken").folder / "graph.onnx").write_bytes(b"short")
    found = api.get(URL).json()["models"]
    usable = [one for one in list_models().values() if isinstance(one, Bundle)]
    assert [one["name"] for one in found] == [one.name for one in usable]
    assert "broken" not in [one["name"] for one in found]
    assert {one["name"]: one["labels"] for one in found}["imagenet"] == 1000
    assert [one["name"] for one in found if one["default"]] == ["tiny"]
    assert {one["name"]: one["calibrated"] for one in found}["clothing"] is True


def test_a_model_says_all_that_its_bundle_says(api: TestClient, tiny_bundle: Bundle) -> None:
    answer = api.get(f"{URL}/tiny")
    said = answer.json()
    assert said["version"] == tiny_bundle.version
    assert said["manifest"]["labels"] == list(tiny_bundle.labels)
    assert "files" not in said["manifest"]
    assert said["files"].keys() == tiny_bundle.manifest.files.keys()
    again = api.get(f"{URL}/tiny", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_file_is_as_hashed_and_may_be_kept_for_ever(api: TestClient, tiny_bundle: Bundle) -> None:
    for name, file in api.get(f"{URL}/tiny").json()["files"].items():
        answer = api.get(file["url"])
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
        assert len(answer.content) == file["bytes"]
        assert answer.headers["etag"] == f'"{file["sha256"]}"'
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        for tags in (answer.headers["etag"], f'"other", W/{answer.headers["etag"]}', "*"):
            again = api.get(file["url"], headers={"If-None-Match": tags})
            assert (again.status_code, again.content) == (304, b""), name
        changed = api.get(file["url"], headers={"If-None-Match": '"other"'})
        assert changed.status_code == 200
        part = api.get(file["url"], headers={"Range": "bytes=2-5"})
        assert (part.status_code, part.content) == (206, answer.content[2:6])
        assert api.head(file["url"]).headers["content-length"] == str(file["bytes"])
    manifest = api.get(f"{URL}/tiny/{tiny_bundle.version}/bundle.json")
    assert hashlib.sha256(manifest.content).hexdigest().startswith(tiny_bundle.version)


def test_a_file_that_was_damaged_since_is_not_handed_out(
    api: TestClient, tiny_bundle: Bundle
) -> None:
    url = api.get(f"{URL}/tiny").json()["files"]["graph.onnx"]["url"]
    assert api.get(url).status_code == 200
    file = tiny_bundle.folder / "graph.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    is_problem(api.get(url), 503, "bundle-damaged")


def test_the_tag_of_a_model_changes_with_all_that_is_said(serve: Any, tiny_bundle: Any) -> None:
    found = set()
    for asked in ({}, {"LOUPE_DOWNLOADS": "false"}, {"LOUPE_MODEL": "imagenet"}):
        client = serve(**{"LOUPE_MODEL": "tiny", "LOUPE_DOWNLOADS": "true", **asked})
        found.add(client.get(f"{URL}/tiny").headers["etag"])
    assert len(found) == 3


def test_what_can_be_got_has_a_head(api: TestClient) -> None:
    for path in (URL, f"{URL}/tiny"):
        got, head = api.get(path), api.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
        assert head.headers.get("etag") == got.headers.get("etag")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("bytes=0-0", 206),
        ("bytes=-1", 206),
        ("bytes=5-", 206),
        ("bytes=0-1,4-5", 206),
        # What says nothing is left out.
        ("lines=1-2", 200),
        ("bytes=5-2", 200),
        ("bytes=", 200),
        ("bytes=-", 200),
        ("bytes=a-b", 200),
        ("bytes=" + "1" * 40 + "-", 200),
        ("bytes=" + ",".join(["0-0"] * 17), 200),
        ("bytes=999999999-", 416),
        ("bytes=-0", 416),
    ],
)
def test_ranges(api: TestClient, said: str, status: int) -> None:
    file = api.get(f"{URL}/tiny").json()["files"]["graph.onnx"]
    answer = api.get(file["url"], headers={"Range": said})
    assert answer.status_code == status, answer.text[:200]
    if status == 416:
        is_problem(answer, 416, "no-such-range")
        assert answer.headers["content-range"] == f"bytes */{file['bytes']}"
    if status == 200:
        assert len(answer.content) == file["bytes"]


def test_a_former_version_keeps_its_address(api: TestClient, shelf: Any, tiny_bundle: Any) -> None:
    before = api.get(f"{URL}/tiny").json()
    after = tiny(shelf, "tiny", title="Another title").version
    assert api.get(f"{URL}/tiny").json()["version"] == after != before["version"]
    for file in before["files"].values():
        assert hashlib.sha256(api.get(file["url"]).content).hexdigest() == file["sha256"]


def test_files_are_kept_back_where_the_owner_says_so(serve: Any, tiny_bundle: Any) -> None:
    client = serve(LOUPE_MODEL="tiny", LOUPE_DOWNLOADS="false")
    said = client.get(f"{URL}/tiny").json()
    assert {file["url"] for file in said["files"].values()} == {None}
    for name in said["files"]:
        is_problem(client.get(f"{URL}/tiny/{said['version']}/{name}"), 404, "not-found")


@pytest.mark.parametrize(
    "path",
    [
        "tiny/{version}/nothing.onnx",
        "tiny/{version}/current",
        "tiny/000000000000/graph.onnx",
        "imagenet/{version}/graph.onnx",
        "nobody",
        "",
        "tiny/",
        "nobody/{version}/graph.onnx",
        "tiny//graph.onnx",
        "tiny/{version}/",
    ],
)
@pytest.mark.parametrize("pattern", ["[^/]+", "[^/]*"])
def test_only_what_a_bundle_vouches_for_is_there(
    serve: Any, tiny_bundle: Any, path: str, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second is what python-fasthtml makes of it, which fastai imports.
    monkeypatch.setattr(StringConvertor, "regex", pattern)
    api = serve(LOUPE_MODEL="tiny")
    answer = api.get(f"{URL}/{path.format(version=tiny_bundle.version)}")
    assert answer.status_code == 404, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["UPPER", "tiny/latest/graph.onnx", "tiny/ABCDEF012345/a.onnx"])
def test_what_is_no_name_or_version_is_invalid(api: TestClient, path: str) -> None:
    is_problem(api.get(f"{URL}/{path}"), 422, "invalid")


def test_a_bundle_that_was_edited_in_place_is_not_handed_out(
    api: TestClient, tiny_bundle: Any
) -> None:
    manifest = tiny_bundle.folder / "bundle.json"
    manifest.write_text(manifest.read_text().replace("red", "rot", 1))
    is_problem(api.get(f"{URL}/tiny/{tiny_bundle.version}/graph.onnx"), 404, "not-found")
