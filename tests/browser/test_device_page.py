"""``/device/`` in Chromium: every way to give a photo, and what the page then says."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessible import assert_accessible
from tests.browser.conftest import COLOURS
from tests.browser.device_app import DeviceApp
from tests.browser.drive import (
    DESK,
    GREETING,
    PHONE,
    TIME,
    device_headline,
    give_device,
    identify_red,
)
from tests.browser.server import Server
from tests.model.tiny import colour, tiny
from tests.photos import encoded

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


def give(page: Page, event: str, data: bytes) -> None:
    page.evaluate(GIVE, [event, base64.b64encode(data).decode()])


@pytest.mark.quick
def test_photo_is_identified_in_words_then_numbers(open_device: Any) -> None:
    page = open_device(kept=False)
    expect(page.get_by_role("heading", level=1)).to_have_text("Colours")
    expect(device_headline(page)).to_have_text(GREETING)
    words = "This model knows six things: red, green, blue and three more."
    expect(page.locator(".vf-sub").get_by_text(words)).to_be_visible()
    identify_red(page)
    expect(page.locator(".vf-details p")).to_have_count(1)
    rows = page.get_by_role("table").get_by_role("row")
    expect(rows).to_have_count(3)
    expect(rows.first.get_by_role("rowheader")).to_have_text("red")
    expect(rows.first.locator("[lang=en][dir=auto]")).to_have_text("red")
    source = rf"^On this device in {TIME}; nothing was sent, small graph, version [0-9a-f]{{7}}$"
    expect(page.locator(".vf-where")).to_have_text(re.compile(source))
    give_device(page, encoded(colour((128, 128, 128)), "PNG"))
    none = re.compile("^None of the six things I know")
    expect(device_headline(page)).to_have_text(none)
    page.go_back()
    expect(device_headline(page)).to_have_text("Very likely a red")
    page.reload()
    expect(device_headline(page)).to_have_text("Very likely a red")
    expect(page.locator(".vf-photo img")).to_be_visible()
    page.go_back()
    expect(device_headline(page)).to_have_text(GREETING)
    page.go_forward()
    page.go_forward()
    expect(device_headline(page)).to_have_text(none)


def test_unknown_photo_leads_first_to_the_model_that_knows_most(
    open_device: Any, models_dir: Path
) -> None:
    tiny(models_dir, "aaa", title="A few")
    page = open_device(kept=False)
    give_device(page, encoded(colour((128, 128, 128)), "PNG"))
    ways = page.locator(".vf-ways-on")
    expect(ways.get_by_role("button")).to_have_text(
        "Try “A thousand everyday things”"
        "1,000 things: banana, coffee mug, sunglasses and 997 more. On this device"
    )
    ways.get_by_text("Other models").click()
    ways.get_by_role("button", name="Try “A few”").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A few")


def test_photo_is_pasted_or_dropped_and_nothing_is_requested(open_device: Any, app: Any) -> None:
    page = open_device()
    before = list(app.asked)
    for event in ("paste", "drop"):
        for name in ("red", "blue"):
            give(page, event, encoded(colour(name), "PNG"))
            expect(device_headline(page)).to_have_text(f"Very likely a {name}")
        # Each thumbnail is decoded once; another decoding would block the page when it is freed.
        thumbnails = page.locator(".vf-recent img")
        if event == "paste":
            expect(thumbnails).to_have_count(2)
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


@pytest.mark.quick
def test_link_to_a_model_that_cannot_be_opened_leads_to_the_apps_own(
    new_page: Any, app: Any, models_dir: Path
) -> None:
    # It is first in the list.
    tiny(models_dir, "aaa", title="A few")
    tiny(models_dir, "other", title="Another model")
    app.broken = {"models/other/model.json"}
    page = new_page()
    page.goto(f"{app.url}?model=other")
    expect(page.get_by_text("The app answers 500")).to_be_visible()
    expect(page.get_by_role("combobox", name="Model")).to_have_value("colours")


def test_full_graph_is_a_choice(open_device: Any) -> None:
    page = open_device()
    page.get_by_text("This device", exact=True).click()
    give_device(page)
    full = page.get_by_role("radio", name=re.compile(r"^Full: [\d.]+ [kM]B"))
    full.check()
    expect(page.locator(".vf-where")).to_have_text(re.compile(", full graph, version"))
    expect(device_headline(page)).to_have_text("Very likely a red")


@pytest.mark.quick
def test_graph_is_chosen_before_the_model_is_known(new_page: Any, app: DeviceApp) -> None:
    page: Page = new_page()
    page.route("**/model.json", lambda _: None)
    # The download's start has asked for it, and the page asks once to describe it.
    page.route("**/model.json", lambda route: route.continue_(), times=2)
    page.goto(app.url)
    page.get_by_text("This device", exact=True).click()
    page.get_by_role("radio", name=re.compile("^Full")).check()
    page.unroute("**/model.json")
    identify_red(page)
    expect(page.locator(".vf-where")).to_have_text(re.compile(", full graph, version"))


@pytest.mark.quick
def test_title_and_labels_are_plain_text(open_device: Any, models_dir: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    labels = [f"{hostile} {number}" for number in range(6)]
    tiny(models_dir, "colours", **{**COLOURS, "title": hostile}, labels=labels, language="ar")
    page = open_device(kept=False)
    expect(page.get_by_role("heading", level=1)).to_have_text(hostile)
    give_device(page)
    label = device_headline(page).locator("span[lang=ar][dir=auto]")
    expect(label).to_have_text(labels[0])
    expect(page.locator("img[onerror], img[src=x]")).to_have_count(0)


@pytest.mark.quick
def test_about_leads_to_the_page(page: Page, server: Server) -> None:
    page.goto("/about")
    link = page.get_by_role("link", name="on a page of their own")
    address = link.evaluate("(link) => link.href")
    assert address == f"{server.url}/device/"
    assert "<title>Loupe on this device</title>" in page.request.get(address).text()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_page_is_accessible(open_device: Any, size: Any, colours: str) -> None:
    page = open_device(viewport=size, color_scheme=colours)
    links = page.get_by_role("navigation", name="Pages")
    expect(links.locator("[aria-current=page]")).to_have_text("Identify")
    box = links.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] == (
        size["height"] if size == PHONE else pytest.approx(44, abs=2)
    )
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
