"""The viewfinder on Streamlit's page: photos, sent bodies, the address, the camera, outages."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from model.corrections import CorrectionStore
from tests.browser.drive import (
    COUNT_TRACKS,
    DESK,
    chart,
    checked_page,
    give,
    go,
    headline,
    photo,
    settings_menu,
    source_line,
    uploader,
    wait_until_drawn,
)
from tests.browser.server import Server, framing, serving
from tests.model.tiny import CALIBRATED, colour, tiny
from tests.photos import encoded

RED, GREEN = (encoded(colour(name).resize((900, 700)), "JPEG") for name in ("red", "green"))
IS_RED, IS_GREEN = "Very likely a red", "Very likely a green"
STAYS = "On this device: the photo stays here"
LOADING_MS = 60_000
"""Longest time in which the files for browsers are made, and loaded, on a busy machine."""
NewPage = Callable[..., Page]


@pytest.fixture
def page(new_page: NewPage, colours_server: Server) -> Iterator[Page]:
    yield new_page(base_url=colours_server.url)
    assert not colours_server.tracebacks()


@pytest.mark.slow
def test_back_nine_times_shows_photos_with_their_answers_and_actions(page: Page) -> None:
    page.goto("/?run=server")
    for data, words in ((RED, IS_RED), (GREEN, IS_GREEN)):
        before = page.evaluate("location.href")
        give(page, data)
        expect(headline(page)).to_have_text(words)
        # The address follows the words, and would otherwise change under the next step.
        page.wait_for_function("before => location.href !== before", arg=before)
        wait_until_drawn(page)
    for step in range(8):
        before = page.evaluate("location.href")
        name, words = (("red", IS_RED), ("green", IS_GREEN))[step % 2]
        page.locator(".vf").get_by_role("button", name=name, exact=True).click()
        expect(headline(page)).to_have_text(words)
        page.wait_for_function("before => location.href !== before", arg=before)
        wait_until_drawn(page)
    for step in range(9):
        page.go_back()
        expect(headline(page)).to_have_text((IS_RED, IS_GREEN)[step % 2])
        expect(photo(page)).to_be_visible()
        for name in ("Why?", "Wrong?", "Share"):
            expect(page.get_by_role("button", name=name)).to_be_visible()


def test_link_shows_a_stranger_the_answer_without_the_photo(
    new_page: NewPage, colours_server: Server, page: Page
) -> None:
    version = "[0-9a-f]{12}"
    for run, note, token in (
        ("server", "This app gave this answer", rf"{version}~c~.*\.[0-9a-f]{{6}}\."),
        ("device", "computed on the visitor's own device", rf"{version}~ws~[^.]*$"),
    ):
        page.goto(f"/?run={run}")
        give(page, RED)
        expect(page).to_have_url(re.compile(f"answer=colours~{token}"))
        expect(chart(page)).to_be_visible()
        page.get_by_role("button", name="Share").click()
        link = page.get_by_role("dialog").get_by_role("textbox", name="Link").input_value()
        other = new_page(base_url=colours_server.url)
        other.goto(link)
        expect(headline(other)).to_have_text(IS_RED)
        expect(other.locator(".vf")).to_contain_text(note)
        expect(chart(other)).to_be_visible()
        expect(photo(other)).not_to_be_visible()
        expect(other.get_by_role("button", name="Wrong?")).to_have_count(0)


def test_correction_sends_the_photo_only_with_consent(page: Page, colours_server: Server) -> None:
    page.goto("/?run=device")
    give(page, RED)
    expect(page).to_have_url(re.compile("answer="))
    for word, consents in (("crimson", False), ("scarlet", True)):
        page.get_by_role("button", name="Wrong?").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("What is it?").fill(word)
        if consents:
            dialog.get_by_role("checkbox").check()
        dialog.get_by_role("button", name="Save", exact=True).click()
        expect(dialog).to_contain_text("Thanks.")
        dialog.get_by_role("button", name="Close").click()
    with closing(CorrectionStore(f"sqlite:///{colours_server.data / 'records.sqlite'}")) as store:
        first, second = store.iter_corrections()
        assert (first.label, first.has_photo, first.engine) == ("crimson", False, "wasm")
        # The server has identified it again.
        assert (second.label, second.has_photo, second.engine) == ("scarlet", True, "compiled")


def test_dialog_is_closed_by_a_press_on_its_backdrop_only(page: Page) -> None:
    page.goto("/?run=server")
    source_line(page).click()
    dialog = page.get_by_role("dialog")
    dialog.click(position={"x": 8, "y": 8})
    expect(dialog).to_be_visible()
    # A selection of text that ends on the backdrop.
    dialog.get_by_role("heading").hover()
    page.mouse.down()
    page.mouse.move(2, 2)
    page.mouse.up()
    expect(dialog).to_be_visible()
    page.mouse.click(2, 2)
    expect(dialog).to_have_count(0)


def test_visitor_chooses_the_engines_place(page: Page) -> None:
    page.goto("/?run=server")
    source_line(page).click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^This device")).click()
    expect(page).to_have_url(re.compile("run=device"))
    expect(source_line(page)).to_contain_text(STAYS, timeout=LOADING_MS)
    source_line(page).click()
    # The owner's choice needs no address.
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Automatic")).click()
    expect(page).not_to_have_url(re.compile("run="))


def test_one_camera_stays_open_through_reruns_and_closes_with_the_page(page: Page) -> None:
    page.add_init_script(COUNT_TRACKS)
    page.goto("/?run=server")
    page.wait_for_function("() => openTracks() === 1")
    settings_menu(page).click()
    slider = page.get_by_role("slider")
    for step in range(20):
        slider.press("ArrowRight" if step % 2 else "ArrowLeft")
        pattern = re.compile("top=9") if step % 2 == 0 else re.compile(r"^((?!top=).)*$")
        expect(page).to_have_url(pattern)
    page.keyboard.press("Escape")
    page.emulate_media(color_scheme="dark")
    expect(page.locator(".vf[data-theme=dark]")).to_be_visible()
    assert page.evaluate("[openTracks(), tracks.length]") == [1, 1]
    page.get_by_role("button", name="Take a photo").click()
    expect(page).to_have_url(re.compile("answer="))
    assert page.evaluate("openTracks()") == 1
    go(page, "About")
    expect(headline(page)).to_have_text("About Loupe")
    page.wait_for_function("() => openTracks() === 0")
    go(page, "Identify")
    page.get_by_role("button", name="Back to the camera").click()
    page.wait_for_function("() => openTracks() === 1")


@pytest.mark.slow
def test_visitor_chooses_another_way_and_comes_back(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Other ways").click()
    ways = page.get_by_test_id("stPopoverBody")
    ways.get_by_text("Upload").click()
    expect(uploader(page)).to_be_visible()
    expect(page.locator(".vf-screen")).not_to_be_visible()
    page.get_by_role("button", name="Other ways").click()
    ways.get_by_text("Viewfinder").click()
    expect(page.locator(".vf-screen")).to_be_visible()
    expect(uploader(page)).to_have_count(0)


def test_blocked_script_falls_back_to_upload(page: Page) -> None:
    page.route("**/device/streamlit.mjs", lambda route: route.abort())
    page.goto("/")
    expect(page.get_by_test_id("stAlert")).to_contain_text("couldn't be loaded")
    expect(uploader(page)).to_be_visible()


@pytest.mark.slow
def test_viewfinder_works_below_a_prefix_in_a_frame_of_another_site(
    browser: Browser, tmp_path: Path
) -> None:
    tiny(tmp_path / "data" / "models", "colours", title="Colours", confidence=CALIBRATED)
    with (
        serving(tmp_path, prefix="some/prefix/~/+", LOUPE_MODEL="colours") as app,
        framing(f"{app.url}/?run=server", "127.0.0.1") as address,
        checked_page(browser, {"viewport": DESK}) as page,
    ):
        page.goto(address)
        frame = page.frame_locator("iframe")
        give(frame, RED)
        expect(headline(frame)).to_have_text(IS_RED)
        expect(chart(frame)).to_be_visible()
        frame.get_by_role("button", name="Share").click()
        link = frame.get_by_role("dialog").get_by_role("textbox", name="Link").input_value()
        assert link.startswith(app.url.removesuffix("/~/+"))
        assert not app.tracebacks()
