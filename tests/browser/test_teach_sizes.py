"""What the page "Teach" says can be read on phones, in the widest of fonts."""

import re

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.browser.drive import PHONE
from tests.browser.drive_teach import (
    COLD,
    NO_CAMERA,
    ODD,
    WARM,
    Visit,
    drop,
    expect_verdict,
    jpeg,
    pill,
    teach_by_files,
)

pytestmark = pytest.mark.slow

SHORT: ViewportSize = {"width": 375, "height": 667}
LONG = "the left one of my grandmother’s two blue and white teacups"


def ends(found: Locator) -> float:
    box = found.bounding_box()
    assert box
    return box["y"] + box["height"]


def assert_above_deck(page: Page, *found: Locator) -> None:
    deck = page.locator(".tv-deck").bounding_box()
    assert deck
    for one in found:
        assert ends(one) <= deck["y"], one
        assert one.evaluate("(element) => element.scrollWidth <= element.clientWidth + 1"), one


@pytest.mark.parametrize("size", [PHONE, SHORT], ids=["phone", "short"])
def test_verdict_confusion_and_reason_fit(open_teach: Visit, size: ViewportSize) -> None:
    page = open_teach(NO_CAMERA, viewport=size)
    hint = page.locator(".tv-hint")
    expect(hint).to_contain_text("this device has no camera")
    assert hint.evaluate("(element) => element.scrollHeight <= element.clientHeight")
    teach_by_files(page, **{LONG: WARM[:1], "cold": COLD[:1]})
    expect_verdict(page, "Can’t know yet.")
    words = page.locator(".tv-enough")
    assert_above_deck(page, words.locator("h2"), words.locator(".vf-sub"))
    page = open_teach(viewport=size)
    teach_by_files(page, warm=[*WARM, *ODD] * 2, cold=list(COLD) * 4)
    right = page.get_by_role("button", name=re.compile("^They’re"))
    expect(right).to_be_visible()
    expect(pill(page)).to_be_visible()
    expect(page.get_by_role("button", name="Show both labels")).to_be_visible()
    assert_above_deck(page, *page.locator(".tv-acts button").all())
    # Not shortened, either.
    assert_above_deck(page, *page.locator(".tv-acts button > span").all())


def test_why_there_is_no_room_for_a_label_is_in_sight(open_teach: Visit) -> None:
    page = open_teach(NO_CAMERA, viewport=SHORT)
    drop(page, {f"label {at}": {"1.jpg": jpeg(WARM[0])} for at in range(20)})
    expect(page.get_by_role("list", name="Labels").get_by_role("listitem")).to_have_count(20)
    expect(page.get_by_role("heading", name="Adding photos")).to_have_count(0)
    page.get_by_role("button", name="New label").click()
    expect(page.get_by_text("20 labels are the most.")).to_be_in_viewport()
