"""Share links in the browser: answers, the Back button, links that are refused."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.drive import (
    GREETING,
    PLAIN,
    give,
    go,
    headline,
    photo,
    sample,
    wait_for_answer,
    wait_until_drawn,
)

ANSWER = re.compile(r"answer=([a-z0-9_.~%A-Z-]+)")
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "**bold** :red[x] $x$ :smile:",
    "\u202e~~~~~",
)
"""Tokens that would attack the page, or change its look; others never leave ``decode``."""


@pytest.fixture
def coffee(page):
    """Return a page with the answer for a photo of coffee."""
    page.goto("/?run=server")
    give(page, sample("coffee").read())
    wait_for_answer(page)
    expect(page).to_have_url(ANSWER)
    return page


def test_answer_survives_back_reload_and_other_pages(coffee):
    first = headline(coffee).inner_text()
    give(coffee, sample("cat").read())
    expect(headline(coffee)).not_to_have_text(first)
    second = wait_for_answer(coffee)
    assert second != first
    for title in ("Batch", "About", "Models"):
        open_page(coffee, title)
        expect(headline(coffee).filter(has_text="My best guess")).to_have_count(0)
        open_page(coffee, "Identify")
        expect(headline(coffee)).to_have_text(second)
        expect(photo(coffee)).to_be_visible()
    coffee.go_back()
    wait_until_drawn(coffee)
    coffee.goto("/?run=server")
    give(coffee, sample("coffee").read())
    expect(headline(coffee)).to_have_text(first)
    give(coffee, sample("cat").read())
    expect(headline(coffee)).to_have_text(second)
    coffee.go_back()
    expect(headline(coffee)).to_have_text(first)
    expect(photo(coffee)).to_be_visible()
    coffee.go_forward()
    expect(headline(coffee)).to_have_text(second)
    coffee.reload()
    expect(headline(coffee)).to_have_text(second)


def test_back_leads_to_the_previous_page_without_an_empty_one(page):
    page.goto("/")
    give(page, sample("coffee").read())
    words = wait_for_answer(page)
    address = page.url
    open_page(page, "Batch")
    open_page(page, "Identify")
    expect(headline(page)).to_have_text(words)
    assert page.url == address
    page.reload()
    expect(headline(page)).to_have_text(words)
    page.go_back()
    expect(page).to_have_url(re.compile("/batch$"))
    page.go_back()
    expect(headline(page)).to_have_text(words)
    assert page.url == address


@pytest.mark.quick
def test_chosen_model_stays_in_the_address_from_page_to_page(page):
    page.goto("/")
    wait_until_drawn(page)
    page.get_by_role("combobox", name="Model").select_option("Ten kinds of clothes")
    expect(page).to_have_url(re.compile(r"/\?model=clothing$"))
    open_page(page, "About")
    expect(page).to_have_url(re.compile(r"/about$"))
    open_page(page, "Identify")
    expect(page).to_have_url(re.compile(r"/\?model=clothing$"))
    page.go_back()
    expect(headline(page).first).to_contain_text("About")


def open_page(page, title):
    go(page, title)
    path = "" if title == "Identify" else title.lower()
    expect(page).to_have_url(re.compile(rf":\d+/{path}(\?.*)?$"))
    wait_until_drawn(page)


@pytest.mark.quick
def test_link_to_another_version_is_refused(page):
    page.goto("/?answer=imagenet~000000000000~c~x~x~967-951")
    alert = page.locator(".vf-alert")
    expect(alert).to_contain_text("came from version 000000000000")
    expect(headline(page)).to_have_text(GREETING)
    expect(alert).to_be_in_viewport()


def test_hostile_links_are_refused(page):
    page.goto(PLAIN)
    for value in HOSTILE:
        expect(page.get_by_text("The whole file goes to the server")).to_be_visible()
        # As the Back button brings it, which is faster than opening the page anew.
        open_link(page, f"{PLAIN}&answer={quote(value)}")
        expect_refusal(page, value)
        open_link(page, PLAIN)
    for value in HOSTILE[:2]:
        page.goto(f"{PLAIN}&answer={quote(value)}")
        expect_refusal(page, value)


def open_link(page, link):
    page.evaluate(
        """link => {
          history.pushState({}, '', link);
          dispatchEvent(new PopStateEvent('popstate'));
        }""",
        link,
    )


def expect_refusal(page, value):
    expect(page.get_by_test_id("stAlert"), repr(value[:80])).to_contain_text(
        re.compile("This link is incomplete|This link is damaged|This answer came from")
    )
    expect(headline(page)).to_have_count(0)
    main = page.get_by_test_id("stMain")
    # Except for the link back to the viewfinder.
    own = ":not([data-testid=stPageLink-NavLink])"
    assert main.locator(f"script, a{own}, strong, em, .katex").count() == 0, value


def test_page_says_what_a_links_signature_shows(coffee):
    page, signed = coffee, ANSWER.search(coffee.url).group(1)
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
        expect(headline(page)).to_have_count(1)
