"""``/device/``: what a browser loads to run models itself, with the real npm."""

import gzip
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest

from api import device
from model.browser import cache
from model.browser.cache import cached_folder
from model.browser.device_files import device_dir
from model.browser.page_files import PAGE_DIR, PAGE_FILES, list_kept
from model.browser.runtime import RUNTIME
from model.bundle import get_bundle, read_samples, registry
from model.samples import samples
from tests.browser.server import Server, serving
from tests.conftest import _forget
from tests.model.tiny import tiny
from tests.waiting import wait_until

MEGABYTE = 1_000_000
PREFIX = "some/prefix/~/+"


@pytest.fixture(scope="module")
def image_dir(built_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the build of an image makes, with the runtime and a model's files."""
    folder = tmp_path_factory.mktemp("image")
    shutil.copytree(built_dir / RUNTIME, folder / "derived" / RUNTIME)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOUPE_DATA", str(folder))
        _forget()
        device_dir(get_bundle("imagenet"))
    _forget()
    return folder / "derived"


@pytest.fixture
def client(serve: Any, image_dir: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The routes of an image with the model of colours."""
    monkeypatch.setattr(cache, "BUILT_DIR", image_dir)
    tiny(models_dir)
    return serve(LOUPE_MODEL="tiny")


@pytest.fixture(scope="module")
def server(image_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app as people start it, below a path, with an image's files in its data folder."""
    folder = tmp_path_factory.mktemp("device")
    shutil.copytree(image_dir, folder / "data" / "derived")
    with serving(folder, prefix=PREFIX) as running:
        yield running


@pytest.fixture
def browser_client(server: Server) -> Iterator[httpx2.Client]:
    """A client that accepts compressed responses."""
    with httpx2.Client(
        base_url=server.url, headers={"Accept-Encoding": "gzip"}, timeout=120
    ) as client:
        yield client


def files_of(client: Any, name: str, graph: str = "small") -> dict[str, Any]:
    """Return the responses to all that a first visit loads for a model, by URL."""
    base = f"/device/models/{name}/"
    # Its files may still be being made.
    files = [f"{base}full.json"] if graph == "full" else []
    for file in (*files, f"{base}model.json"):
        wait_until(partial(_is_made, client, file), 100)
    described = client.get(f"{base}model.json")
    info = described.json()
    entry, runtime = info["graphs"][graph], info["runtime"]
    network = entry.get("network")
    engine = (network["url"],) if network else (runtime["module"], runtime["wasm"], entry["url"])
    relative = (*engine, entry["golden"]["url"])
    urls = [urljoin(base, url) for url in relative]
    page = [f"/device/{file}" for file in PAGE_FILES]
    responses = {url: client.get(url) for url in ["/device/models/", *page, *urls]}
    return {f"{base}model.json": described, **responses}


def _is_made(client: Any, address: str) -> bool:
    return bool(client.get(address).status_code == 200)


def test_files_have_their_caching_media_type_and_policy(client: Any) -> None:
    """Files named by a hash are cached for ever, others are revalidated."""
    types = {".mjs": "text/javascript", ".js": "text/javascript", ".gz": "application/octet-stream"}
    hashed = re.compile(r"/[0-9a-f]{16}\.(mjs|(network|onnx|golden|wasm)\.gz)$")
    # One that needs onnxruntime-web, and one that the kernels run.
    responses = files_of(client, "tiny", "full") | files_of(client, "imagenet")
    info = responses["/device/models/tiny/model.json"].json()
    packed = [(info["runtime"]["wasm"], info["runtime"])]
    for graph in info["graphs"].values():
        packed += [(graph["url"], graph), (graph["golden"]["url"], graph["golden"])]
    for relative, expected in packed:
        content = client.get(urljoin("/device/models/tiny/", relative)).content
        assert len(content) == expected["bytes"]
        assert hashlib.sha256(gzip.decompress(content)).hexdigest() == expected["sha256"]
    assert sum(bool(hashed.search(url)) for url in responses) == 6
    for url, response in responses.items():
        assert response.status_code == 200, url
        expected = "immutable" if hashed.search(url) else "no-cache"
        assert expected in response.headers["cache-control"], url
        assert response.headers["x-content-type-options"] == "nosniff"
        tag = {"If-None-Match": response.headers["etag"]}
        assert client.get(url, headers=tag).status_code == 304, url
        if hashed.search(url):
            for bad in ("bytes=9-1", "bytes=-1", f"bytes={len(response.content)}-", "lines=1-"):
                assert client.get(url, headers={"Range": bad}).content == response.content
            rest = client.get(url, headers={"Range": "bytes=9-"})
            assert (rest.status_code, rest.content) == (206, response.content[9:])
        media_type = response.headers["content-type"].partition(";")[0]
        assert media_type == types.get(Path(url).suffix, media_type), url
        assert "content-encoding" not in response.headers
        policy = response.headers.get("content-security-policy", "")
        if media_type in ("text/javascript", "text/html"):
            assert "default-src 'self'; script-src 'self' 'wasm-unsafe-eval';" in policy
            assert "frame-ancestors *" in policy
            assert "unsafe-inline" not in policy


def test_full_graph_is_made_when_it_is_first_asked_for(client: Any, data_folder: Path) -> None:
    files_of(client, "tiny")
    assert client.get("/device/models/tiny/model.json").json()["graphs"]["full"] == {}
    assert not (data_folder / "derived" / "full").exists()
    files_of(client, "tiny", "full")
    entry = client.get("/device/models/tiny/full.json").json()
    assert entry == client.get("/device/models/tiny/model.json").json()["graphs"]["full"]
    assert client.get(f"/device/models/tiny/{entry['url']}").status_code == 200


@pytest.mark.parametrize(
    ("name", "megabytes"),
    [pytest.param("clothing", 3.8, marks=pytest.mark.slow), ("imagenet", 4.9)],
)
def test_first_visit_loads_few_bytes_and_all_from_the_app(
    browser_client: Any, name: str, megabytes: float
) -> None:
    responses = files_of(browser_client, name)
    # Teach's own files and the owner's are fetched when their pages are opened; the relaxed kernels
    # after the first answer; ONNX Runtime's module if a model needs it.
    others = ("/teach", "/owner/", "kernels-relaxed", "onnx_session", "/bench")
    visited = [one for url, one in responses.items() if not any(part in url for part in others)]
    sent = sum(response.num_bytes_downloaded for response in visited)
    assert sent < megabytes * MEGABYTE
    # The build for WebAssembly alone, and no address of another server.
    assert not [url for url in responses if "jsep" in url or "asyncify" in url]
    assert all(url.startswith("/device/") for url in responses)
    page = [
        responses[f"/device/{file}"].text for file, type_ in PAGE_FILES.items() if "text" in type_
    ]
    for text in page:
        assert not re.search(r"(from|import\(|fetch\(|src=|href=)\s*[\"'`](https?:)?//", text)


def test_every_file_of_the_page_is_served_and_nothing_else(client: Any) -> None:
    redirect = client.get("/device?model=tiny", follow_redirects=False)
    # Relative, since a proxy may add a prefix.
    assert (redirect.status_code, redirect.headers["location"]) == (307, "device/?model=tiny")
    names = {path.name for path in PAGE_DIR.iterdir()}
    tools = {"package.json", "package-lock.json", "tsconfig.json", "tsconfig.worker.json"}
    folders = {"engine", "first", "kernels", "owner", "teach", "view", "visit"}
    assert names - PAGE_FILES.keys() <= folders | tools | {"types.d.ts"}
    for name, media_type in PAGE_FILES.items():
        response = client.get(f"/device/{name}")
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == media_type
    kept = client.get("/device/files.json")
    assert "no-cache" in kept.headers["cache-control"]
    assert kept.json() == list_kept(PAGE_FILES)
    outside = ("package.json", "package-lock.json", "..", "%2e%2e", "engine/%2e%2e/package.json")
    for name in (*outside, "engine", "app.mjs/", ".app.mjs", "app.mjs~"):
        assert client.get(f"/device/{name}").status_code == 404, name


def test_models_and_their_samples_are_listed_and_sent(client: Any) -> None:
    models = {model["name"]: model for model in client.get("/device/models/").json()["models"]}
    assert models.keys() == {"tiny", "clothing", "imagenet"}
    assert [name for name, model in models.items() if model["default"]] == ["tiny"]
    assert models["clothing"]["title"]
    listed = {name: model["samples"] for name, model in models.items()}
    assert listed["tiny"] == []
    assert [entry["title"] for entry in listed["imagenet"]] == ["Coffee", "Cat", "Cameraman"]
    for entry, sample in zip(listed["clothing"], read_samples(get_bundle("clothing")), strict=True):
        assert entry["alt"] == sample.entry.alt
        for url, data in ((entry["url"], sample.photo), (entry["thumbnail"], sample.thumbnail)):
            response = client.get(urljoin("/device/", url))
            assert response.headers["content-type"] == "image/jpeg"
            assert response.headers["x-content-type-options"] == "nosniff"
            assert "immutable" in response.headers["cache-control"]
            assert response.content == data
            known = {"If-None-Match": response.headers["etag"]}
            assert client.get(urljoin("/device/", url), headers=known).status_code == 304
    first = listed["clothing"][0]["url"]
    for url in (first.replace("clothing", "tiny"), first.replace("clothing", "%2e%2e")):
        assert client.get(urljoin("/device/", url)).status_code == 404
    for file in ("sample-1.jpg", "samples.json", "..%2fsample-1.jpg"):
        assert client.get(f"/device/models/clothing/samples/{file}").status_code == 404


NOWHERE = """
    nothing %2e%2e/%2e%2e/pyproject.toml ..%2fpyproject.toml %0a %00 models/nothing/model.json
    models/%2e%2e/model.json models/%00/model.json models/%2e%2e/0123456789abcdef.onnx.gz
    models/*/0123456789abcdef.onnx.gz models/tiny/0123456789abcdef.onnx.gz models/tiny/graph.onnx
    models/tiny/*.onnx.gz models/tiny/..%2fmodel.json models/tiny models/tiny/model.json/
    runtime/runtime.json runtime/0123456789abcdef.wasm.gz runtime/ runtime
"""


def test_other_paths_do_not_exist(client: Any) -> None:
    for path in [*NOWHERE.split(), f"models/{'x' * 5000}/model.json"]:
        response = client.get(f"/device/{path}")
        assert response.status_code == 404, path
        assert response.headers["content-type"] == "application/problem+json"
        assert len(response.content) < 300


def test_without_downloads_only_builtin_models_are_sent(
    client: Any, serve: Any, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "BUILTIN_DIR", tmp_path / "library")
    tiny(tmp_path / "library", "comes_along")
    tiny(tmp_path / "library", "replaced")
    # The owner's model of that name is another one.
    tiny(models_dir, "replaced", sharpness=9.0)
    expected = dict[str, int]()
    for name, status in (("comes_along", 200), ("tiny", 404), ("replaced", 404)):
        files = {url for graph in ("small", "full") for url in files_of(client, name, graph)}
        urls = [url for url in files if f"/models/{name}/" in url]
        bundle = get_bundle(name)
        urls += [f"/api/v1/models/{name}/{bundle.version}/{file}" for file in bundle.file_names]
        expected |= dict.fromkeys(urls, status)
    assert {client.get(url).status_code for url in expected} == {200}
    first = client.get("/device/")
    closed = serve(LOUPE_DOWNLOADS="false", LOUPE_MODEL="tiny")
    assert {url: closed.get(url).status_code for url in expected} == expected
    index = closed.get("/device/models/").json()
    assert [model["name"] for model in index["models"]] == ["comes_along"]
    assert index["note"] == device.KEPT
    assert closed.get("/device/").text == first.text
    # Then without any.
    closed = serve(LOUPE_BUILTIN="false")
    assert {closed.get(url).status_code for url in expected} == {404}
    assert closed.get("/device/models/").json()["detail"] == device.OFF
    page = closed.get("/device/")
    assert page.status_code == 200
    assert device.OFF in page.text
    assert page.headers["content-security-policy"] == device.HEADER
    assert page.text == closed.get("/device/index.html").text


def test_previous_version_is_still_sent_and_older_ones_are_removed(
    client: Any, data_folder: Path
) -> None:
    files = [f"{number:016x}.onnx.gz" for number in range(3)]
    for number, name in enumerate(files):

        def make(folder: Path, name: str = name) -> None:
            (folder / name).touch()

        os.utime(cached_folder(f"models/tiny/{number}", make), (number, number))
    statuses = [client.get(f"/device/models/tiny/{name}").status_code for name in files]
    assert statuses == [404, 200, 200]
    assert len(list((data_folder / "derived/models/tiny").iterdir())) == 2


def test_unwritable_data_folder_and_damaged_model_are_503(
    client: Any, data_folder: Path, models_dir: Path, caplog: Any
) -> None:
    # A file in the folder's place: root ignores the mode of a read-only folder.
    (data_folder / "derived").touch()
    response = client.get("/device/models/tiny/model.json")
    assert (response.status_code, response.json()["code"]) == (503, "engine-unavailable")
    assert str(data_folder) in caplog.text
    assert str(data_folder) not in response.text
    (tiny(models_dir, "mine").folder / "bundle.json").write_text("{")
    response = client.get("/device/models/mine/model.json")
    assert (response.status_code, response.json()["code"]) == (503, "bundle-damaged")
    assert "mine" not in {m["name"] for m in client.get("/device/models/").json()["models"]}


def test_streamlits_server_sends_the_files_below_its_base_path(
    server: Server, browser_client: Any
) -> None:
    for url, response in files_of(browser_client, "imagenet").items():
        assert response.status_code == 200, url
        # Text is compressed, and what is compressed already isn't compressed again.
        if url.endswith((".gz", ".png")):
            assert "content-encoding" not in response.headers, url
        elif len(response.content) > 1000:
            assert response.headers["content-encoding"] == "gzip", url
    for path in ("/device/nothing", "/api/nothing"):
        assert browser_client.get(path).status_code == 404
    # Hosts check health at the root.
    for base in (server.url, server.url.removesuffix(f"/{PREFIX}")):
        assert browser_client.get(f"{base}/api/ready").json()["status"] == "ready"
        identified = browser_client.post(f"{base}/api/v1/identify", content=samples()[0].read())
        assert identified.status_code == 200
        # The documentation asks for the schema where it is itself.
        schema = f"{urlsplit(base).path}/api/v1/openapi.json'"
        assert f"'{schema}" in browser_client.get(f"{base}/api/v1/docs").text
        script = browser_client.get(f"{base}/device/loupe.mjs")
        assert script.headers["content-type"].startswith("text/javascript")
    assert not server.tracebacks()
