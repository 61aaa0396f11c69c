"""What *Teach* keeps when a disk is full or a tab is killed, and frees when it is cleared."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Error, FilePayload, Page, sync_playwright

from tests.device.site import Site
from tests.device.test_teach import FEATURES
from tests.device.test_teach_store import STORE
from tests.model.tiny import tiny
from tests.photos import encoded
from tests.tools import require_tool
from tests.waiting import wait_until

pytestmark = pytest.mark.browser

OPEN = f"""async () => {{
  {STORE}
  window.photoOf = photoOf;
  window.refusal = (work) => work.then(() => null, ({{code, message}}) => ({{code, message}}));
  window.store = await openStore({{prefix: "kept"}});
}}"""
READ = "store.read().then(({photos, ...rest}) => ({...rest, ids: photos.map(({id}) => id)}))"
OPEN_PROJECT = """async () => {
  const { noProject, TeachProject } = await import("/device/view/teach_project.mjs");
  window.state = noProject();
  const change = (changes) => Object.assign(state, changes);
  const options = { address: "/none/", prefix: "kept" };
  window.project = new TeachProject(state, change, options, new AbortController().signal);
  await project.opening;
}"""
RECORD = """async () => {
  for (let at = 0; ; at++) {
    await store.addPhoto(photoOf(at % 250, "mug", "a recording"));
    count();
  }
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = require_tool("chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(chromium: Browser, web: Site) -> Iterator[Page]:
    """An empty page of the site, in a browser that has kept nothing yet."""
    context = chromium.new_context()
    with web.changed({"/empty.html": b"<!doctype html><title>Empty</title>"}):
        page = context.new_page()
        page.goto(f"{web.url}/empty.html")
        yield page
    context.close()


def test_full_disk_leaves_the_project_as_it_was(page: Page, web: Site) -> None:
    tools = page.context.new_cdp_session(page)
    tools.send("Storage.overrideQuotaForOrigin", {"origin": web.url, "quotaSize": 300_000})
    page.evaluate(OPEN)
    add = """() => {
      const photo = new Blob([crypto.getRandomValues(new Uint8Array(60_000))]);
      return refusal(store.addPhoto({...photoOf(1, "mug"), photo}));
    }"""
    added = 0
    while (refused := page.evaluate(add)) is None:
        before = page.evaluate(READ)
        added += 1
    assert refused["code"] == "storage-full"
    assert refused["message"].startswith("This browser has no room left. Remove photos in Teach")
    assert len(before["ids"]) == added > 1
    page.reload()
    page.evaluate(OPEN)
    assert page.evaluate(READ) == before
    tools.send("Storage.overrideQuotaForOrigin", {"origin": web.url})
    assert page.evaluate(add) is None
    assert len(page.evaluate(READ)["ids"]) == added + 1


def test_persistence_is_known_before_a_photo_is_added(page: Page) -> None:
    for persisted in (True, False):
        page.evaluate(f"navigator.storage.persisted = async () => {json.dumps(persisted)}")
        page.evaluate(OPEN_PROJECT)
        assert page.evaluate("state.isPersisted") is persisted


def test_undo_remains_until_it_has_worked(page: Page, web: Site) -> None:
    tools = page.context.new_cdp_session(page)
    tools.send("Storage.overrideQuotaForOrigin", {"origin": web.url, "quotaSize": 300_000})
    page.evaluate(OPEN)
    page.evaluate(OPEN_PROJECT)
    page.evaluate(
        """async () => {
          const add = (bytes) => {
            const photo = new Blob([crypto.getRandomValues(new Uint8Array(bytes))]);
            return store.addPhoto({ ...photoOf(1, "mug"), photo });
          };
          const id = await add(60_000);
          await project.edit({ ids: [id], label: null }, ["removed 1 photo"]);
          while (!(await refusal(add(20_000))));
        }"""
    )
    undo = """() => project.undo().then(() =>
      [state.note, state.undo?.text ?? null, state.project.photos.length])"""
    note, text, photos = page.evaluate(undo)
    assert note.startswith("This browser has no room left.")
    assert text == ["removed 1 photo"]
    tools.send("Storage.overrideQuotaForOrigin", {"origin": web.url})
    assert page.evaluate(undo) == ["", None, photos + 1]


def test_counted_photos_survive_a_killed_tab(page: Page) -> None:
    counted: list[None] = []
    page.expose_function("count", lambda: counted.append(None))
    page.evaluate(OPEN)
    page.evaluate(f"void ({RECORD})()")
    wait_until(lambda: page.evaluate("1") and len(counted) > 5, 20)
    address = page.url
    with page.expect_event("crash"), contextlib.suppress(Error):
        page.goto("chrome://crash")
    page = page.context.new_page()
    page.goto(address)
    page.evaluate(OPEN)
    found = page.evaluate(READ)
    assert len(set(found["ids"])) >= len(counted)
    assert found["labels"] == ["mug"]
    assert found["bytes"] == 108 * len(found["ids"])


MOUNT = """async () => {
  const { mountTeach } = await import("/device/view/teach.mjs");
  const onReady = () => (window.isReady = true);
  mountTeach(document.body, {folder: `${location.origin}/`, onReady, onUse() {}});
}"""


def heap_megabytes(page: Page) -> float:
    tools = page.context.new_cdp_session(page)
    tools.send("HeapProfiler.collectGarbage")
    usage = tools.send("Runtime.getHeapUsage")
    tools.detach()
    names = ("usedSize", "embedderHeapUsedSize", "backingStorageSize")
    return sum(usage[name] for name in names) / 1e6


@pytest.mark.slow
def test_heap_is_flat_once_500_photos_are_cleared(page: Page, web: Site, tmp_path: Path) -> None:
    info = web.add_model(tiny(tmp_path, "flat"))
    info["graphs"]["small"]["features"] = FEATURES
    index = {"models": [{"name": "flat"}]}
    files = {
        "/models/index.json": json.dumps(index).encode(),
        "/models/flat/model.json": json.dumps(info).encode(),
    }
    random = np.random.default_rng(0)
    with web.changed({**web.files, **files}):
        page.evaluate(MOUNT)
        page.wait_for_function("window.isReady")
        start = heap_megabytes(page)
        for label, base in (("dark", 40), ("bright", 200)):
            page.get_by_role("textbox").fill(label)
            page.keyboard.press("Enter")
            photos = []
            for number in range(250):
                pixels = base + random.integers(-40, 40, (240, 320, 3))
                data = encoded(Image.fromarray(pixels.astype(np.uint8)))
                photos.append(FilePayload(name=f"{number}.jpg", mimeType="image/jpeg", buffer=data))
            page.locator("input[multiple]").set_input_files(photos)
            page.locator(".tv-count").last.get_by_text("250").wait_for(timeout=120_000)
            page.get_by_role("button", name="New label").click()
        page.get_by_role("button", name="Clear all").click()
        page.get_by_role("dialog").get_by_role("button", name="Clear all").click()
        page.locator(".tv-count").first.wait_for(state="detached")
        assert heap_megabytes(page) < start + 20
