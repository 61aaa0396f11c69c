"""The page that measures a device, under its policy."""

import json
from typing import Any

import pytest

from model.browser.device_files import device_dir, index_json, model_json
from model.browser.page_files import PAGE_DIR, PAGE_FILES, POLICY, list_kept
from model.bundle.registry import get_bundle
from tests.device.site import PATIENCE_SECONDS, Site

pytestmark = pytest.mark.browser

# A module of the page, since the policy allows no inline scripts.
VISITOR = """
const $ = (selector) => document.querySelector(selector);
const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
const broken = [];
addEventListener("securitypolicyviolation", (event) => broken.push(event.violatedDirective));
while ($("#start").hidden) await pause();
const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
const before = loaded.filter((name) => /gz$|wasm$/.test(name));
const plan = $("#status").textContent;
$("#start").click();
while ($("#result").hidden && !$("#error").textContent) await pause();
const rows = [...$("tbody").rows].map(({ id, cells }) => [id, cells[1].textContent]);
const [line, error] = [$("#line").textContent, $("#error").textContent];
const body = JSON.stringify({ broken, before, plan, rows, line, error });
await fetch("/result", { method: "POST", body });
"""


@pytest.mark.parametrize(
    ("has_runtime", "loads"),
    [pytest.param(True, "12.7 MB", marks=pytest.mark.slow), (False, "4.6 MB")],
)
def test_device_is_measured(
    web: Site, has_runtime: bool, loads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = get_bundle("imagenet")
    info = model_json(bundle, "../../../runtime/")
    info["runtime"] = info["runtime"] if has_runtime else None
    described = {"index.json": index_json([bundle], "imagenet"), "imagenet/model.json": info}
    files = {f"/device/models/{name}": json.dumps(value) for name, value in described.items()}
    page = (PAGE_DIR / "bench.html").read_text("utf-8")
    files["/device/bench.html"] = f'{page}<script type="module" src="visitor.mjs"></script>'
    files["/device/visitor.mjs"] = VISITOR
    monkeypatch.setitem(web.folders, "/device/models/imagenet/", device_dir(bundle))
    monkeypatch.setitem(web.headers, "Content-Security-Policy", POLICY)
    changed = {name: text.encode() for name, text in files.items()}
    with web.changed(changed), web.chromium().open(f"{web.url}/device/bench.html?seconds=1"):
        seen: dict[str, Any] = web.results.get(timeout=PATIENCE_SECONDS)
    assert (seen["broken"], seen["before"], seen["error"]) == ([], [], "")
    assert seen["plan"].startswith(f"Start loads {loads} ")
    rows = dict(seen["rows"])
    assert list(rows) == ["plain", "relaxed", "onnxruntime", "decode", "resize", "frame"]
    assert seen["line"].startswith(f"loupe-bench 1 | plain {rows['plain']} | relaxed ")
    assert f" | imagenet {bundle.version} small | " in seen["line"]
    if not has_runtime:
        assert rows.pop("onnxruntime") == "This app hasn’t fetched it."
    assert all(0 < float(text.removesuffix(" ms")) < 9000 for text in rows.values())
    assert not [path for path in list_kept(PAGE_FILES) if "bench" in path]
