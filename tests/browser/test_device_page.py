"""``/device/`` in Chromium: every way to give a photo, and what the page then says."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import drive
from tests.browser.conftest import COLOURS
from tests.browser.device_app import DeviceApp
from tests.model.tiny import colour, tiny
from tests.photos import encoded


@pytest.mark.quick
def test_photo_is_identified_in_words_then_numbers(open_device: Any) -> None:
    page = open_device(kept=False)
    expect(page.get_by_role("heading", level=1)).to_have_text("Colours")
    expect(drive.device_headline(page)).to_have_text(drive.GREETING)
    words = "This model knows six things: red, green, blue and three more."
    expect(page.locator(".vf-sub").get_by_text(words)).to_be_visible()
    drive.identify_red(page)
    expect(page.locator(".vf-details p")).to_have_count(1)
    rows = page.get_by_role("table").get_by_role("row")
    expect(rows).to_have_count(3)
    expect(rows.first.get_by_role("rowheader")).to_have_text("red")
    expect(rows.first.locator("[lang=en][dir=auto]")).to_have_text("red")
    source = (
        rf"^On this device in {drive.TIME}; nothing was sent, small graph, version [0-9a-f]{{7}}$"
    )
    expect(page.locator(".vf-where")).to_have_text(re.compile(source))
    drive.give_device(page, drive.GREY)
    none = re.compile("^None of the six things I know")
    expect(drive.device_headline(page)).to_have_text(none)
    page.go_back()
    expect(drive.device_headline(page)).to_have_text(drive.IS_RED)
    page.reload()
    expect(drive.device_headline(page)).to_have_text(drive.IS_RED)
    expect(page.locator(".vf-photo img")).to_be_visible()
    page.go_back()
    expect(drive.device_headline(page)).to_have_text(drive.GREETING)
    page.go_forward()
    page.go_forward()
    expect(drive.device_headline(page)).to_have_text(none)


def test_unknown_photo_leads_first_to_the_largest_model(open_device: Any, models_dir: Path) -> None:
    tiny(models_dir, "aaa", title="A few")
    page = open_device(kept=False)
    drive.give_device(page, drive.GREY)
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
            drive.hand_over(page, event, encoded(colour(name), "PNG"))
            expect(drive.device_headline(page)).to_have_text(f"Very likely a {name}")
        # Each thumbnail is decoded once; another decoding would block the page when it is freed.
        thumbnails = page.locator(".vf-recent img")
        if event == "paste":
            expect(thumbnails).to_have_count(2)
            thumbnails.evaluate_all("images => images.forEach((image) => (image.title = 'first'))")
    expect(page.locator(".vf-recent img[title=first]")).to_have_count(2)
    expect(thumbnails).to_have_count(4)
    assert app.asked == before
    drive.hand_over(page, "paste", b"")
    expect(page.get_by_role("alert")).to_have_text("There is no photo in the clipboard.")
    drive.give_device(page, b"no photo at all")
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(drive.device_headline(page)).to_be_hidden()
    drive.identify_red(page)
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.quick
def test_link_to_a_broken_model_opens_the_apps_own(
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
    drive.identify_red(page)
    expect(page.locator(".vf-where")).to_have_text(re.compile(", full graph, version"))


@pytest.mark.quick
def test_mode_that_the_page_lacks_is_ignored(new_page: Any, app: DeviceApp) -> None:
    page: Page = new_page()
    page.goto(f"{app.url}?run=server")
    drive.identify_red(page)


@pytest.mark.quick
def test_title_and_labels_are_plain_text(open_device: Any, models_dir: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    labels = [f"{hostile} {number}" for number in range(6)]
    tiny(models_dir, "colours", **{**COLOURS, "title": hostile}, labels=labels, language="ar")
    page = open_device(kept=False)
    expect(page.get_by_role("heading", level=1)).to_have_text(hostile)
    drive.give_device(page)
    label = drive.device_headline(page).locator("span[lang=ar][dir=auto]")
    expect(label).to_have_text(labels[0])
    expect(page.locator("img[onerror], img[src=x]")).to_have_count(0)
