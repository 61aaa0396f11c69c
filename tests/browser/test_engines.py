"""The choice of an engine, by link and on the page."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.drive import give, sample, settings_menu, source_line, wait_for_answer

pytestmark = pytest.mark.torch
FIRST_LOAD = 90_000


def test_engines_agree_and_the_address_names_the_chosen_one(page):
    page.goto("/?engine=learner&run=server")
    give(page, sample("coffee").read())
    # The first one in this process imports torch.
    expect(source_line(page)).to_contain_text("learner engine", timeout=FIRST_LOAD)
    learner = wait_for_answer(page, engine="learner")
    choose(page, "The fast copy")
    assert wait_for_answer(page, engine="compiled") == learner
    expect(page).to_have_url(re.compile("answer=imagenet~[0-9a-f]{12}~c~"))
    assert "engine=learner" not in page.url
    choose(page, "The original model")
    assert wait_for_answer(page, engine="learner") == learner
    expect(page).to_have_url(re.compile("engine=learner"))
    expect(page).to_have_url(re.compile("answer=imagenet~[0-9a-f]{12}~l~"))


def choose(page, engine):
    settings_menu(page).click()
    page.get_by_test_id("stPopoverBody").get_by_text(engine, exact=True).click()
    page.keyboard.press("Escape")
