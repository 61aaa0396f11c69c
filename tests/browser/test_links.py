"""The links between the pages, the Back button, and share links to answers."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser import drive

ANSWER = re.compile(r"answer=([a-z0-9_.~%A-Z-]+)")


def pages(page: Page):
    return page.get_by_role("navigation", name="Pages")


SIDEWAYS = {"width": 667, "height": 375}


@pytest.mark.quick
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(drive.PHONE, id="phone"),
        pytest.param(drive.DESK, id="desk", marks=pytest.mark.slow),
        pytest.param(SIDEWAYS, id="sideways", marks=pytest.mark.slow),
    ],
)
def test_links_cover_nothing_and_keep_the_photo(visitor, size):
    view = visitor(viewport=size)
    view.goto("/?run=server")
    drive.source_line(view).click(trial=True)
    check_header(view)
    expect(pages(view).locator("[aria-current=page]")).to_have_text("Identify")
    drive.give(view, drive.sample("coffee").read())
    words = drive.wait_for_answer(view, "espresso", "cup")
    view.evaluate("document.isSame = true")
    pages(view).get_by_role("link", name="Teach").click()
    expect(view).to_have_url(f"{view.evaluate('location.origin')}/teach")
    # Other pages than Identify have no list of models.
    expect(view.locator(".vf-chip")).to_have_count(0)
    view.go_back()
    expect(drive.headline(view)).to_have_text(words)
    pages(view).get_by_role("link", name="More").click()
    expect(drive.headline(view)).to_have_text("More")
    expect(view.get_by_role("heading", level=1)).to_have_text(re.compile("^More · "))
    expect(pages(view).locator("[aria-current=page]")).to_have_text("More")
    # Streamlit's own links change the address as well.
    view.get_by_test_id("stMain").get_by_role("link", name="What each model knows").click()
    expect(drive.headline(view)).to_have_text("Models")
    expect(pages(view).locator("[aria-current=page]")).to_have_count(0)
    pages(view).get_by_role("link", name="Identify").click()
    expect(drive.headline(view)).to_have_text(words)
    assert view.evaluate("document.isSame"), "The page was loaded again."
    # Without a network, links lead to the pages that need none.
    keep = "caches.open('x').then((kept) => kept.put('device/state.json', new Response('{}')))"
    view.evaluate(keep)
    view.context.set_offline(True)
    with view.expect_request("**/device/teach.html"):
        pages(view).get_by_role("link", name="Teach").click()
    view.context.set_offline(False)


def check_header(view: Page) -> None:
    """Check the places of the links and of the list of models, and the links' sizes."""
    bar, line = pages(view).bounding_box(), drive.source_line(view).bounding_box()
    links = [link for link in pages(view).get_by_role("link").all() if link.is_visible()]
    for link in links:
        box = link.bounding_box()
        assert min(box["width"], box["height"]) >= 44
    if view.viewport_size == drive.PHONE:
        assert line["y"] + line["height"] <= bar["y"]
        assert bar["y"] + bar["height"] == drive.PHONE["height"]
        beside = view.get_by_test_id("stHeaderLogo").bounding_box()
    else:
        assert bar["y"] + bar["height"] <= 60
        beside = links[-1].bounding_box()
    model = view.locator(".vf-chip")
    # Nothing covers it, not even when the page is scrolled.
    model.click(trial=True)
    view.mouse.move(200, 300)
    view.mouse.wheel(0, 500)
    model.click(trial=True)
    box, band = model.bounding_box(), view.get_by_test_id("stHeader").bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= band["height"] == 60
    assert beside["x"] + beside["width"] < box["x"]


def test_back_leads_to_the_previous_page_without_an_empty_one(page):
    page.goto("/")
    drive.give(page, drive.sample("coffee").read())
    words = drive.wait_for_answer(page)
    address = page.url
    open_page(page, "Batch")
    expect(drive.headline(page).filter(has_text="My best guess")).to_have_count(0)
    open_page(page, "Identify")
    expect(drive.headline(page)).to_have_text(words)
    assert page.url == address
    page.reload()
    expect(drive.headline(page)).to_have_text(words)
    page.go_back()
    expect(page).to_have_url(re.compile("/batch$"))
    page.go_back()
    expect(drive.headline(page)).to_have_text(words)
    assert page.url == address


@pytest.mark.quick
def test_chosen_model_is_in_the_address_again_after_another_page(page):
    page.goto("/")
    drive.wait_until_drawn(page)
    page.get_by_role("combobox", name="Model").select_option("Ten kinds of clothes")
    expect(page).to_have_url(re.compile(r"/\?model=clothing$"))
    open_page(page, "About")
    expect(page).to_have_url(re.compile(r"/about$"))
    open_page(page, "Identify")
    expect(page).to_have_url(re.compile(r"/\?model=clothing$"))
    page.go_back()
    expect(drive.headline(page).first).to_contain_text("About")


def open_page(page, title):
    drive.go(page, title)
    path = "" if title == "Identify" else title.lower()
    expect(page).to_have_url(re.compile(rf":\d+/{path}(\?.*)?$"))
    drive.wait_until_drawn(page)


def test_link_that_cannot_be_shown_is_refused_with_the_reason(page):
    for token, reason in (
        ("imagenet~000000000000~c~x~x~967-951", "came from version 000000000000"),
        ("<img src=x onerror=alert(1)>", "incomplete"),
    ):
        page.goto(f"/?answer={quote(token)}")
        alert = page.locator(".vf-alert")
        expect(alert).to_contain_text(reason)
        expect(drive.headline(page)).to_have_text(drive.GREETING)
        expect(alert).to_be_in_viewport()
        expect(page.locator("img[src=x]")).to_have_count(0)


def test_page_says_what_a_links_signature_shows(page):
    page.goto("/?run=server")
    drive.give(page, drive.sample("coffee").read())
    expect(page).to_have_url(ANSWER)
    signed = ANSWER.search(page.url).group(1)
    # As another visitor, whose browser doesn't keep the photo.
    note = page.locator(".vf")
    note.get_by_role("button", name="Clear recent photos").click()
    page.evaluate("sessionStorage.clear()")
    content, key_id, signature = signed.split(".")
    changed = re.sub(r"~(\d+)-", lambda match: f"~{int(match[1]) - 1}-", content)
    assert changed != content
    for token, words in (
        (signed, "This app gave this answer"),
        (f"{changed}.{key_id}.{signature}", "was changed after it was made"),
        (f"{content}.000000.{signature}", "signed with another key"),
        (content, "isn’t signed"),
    ):
        page.goto(f"/?answer={token}")
        expect(note).to_contain_text(words)
        expect(drive.headline(page)).to_have_count(1)
