"""What a browser keeps of ``/device/``: its life without a network, new versions, damage."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from api.device import OFF
from model import settings
from model.browser.page_files import PAGE_FILES, list_kept
from model.bundle import get_bundle
from tests.browser.conftest import COLOURS
from tests.browser.device_app import DeviceApp
from tests.browser.drive import expect_kept, identify_red, wait_until_stored
from tests.model.tiny import give_samples, tiny
from tests.waiting import wait_until

NEWER = re.compile("A newer version is here")
URLS = """async () => {
  const names = await caches.keys();
  const kept = names.map(async (name) => (await caches.open(name)).keys());
  return (await Promise.all(kept)).flat().map(({ url }) => url);
}"""
DAMAGE = """async () => {
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const { url } of await cache.keys()) {
      if (url.endsWith(".onnx.gz")) await cache.put(url, new Response("damaged"));
    }
  }
}"""


def publish_again(models_dir: Path) -> None:
    """Publish a version of the model with another graph and title."""
    tiny(models_dir, "colours", **{**COLOURS, "title": "Version 2"}, sharpness=10.0)


def expect_title(page: Page, title: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def expect_words(page: Page, words: str | re.Pattern[str]) -> None:
    """Wait for the words that say what this device keeps."""
    expect(page.locator("#kept")).to_have_text(words)


def models(page: Page) -> Any:
    return page.get_by_role("combobox", name="Model")


def test_page_works_without_a_network_after_one_visit(open_device: Any, app: DeviceApp) -> None:
    give_samples(get_bundle("colours"), "blue", "red")
    page = open_device()
    # A graph comes over the network once: for the page, then from the browser's cache.
    assert sum(path.endswith(".onnx.gz") for path in app.asked) == 1
    page.reload()
    expect_kept(page)
    # The service worker handles no requests for the rest of the app.
    script = page.evaluate("navigator.serviceWorker.controller.scriptURL")
    assert script == f"{app.url}service-worker.js"
    assert page.evaluate("fetch('../api/live').then((answer) => answer.status)") == 200
    urls, files = page.evaluate(URLS), list_kept(PAGE_FILES)
    assert len(urls) == len(set(urls)) > len(files)
    assert all(url.startswith(app.url) for url in urls)
    assert {app.url, *(f"{app.url}{file}" for file in files)} < set(urls)
    app.stop()
    page.context.set_offline(True)
    for _ in range(2):
        page.reload()
        samples = page.locator(".vf-sample img")
        expect(samples).to_have_count(2)
        # A camera hides them, so that they are not loaded.
        assert samples.last.evaluate("async (image) => (await fetch(image.src)).ok")
        identify_red(page)
        expect_kept(page)
    page.goto(f"{app.url}index.html?model=colours")
    expect_title(page, "Colours")


def test_version_is_complete_or_absent(open_device: Any, app: DeviceApp, models_dir: Path) -> None:
    page = open_device()
    publish_again(models_dir)
    app.broken = {".onnx.gz"}
    loads: list[str] = []
    page.on("load", lambda _: loads.append("load"))
    for _ in range(2):
        page.reload()
        expect_kept(page)
        expect_title(page, "Colours")
    app.broken = set()
    page.reload()
    expect_words(page, NEWER)
    # The previous version answers until then.
    expect_title(page, "Colours")
    identify_red(page)
    app.stop()
    page.reload()
    expect_kept(page)
    expect_title(page, "Version 2")
    identify_red(page)
    assert len(page.evaluate("caches.keys()")) == 2
    assert len(loads) == 4


def test_interrupted_download_changes_nothing(
    open_device: Any, app: DeviceApp, models_dir: Path
) -> None:
    page = open_device()
    publish_again(models_dir)
    app.hanging = {".onnx.gz"}
    page.reload()
    wait_until(lambda: sum(path.endswith(".onnx.gz") for path in app.asked) == 2, 20)
    again = page.context.new_page()
    devtools = page.context.new_cdp_session(page)
    devtools.send("ServiceWorker.enable")
    devtools.send("ServiceWorker.stopAllWorkers")
    page.close()
    again.goto(app.url)
    identify_red(again)
    expect_title(again, "Colours")
    app.hanging = set()
    app.released.set()
    expect_words(again, NEWER)


def test_outdated_page_loads_another_model(
    open_device: Any, app: DeviceApp, models_dir: Path
) -> None:
    tiny(models_dir, "other", title="Another model")
    page = open_device()
    publish_again(models_dir)
    page.reload()
    expect_words(page, NEWER)
    with page.expect_navigation():
        models(page).select_option("Another model")
    expect_title(page, "Another model")
    expect_kept(page)
    models(page).select_option("Version 2")
    identify_red(page)
    expect_title(page, "Version 2")
    # The address doesn't name the default model.
    assert page.url.endswith("/device/")


def test_other_model_needs_the_network(open_device: Any, app: DeviceApp, models_dir: Path) -> None:
    tiny(models_dir, "other", title="Another model")
    page = open_device()
    app.broken = {"files.json"}
    models(page).select_option("Another model")
    expect_words(page, re.compile(r"MB\. This model isn’t kept, so it needs the network\.$"))


@pytest.mark.quick
def test_page_answers_over_http_and_keeps_nothing(open_device: Any, app: DeviceApp) -> None:
    page = open_device(kept=False)
    page.goto(app.url.replace("localhost", "phone.test"))
    identify_red(page)
    expect_words(page, "This page isn’t on https, so no model is kept on this device.")


def test_damaged_copy_is_fetched_again_and_a_full_disk_keeps_none(open_device: Any) -> None:
    page = open_device()
    page.evaluate(DAMAGE)
    page.reload()
    expect(page.get_by_role("alert")).not_to_be_empty()
    page.get_by_role("button", name="Try again").click()
    expect_kept(page)
    expect(page.get_by_role("alert")).to_be_empty()
    identify_red(page)
    page.get_by_text("This device", exact=True).click()
    page.get_by_role("button", name="Remove it from this device").click()
    expect_words(page, re.compile("^No model is kept on this device."))
    assert page.evaluate("caches.keys()") == []
    devtools = page.context.new_cdp_session(page)
    quota = {"origin": page.evaluate("origin"), "quotaSize": 50_000}
    devtools.send("Storage.overrideQuotaForOrigin", quota)
    page.reload()
    expect_words(page, re.compile("There is no room"))
    identify_red(page)


def test_new_script_of_the_page_is_a_new_version(open_device: Any, app: DeviceApp) -> None:
    page = open_device()
    script = page.request.get(f"{app.url}app.mjs").body()
    app.replaced["app.mjs"] = script + b'\ndocument.body.dataset.version = "2";'
    page.reload()
    expect_words(page, NEWER)
    expect(page.locator("[data-version]")).to_have_count(0)
    page.reload()
    expect(page.locator("[data-version]")).to_have_count(1)


def test_why_is_not_offered_for_another_versions_answer(open_device: Any, models_dir: Path) -> None:
    page = open_device()
    identify_red(page)
    wait_until_stored(page)
    tiny(models_dir, "colours", labels=("crimson", "green", "blue", "yellow", "white", "black"))
    page.reload()
    expect_words(page, NEWER)
    page.reload()
    expect_kept(page)
    page.locator(".vf-recent").click()
    page.get_by_role("button", name="Why?").click()
    expect(page.get_by_role("alert")).to_contain_text("This photo now gets another answer")


def test_withdrawn_models_are_deleted(open_device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_device()
    monkeypatch.setenv("LOUPE_DOWNLOADS", "false")
    monkeypatch.setenv("LOUPE_BUILTIN", "false")
    settings.settings.cache_clear()
    page.reload()
    expect_words(page, "No model is kept on this device.")
    page.reload()
    expect(page.locator("body")).to_have_text(OFF)
