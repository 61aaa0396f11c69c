"""The page Compare, and the choice of an engine: one photo by every way."""

import re

import pytest
from playwright.sync_api import expect

from model.text import format_size
from tests.browser.drive import give, sample, settings_menu, source_line, wait_for_answer


def test_photo_is_answered_by_each_way_and_other_files_are_refused(page):
    page.goto("/compare?model=imagenet")
    upload, photo = page.locator("input[type=file]"), page.get_by_alt_text("Your photo")
    text = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no photo at all"}
    upload.set_input_files(text)
    expect(page.get_by_role("status").filter(has_text="photo")).to_be_visible(timeout=60_000)
    expect(photo).to_be_hidden()
    expect(page.get_by_role("heading", name="Where should inference")).to_be_hidden()
    coffee = sample("coffee")
    upload.set_input_files(coffee.path)
    # Where torch takes long to load, the learner engine gives no answer.
    agreement = page.get_by_role("heading", name=re.compile("All (three|four) say espresso"))
    expect(agreement).to_be_visible(timeout=100_000)
    # The server under test fetches nothing: the device needs only Loupe's own kernels.
    for graph in ("small", "full"):
        expect(page.get_by_text(f"On this device, {graph} graph", exact=True)).to_be_visible()
    compiled = page.locator("p", has_text="On the server, compiled engine")
    expect(compiled).to_contain_text(f"{format_size(coffee.path.stat().st_size)} sent")
    expect(page.get_by_text("My best guess: an espresso").first).to_be_visible()
    # This model isn't calibrated.
    expect(page.get_by_text("Estimated: ")).to_be_visible()
    expect(page.get_by_role("columnheader").filter(has_text="compiled")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="Latency")).to_contain_text(" ms")


@pytest.mark.torch
def test_engines_agree_and_the_address_names_the_chosen_one(page):
    page.goto("/?engine=learner&run=server")
    give(page, sample("coffee").read())
    # The first one in this process imports torch.
    expect(source_line(page)).to_contain_text("learner engine", timeout=90_000)
    words = wait_for_answer(page, engine="learner")
    for title, engine in (("The fast copy", "compiled"), ("The original model", "learner")):
        settings_menu(page).click()
        page.get_by_test_id("stPopoverBody").get_by_text(title, exact=True).click()
        page.keyboard.press("Escape")
        assert wait_for_answer(page, engine=engine) == words
        expect(page).to_have_url(re.compile(f"answer=imagenet~[0-9a-f]{{12}}~{engine[0]}~"))
        is_named = "engine=learner" if engine == "learner" else "^((?!engine=).)*$"
        expect(page).to_have_url(re.compile(is_named))
