"""A model's card and an answer's track record, on a phone and at a desk, in light and dark."""

import pytest
from playwright.sync_api import expect

from tests.browser.accessible import TWO_LOOKS, check_drawn, options_of
from tests.browser.drive import (
    IS_RED,
    chart,
    checked_page,
    give,
    headline,
    photo,
    wait_until_drawn,
)
from tests.model.tiny import CALIBRATED, CARD, MEASURED, colour, tiny
from tests.photos import encoded

FIGURES = {
    "Mix-ups": "46 of 60 photos correct",
    "Calibration": "78% were correct",
    "By label": "Worst first",
    "None of these": "it accepts 55%",
    "Mistakes": "most confident mistakes",
    "Method": "The seed is 7.",
}
MORE = "By label, charts and origin"
CHARTS = ("Mix-ups", "Calibration")


@pytest.fixture(scope="module")
def measured(server):
    """Publish the model of colours with a card."""
    models_dir = server.data / "models"
    yield tiny(models_dir, "measured", confidence=CALIBRATED, card=CARD, metrics=MEASURED)
    # Other tests expect the built-in models alone.
    (models_dir / "measured").rename(server.data / "taken away")


@pytest.fixture(scope="module", params=TWO_LOOKS)
def page(request, browser, server, measured):
    options = {"base_url": server.url, **options_of(request.param)}
    with checked_page(browser, options) as opened:
        yield opened


def card(page, title):
    """Return the card of the model with that title."""
    heading = page.get_by_role("heading", name=title, exact=True)
    return page.get_by_test_id("stVerticalBlock").filter(has=heading).last


def show(page, part):
    """Scroll a part below the page's header, once an opened expander has reached its height."""
    page.mouse.move(0, 0)
    page.wait_for_function(
        """() => {
          const main = document.querySelector('[data-testid=stMain]');
          const [before, now] = [main.dataset.height, String(main.scrollHeight)];
          main.dataset.height = now;
          return before === now;
        }""",
        polling=200,
    )
    part.evaluate(
        """part => {
          part.scrollIntoView();
          document.querySelector('[data-testid=stMain]').scrollBy(0, -80);
        }"""
    )


def choose(page, box, figure):
    box.get_by_test_id("stButtonGroup").get_by_text(figure, exact=True).click()
    # Under the pointer, a button is drawn fainter for a moment and a table gets a toolbar.
    page.mouse.move(0, 0)


def test_card_and_its_figures_are_readable(page):
    page.goto("/models")
    box = card(page, "Colours")
    expect(box.get_by_text("About 77 of 100 photos")).to_be_visible()
    # The other charts are drawn only once the visitor opens them.
    expect(box.get_by_test_id("stVegaLiteChart")).to_have_count(1)
    check_drawn(page, "models-closed")
    box.get_by_text(MORE).click()
    for figure, words in FIGURES.items():
        choose(page, box, figure)
        expect(box.get_by_text(words)).to_be_visible()
        if figure in CHARTS:
            expect(chart(box).last).to_be_visible()
        show(page, box.get_by_text(MORE))
        check_drawn(page, f"models-{figure.split()[0].lower()}")
        if figure in CHARTS:
            drawing = box.get_by_test_id("stVegaLiteChart").last.bounding_box()
            assert drawing["width"] <= box.bounding_box()["width"]
    choose(page, box, "Origin")
    expect(box.get_by_text("million parameters")).to_be_visible()
    show(page, box.get_by_text(MORE))
    check_drawn(page, "models-origin")


ANSWERS = {
    "likely": ((255, 0, 0), IS_RED, "Right 8 of the 9 times"),
    "few": (
        (255, 128, 0),
        "A yellow or a red",
        "One of the labels it named was right 92 times in 100",
    ),
    "unknown": ((128,) * 3, "None of the six things I know (closest: white)", "It also said this"),
}
"""Colour of the photo, headline, and the beginning of the track record."""


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_and_its_track_record_fit_on_the_screen(page, name):
    rgb, words, line = ANSWERS[name]
    page.goto("/?run=server&model=measured")
    give(page, encoded(colour(rgb), "PNG"))
    expect(headline(page)).to_have_text(words)
    # Percentages among wrong labels would mean nothing.
    expect(page.get_by_role("table")).to_be_visible(visible=name != "unknown")
    wait_until_drawn(page)
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    assert photo(page).bounding_box()["height"] <= (0.45 if width < 900 else 0.7) * height
    track_record = page.locator(".vf-sub").filter(has_text="in testing")
    expect(track_record).to_contain_text(line)
    below = track_record.bounding_box()
    assert below["y"] > headline(page).bounding_box()["y"]
    # At least two bars above the end of the screen.
    assert below["y"] + below["height"] + 60 < height
    check_drawn(page, f"identify-{name}")
