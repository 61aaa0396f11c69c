"""What a browser keeps of ``/device/``: its life without a network, new versions, damage."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from api.device import OFF
from model import settings
from model.browser.page_files import PAGE_FILES, list_kept
from model.bundle import get_bundle
from tests.browser.conftest import COLOURS
from tests.browser.drive import expect_kept, identify_red, wait_until_stored
from tests.model.tiny import give_samples, tiny
from tests.waiting import wait_until

NEWER = re.compile("A newer version is here")


def publish(models_dir: Path, title: str, **options: Any) -> None:
    tiny(models_dir, "colours", **{**COLOURS, "title": title, **options})


def test_page_works_without_a_network_after_one_visit(
    open_device: Any, app: Any, models_dir: Path
) -> None:
    give_samples(get_bundle("colours"), "blue", "red")
    page = open_device()
    # A graph comes over the network once: for the page, then from the browser's cache.
    assert sum(path.endswith(".onnx.gz") for path in app.asked) == 1
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
    expect(page.get_by_role("heading", level=1)).to_have_text("Colours")


def test_new_version_is_complete_or_absent(open_device: Any, app: Any, models_dir: Path) -> None:
    page = open_device()
    publish(models_dir, "Version 2", sharpness=10.0)
    app.broken = {".onnx.gz"}
    loads: list[str] = []
    page.on("load", lambda _: loads.append("load"))
    for _ in range(2):
        page.reload()
        expect_kept(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("Colours")
    app.broken = set()
    page.reload()
    expect(page.locator("#kept")).to_have_text(NEWER)
    # The previous version answers until then.
    expect(page.get_by_role("heading", level=1)).to_have_text("Colours")
    identify_red(page)
    app.stop()
    page.reload()
    expect_kept(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Version 2")
    identify_red(page)
    assert len(page.evaluate("caches.keys()")) == 2
    assert len(loads) == 4


def test_closing_the_browser_while_downloading_keeps_the_previous_version(
    open_device: Any, app: Any, models_dir: Path
) -> None:
    page = open_device()
    publish(models_dir, "Version 2", sharpness=10.0)
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
    expect(again.get_by_role("heading", level=1)).to_have_text("Colours")
    app.hanging = set()
    app.released.set()
    expect(again.locator("#kept")).to_have_text(NEWER)


def test_other_model_is_chosen_by_reloading_an_outdated_page(
    open_device: Any, app: Any, models_dir: Path
) -> None:
    tiny(models_dir, "other", title="Another model")
    page = open_device()
    publish(models_dir, "Version 2", sharpness=10.0)
    page.reload()
    expect(page.locator("#kept")).to_have_text(NEWER)
    with page.expect_navigation():
        page.get_by_role("combobox", name="Model").select_option("Another model")
    expect(page.get_by_role("heading", level=1)).to_have_text("Another model")
    expect_kept(page)
    page.get_by_role("combobox", name="Model").select_option("Version 2")
    identify_red(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Version 2")
    # The address doesn't name the default model.
    assert page.url.endswith("/device/")


@pytest.mark.quick
def test_page_answers_over_http_and_keeps_nothing(open_device: Any, app: Any) -> None:
    page = open_device(kept=False)
    page.goto(app.url.replace("localhost", "phone.test"))
    identify_red(page)
    expect(page.locator("#kept")).to_have_text(
        "This page isn’t on https, so no model is kept on this device."
    )


def test_damaged_copy_is_fetched_again(open_device: Any) -> None:
    page = open_device()
    page.evaluate(
        """async () => {
          for (const name of await caches.keys()) {
            const cache = await caches.open(name);
            for (const { url } of await cache.keys()) {
              if (url.endsWith(".onnx.gz")) await cache.put(url, new Response("damaged"));
            }
          }
        }"""
    )
    page.reload()
    expect(page.get_by_role("alert")).not_to_be_empty()
    page.get_by_role("button", name="Try again").click()
    expect_kept(page)
    expect(page.get_by_role("alert")).to_be_empty()
    identify_red(page)


def test_new_script_of_the_page_is_a_new_version(open_device: Any, app: Any) -> None:
    page = open_device()
    script = page.request.get(f"{app.url}app.mjs").body()
    app.replaced["app.mjs"] = script + b'\ndocument.body.dataset.version = "2";'
    page.reload()
    expect(page.locator("#kept")).to_have_text(NEWER)
    expect(page.locator("[data-version]")).to_have_count(0)
    page.reload()
    expect(page.locator("[data-version]")).to_have_count(1)


def test_why_is_not_offered_for_another_versions_answer(open_device: Any, models_dir: Path) -> None:
    page = open_device()
    identify_red(page)
    wait_until_stored(page)
    tiny(models_dir, "colours", labels=("crimson", "green", "blue", "yellow", "white", "black"))
    page.reload()
    expect(page.locator("#kept")).to_have_text(NEWER)
    page.reload()
    expect_kept(page)
    page.locator(".vf-recent").click()
    page.get_by_role("button", name="Why?").click()
    expect(page.get_by_role("alert")).to_contain_text("This photo now gets another answer")


def test_full_disk_answers_from_memory(open_device: Any, app: Any) -> None:
    page = open_device()
    page.get_by_text("This device", exact=True).click()
    page.get_by_role("button", name="Remove it from this device").click()
    expect(page.locator("#kept")).to_have_text(re.compile("^No model is kept on this device."))
    assert page.evaluate("caches.keys()") == []
    devtools = page.context.new_cdp_session(page)
    origin = page.evaluate("origin")
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 50_000})
    page.reload()
    expect(page.locator("#kept")).to_have_text(re.compile("There is no room"))
    identify_red(page)


def test_model_that_is_not_kept_needs_the_network(
    open_device: Any, app: Any, models_dir: Path
) -> None:
    tiny(models_dir, "other", title="Another model")
    page = open_device()
    app.broken = {"files.json"}
    page.get_by_role("combobox", name="Model").select_option("Another model")
    expect(page.locator("#kept")).to_have_text(
        re.compile(r"MB\. This model isn’t kept, so it needs the network\.$")
    )


def test_withdrawn_models_are_deleted_from_the_browser(
    open_device: Any, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_device()
    monkeypatch.setenv("LOUPE_DOWNLOADS", "false")
    monkeypatch.setenv("LOUPE_BUILTIN", "false")
    settings.settings.cache_clear()
    page.reload()
    expect(page.locator("#kept")).to_have_text("No model is kept on this device.")
    page.reload()
    expect(page.locator("body")).to_have_text(OFF)


def test_service_worker_leaves_the_rest_of_the_app_alone(open_device: Any, app: Any) -> None:
    page = open_device()
    page.reload()
    expect_kept(page)
    script = page.evaluate("navigator.serviceWorker.controller.scriptURL")
    assert script == f"{app.url}service-worker.js"
    assert page.evaluate("fetch('../api/live').then((answer) => answer.status)") == 200
    urls = page.evaluate(
        """async () => {
          const names = await caches.keys();
          const kept = names.map(async (name) => (await caches.open(name)).keys());
          return (await Promise.all(kept)).flat().map(({ url }) => url);
        }"""
    )
    files = list_kept(PAGE_FILES)
    assert len(urls) == len(set(urls)) > len(files)
    assert all(url.startswith(app.url) for url in urls)
    assert {app.url, *(f"{app.url}{file}" for file in files)} < set(urls)
