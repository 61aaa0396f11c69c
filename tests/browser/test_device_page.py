"""``/device/`` in Chromium: every way to give a photo, and its life without a network."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from api.device import OFF
from model import settings
from model.browser.page_files import PAGE_FILES
from model.bundle import get_bundle
from tests.browser.accessible import assert_accessible
from tests.browser.conftest import COLOURS
from tests.browser.device_app import DeviceApp
from tests.browser.drive import DESK, PHONE, TIME, device_headline, expect_kept, give_device
from tests.browser.server import Server
from tests.model.tiny import colour, give_samples, tiny
from tests.photos import encoded
from tests.waiting import wait_until

NEWER = re.compile("A newer version is here")
GIVE = """
([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt());
  const transfer = new DataTransfer();
  if (data) transfer.items.add(new File([bytes], "photo.png", { type: "image/png" }));
  const given = { bubbles: true, cancelable: true };
  const event = name === "paste"
    ? new ClipboardEvent(name, { ...given, clipboardData: transfer })
    : new DragEvent(name, { ...given, dataTransfer: transfer });
  document.body.dispatchEvent(event);
}
"""


@pytest.fixture
def visit(new_page: Any, app: DeviceApp) -> Callable[..., Page]:
    """Open the page in a fresh profile; by default, wait until the device keeps all of it."""

    def come(*, kept: bool = True, **options: Any) -> Page:
        page: Page = new_page(**options)
        page.goto(app.url)
        if kept:
            expect_kept(page)
        return page

    return come


def publish(models_dir: Path, title: str, **options: Any) -> None:
    tiny(models_dir, "colours", **{**COLOURS, "title": title, **options})


def identify_red(page: Page) -> None:
    give_device(page)
    expect(device_headline(page)).to_have_text("Very likely a red")


def give(page: Page, event: str, data: bytes) -> None:
    page.evaluate(GIVE, [event, base64.b64encode(data).decode()])


def test_photo_is_identified_in_words_then_numbers(visit: Any) -> None:
    page = visit(kept=False)
    expect(page.get_by_role("heading", level=1)).to_have_text("Colours")
    expect(device_headline(page)).to_have_text("Point your phone at something")
    words = "This model knows six things: red, green, blue and three more."
    expect(page.locator(".vf-sub").get_by_text(words)).to_be_visible()
    identify_red(page)
    expect(page.locator(".vf-details p")).to_have_count(1)
    rows = page.get_by_role("table").get_by_role("row")
    expect(rows).to_have_count(5)
    expect(rows.first.get_by_role("rowheader")).to_have_text("red")
    expect(rows.first.locator("[lang=en][dir=auto]")).to_have_text("red")
    source = rf"^On this device in {TIME}; nothing was sent, small graph, version [0-9a-f]{{7}}$"
    expect(page.locator(".vf-where")).to_have_text(re.compile(source))
    give_device(page, encoded(colour((128, 128, 128)), "PNG"))
    expect(device_headline(page)).to_have_text(re.compile("^None of the six things I know"))


def test_unknown_photo_leads_first_to_the_model_that_knows_most(
    visit: Any, models_dir: Path
) -> None:
    tiny(models_dir, "aaa", title="A few")
    page = visit(kept=False)
    give_device(page, encoded(colour((128, 128, 128)), "PNG"))
    ways = page.locator(".vf-ways-on")
    expect(ways.get_by_role("button")).to_have_text(
        "Try “A thousand everyday things”"
        "1,000 things: banana, coffee mug, sunglasses and 997 more. On this device"
    )
    ways.get_by_text("Other models").click()
    ways.get_by_role("button", name="Try “A few”").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A few")


@pytest.mark.slow
def test_photo_can_be_pasted_and_dropped_and_nothing_is_requested(visit: Any, app: Any) -> None:
    page = visit()
    before = list(app.asked)
    for event in ("paste", "drop"):
        for name in ("red", "blue"):
            give(page, event, encoded(colour(name), "PNG"))
            expect(device_headline(page)).to_have_text(f"Very likely a {name}")
        # Each thumbnail is decoded once; another decoding would block the page when it is freed.
        thumbnails = page.locator(".vf-recent img")
        if event == "paste":
            thumbnails.evaluate_all("images => images.forEach((image) => (image.title = 'first'))")
    expect(page.locator(".vf-recent img[title=first]")).to_have_count(2)
    expect(thumbnails).to_have_count(4)
    assert app.asked == before
    give(page, "paste", b"")
    expect(page.get_by_role("alert")).to_have_text("There is no photo in the clipboard.")
    give_device(page, b"no photo at all")
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(device_headline(page)).to_be_hidden()
    identify_red(page)
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.slow
def test_full_graph_is_a_choice(visit: Any) -> None:
    page = visit()
    page.get_by_text("This device", exact=True).click()
    give_device(page)
    full = page.get_by_role("radio", name=re.compile(r"^Full: [\d.]+ [kM]B"))
    full.check()
    expect(page.locator(".vf-where")).to_have_text(re.compile(", full graph, version"))
    expect(device_headline(page)).to_have_text("Very likely a red")


def test_page_works_without_a_network_after_one_visit(
    visit: Any, app: Any, models_dir: Path
) -> None:
    give_samples(get_bundle("colours"), "blue", "red")
    page = visit()
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


@pytest.mark.slow
def test_new_version_is_complete_or_absent(visit: Any, app: Any, models_dir: Path) -> None:
    page = visit()
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


@pytest.mark.slow
def test_closing_the_browser_while_downloading_keeps_the_previous_version(
    visit: Any, app: Any, models_dir: Path
) -> None:
    page = visit()
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


@pytest.mark.slow
def test_other_model_is_chosen_by_reloading_an_outdated_page(
    visit: Any, app: Any, models_dir: Path
) -> None:
    tiny(models_dir, "other", title="Another model")
    page = visit()
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
    assert page.url.endswith("?model=colours")


def test_page_answers_over_http_and_keeps_nothing(visit: Any, app: Any) -> None:
    page = visit(kept=False)
    page.goto(app.url.replace("localhost", "phone.test"))
    identify_red(page)
    expect(page.locator("#kept")).to_have_text(
        "This page isn’t on https, so nothing is kept on this device."
    )


@pytest.mark.slow
def test_damaged_copy_is_fetched_again(visit: Any) -> None:
    page = visit()
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


@pytest.mark.slow
def test_new_script_of_the_page_is_a_new_version(visit: Any, app: Any) -> None:
    page = visit()
    script = page.request.get(f"{app.url}app.mjs").body()
    app.replaced["app.mjs"] = script + b'\ndocument.body.dataset.version = "2";'
    page.reload()
    expect(page.locator("#kept")).to_have_text(NEWER)
    expect(page.locator("[data-version]")).to_have_count(0)
    page.reload()
    expect(page.locator("[data-version]")).to_have_count(1)


@pytest.mark.slow
def test_full_disk_answers_from_memory(visit: Any, app: Any) -> None:
    page = visit()
    page.get_by_text("This device", exact=True).click()
    page.get_by_role("button", name="Remove it from this device").click()
    expect(page.locator("#kept")).to_have_text(re.compile("^Nothing is kept on this device."))
    assert page.evaluate("caches.keys()") == []
    devtools = page.context.new_cdp_session(page)
    origin = page.evaluate("origin")
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 50_000})
    page.reload()
    expect(page.locator("#kept")).to_have_text(re.compile("There is no room"))
    identify_red(page)


@pytest.mark.slow
def test_withdrawn_models_are_deleted_from_the_browser(
    visit: Any, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit()
    monkeypatch.setenv("LOUPE_DOWNLOADS", "false")
    settings.settings.cache_clear()
    page.reload()
    expect(page.locator("#kept")).to_have_text("Nothing is kept on this device.")
    page.reload()
    expect(page.locator("body")).to_have_text(OFF)


@pytest.mark.slow
def test_service_worker_leaves_the_rest_of_the_app_alone(visit: Any, app: Any) -> None:
    page = visit()
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
    assert len(urls) == len(set(urls)) > len(PAGE_FILES)
    assert all(url.startswith(app.url) for url in urls)
    files = PAGE_FILES.keys() - {"index.html", "service-worker.js"}
    assert {app.url, *(f"{app.url}{file}" for file in files)} < set(urls)


def test_title_and_labels_are_plain_text(visit: Any, models_dir: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    labels = [f"{hostile} {number}" for number in range(6)]
    publish(models_dir, hostile, labels=labels, language="ar")
    page = visit(kept=False)
    expect(page.get_by_role("heading", level=1)).to_have_text(hostile)
    give_device(page)
    label = device_headline(page).locator("span[lang=ar][dir=auto]")
    expect(label).to_have_text(labels[0])
    expect(page.locator("img[onerror], img[src=x]")).to_have_count(0)


def test_about_leads_to_the_page(page: Page, server: Server) -> None:
    page.goto("/about")
    link = page.get_by_role("link", name="on a page of their own")
    address = link.evaluate("(link) => link.href")
    assert address == f"{server.url}/device/"
    assert "<title>Loupe on this device</title>" in page.request.get(address).text()


@pytest.mark.parametrize(
    ("size", "colours"),
    [
        pytest.param(PHONE, "light", id="phone-light"),
        pytest.param(PHONE, "dark", id="phone-dark", marks=pytest.mark.slow),
        pytest.param(DESK, "light", id="desk-light", marks=pytest.mark.slow),
        pytest.param(DESK, "dark", id="desk-dark", marks=pytest.mark.slow),
    ],
)
def test_page_is_accessible(visit: Any, size: Any, colours: str) -> None:
    page = visit(viewport=size, color_scheme=colours)
    assert_accessible(page)
    page.get_by_text("This device", exact=True).click()
    identify_red(page)
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, select, summary, label')]
          .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 44)
          .map((one) => one.outerHTML)"""
    )
    assert small == []
    assert_accessible(page)
    page.get_by_role("button", name="Why?").click()
    expect(page.locator(".vf-spotlight")).to_be_visible()
    assert_accessible(page)
    give_device(page, encoded(colour((128, 128, 128)), "PNG"))
    expect(device_headline(page)).to_have_text(re.compile("^None of the six things I know"))
    assert_accessible(page)
    give_device(page, b"no photo at all")
    expect(page.get_by_role("alert")).not_to_be_empty()
    assert_accessible(page)
