"""The viewfinder on Streamlit's page: links, corrections, dialogs, the camera, other ways."""

import re
from collections.abc import Callable
from contextlib import closing

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from model.corrections import CorrectionStore
from tests.browser.drive import (
    COUNT_TRACKS,
    GREEN_PHOTO,
    GREETING,
    LOADING_MS,
    RED_PHOTO,
    chart,
    correct,
    give,
    go,
    headline,
    identify_red,
    photo,
    settings_menu,
    source_line,
    uploader,
    wait_until_drawn,
)
from tests.browser.server import Server
from tests.waiting import wait_until

IS_RED, IS_GREEN = "Very likely a red", "Very likely a green"
STAYS = "On this device: the photo stays here"
NewPage = Callable[..., Page]


@pytest.fixture
def page(open_colours: NewPage) -> Page:
    return open_colours()


def test_link_shows_a_stranger_the_answer_without_the_photo(
    open_colours: NewPage, page: Page
) -> None:
    version = "[0-9a-f]{12}"
    for run, said, missing, proof, token in (
        (
            "server",
            "Loupe said",
            "links don’t",
            "This app said so",
            rf"{version}~cp?~.*\.\w+\.",
        ),
        (
            "device",
            "Somebody’s phone said",
            "links don’t include it",
            "Not checked",
            rf"{version}~ws~[^.]*$",
        ),
    ):
        page.goto(f"/?run={run}")
        give(page, RED_PHOTO)
        expect(page).to_have_url(re.compile(f"answer=colours~{token}"))
        expect(chart(page)).to_be_visible()
        page.get_by_role("button", name="Share").click()
        link = page.get_by_role("dialog").get_by_role("textbox", name="Link").input_value()
        other = open_colours(path=link)
        expect(headline(other)).to_have_text(re.compile(rf"^{said} red \d\d(\.\d)?%$"))
        expect(other.get_by_text("There is no photo")).to_contain_text(missing)
        expect(photo(other)).not_to_be_visible()
        expect(other.get_by_role("button", name="Wrong?")).to_have_count(0)
        bars = other.get_by_role("table", name="The likeliest labels")
        expect(bars).to_have_count(0)
        other.get_by_text(proof).click()
        expect(bars).to_be_visible()
        wait_until_drawn(other)
        expect(chart(other)).to_be_hidden()


@pytest.mark.quick
def test_correction_sends_the_photo_only_with_consent(page: Page, colours_server: Server) -> None:
    page.goto("/?run=device")
    give(page, RED_PHOTO)
    expect(page).to_have_url(re.compile("answer="))
    with closing(CorrectionStore(f"sqlite:///{colours_server.data / 'records.sqlite'}")) as store:

        def saved() -> list[tuple[str, bool, str]]:
            return [(one.label, one.has_photo, one.engine) for one in store.iter_corrections()]

        before = saved()
        correct(page, "crimson")
        assert saved() == [*before, ("crimson", False, "wasm")]
        # It replaces the first one, and the server has identified the copy.
        correct(page, "scarlet", sends_copy=True)
        wait_until(lambda: saved() == [*before, ("scarlet", True, "compiled")])
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".vf-saved")).to_have_text("Undone: nothing is saved.")
        assert saved() == before


@pytest.mark.quick
def test_one_press_saves_a_label_or_that_the_answer_is_right(page: Page) -> None:
    page.goto("/?run=server")
    give(page, RED_PHOTO)
    page.get_by_role("button", name="Right").click()
    panel = page.get_by_role("region", name="Correction")
    expect(panel).to_contain_text("may use it to improve the model")
    panel.get_by_role("button", name="Yes").click()
    saved = page.locator(".vf-saved")
    expect(saved).to_contain_text("Thanks")
    saved.get_by_role("button", name="Undo").click()
    expect(saved).to_contain_text("nothing is saved")
    page.get_by_role("button", name="Wrong?").click()
    # What the model said is no correction of it.
    expect(panel.get_by_role("button", name="red", exact=True)).to_have_count(0)
    panel.get_by_role("button", name="Something else…").click()
    panel.get_by_role("combobox", name="Label").fill("Red")
    panel.get_by_role("button", name="Save").click()
    expect(panel).to_contain_text("That is what it said.")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    page.get_by_role("button", name="Wrong?").click()
    panel.get_by_role("button", name="green").click()
    expect(saved).to_contain_text("Saved: green")
    page.route("**/api/v1/corrections", lambda route: route.abort())
    page.get_by_role("button", name="Right").click()
    expect(saved).to_have_text("The server doesn’t answer. Check the connection.")
    page.unroute("**/api/v1/corrections")
    give(page, GREEN_PHOTO)
    expect(saved).to_be_empty()


@pytest.mark.quick
def test_correction_does_not_wait_for_the_labels(page: Page) -> None:
    held: list[Route] = []
    page.route("**/api/v1/models/colours", lambda route: held.append(route))  # noqa: PLW0108
    page.goto("/?run=server")
    give(page, RED_PHOTO)
    expect(headline(page)).to_have_text(IS_RED)
    page.get_by_role("button", name="Wrong?").click()
    page.get_by_role("button", name="Something else…").click()
    panel = page.get_by_role("region", name="Correction")
    expect(panel.get_by_role("combobox", name="Label")).to_be_focused()
    held.pop().continue_()
    expect(panel.locator("option")).not_to_have_count(0)


@pytest.mark.quick
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


class SlowReplies:
    """Holds back the app's replies to a page."""

    def __init__(self, page: Page) -> None:
        self.is_holding = False
        self.held: list[Callable[[], None]] = []
        page.route_web_socket(re.compile("/_stcore/stream"), self._relay)

    def release(self) -> None:
        self.is_holding = False
        for send in self.held:
            send()

    def _relay(self, socket: WebSocketRoute) -> None:
        def pass_on(message: str | bytes) -> None:
            if self.is_holding:
                self.held.append(lambda: socket.send(message))
            else:
                socket.send(message)

        socket.connect_to_server().on_message(pass_on)


def choose_place(page: Page, place: str) -> None:
    source_line(page).click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile(f"^{place}")).click()


def test_choices_hold_before_the_app_replies(page: Page) -> None:
    replies = SlowReplies(page)
    page.goto("/?run=server")
    expect(source_line(page)).to_contain_text("On the server: ")
    replies.is_holding = True
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.url}"))
    choose_place(page, "This device")
    expect(source_line(page)).to_contain_text(STAYS, timeout=LOADING_MS)
    page.get_by_role("combobox", name="Model").select_option("Wide")
    give(page, RED_PHOTO)
    expect(source_line(page)).to_contain_text("On this device in", timeout=LOADING_MS)
    assert not [one for one in sent if one.startswith("POST") and "/api/session/" not in one]
    replies.release()
    expect(page).to_have_url(re.compile(r"run=device.*model=wide|model=wide.*run=device"))
    expect(source_line(page)).to_contain_text("On this device in")


def test_line_tells_what_was_sent_before_the_visitor_chose_the_device(page: Page) -> None:
    page.goto("/?run=server")
    expect(source_line(page)).to_contain_text("On the server: ")
    devtools = page.context.new_cdp_session(page)
    held = {"urlPattern": "*/api/v1/identify*", "requestStage": "Response"}
    devtools.send("Fetch.enable", {"patterns": [held]})
    with page.expect_request("**/api/v1/identify*"):
        give(page, RED_PHOTO)
    # Time for the upload's first progress event.
    page.wait_for_timeout(500)
    choose_place(page, "This device")
    line = re.compile(r"^On this device in .*; sent: (the file, )?\d+ kB")
    expect(source_line(page)).to_have_text(line, timeout=LOADING_MS)


def test_model_chosen_below_a_link_answers_the_next_photo(page: Page) -> None:
    replies = SlowReplies(page)
    page.goto("/?run=server")
    give(page, RED_PHOTO)
    expect(page).to_have_url(re.compile("answer="))
    page.get_by_role("button", name="Clear recent photos").click()
    page.reload()
    expect(headline(page)).to_have_text(IS_RED)
    replies.is_holding = True
    page.get_by_role("combobox", name="Model").select_option("Wide")
    give(page, RED_PHOTO)
    expect(page.locator(".vf-recent")).to_have_count(1)
    replies.release()
    expect(page).to_have_url(re.compile("answer=wide"))


def test_answer_closed_at_once_stays_closed_when_the_place_changes(page: Page) -> None:
    replies = SlowReplies(page)
    page.goto("/?run=auto")
    expect(source_line(page)).to_contain_text(STAYS, timeout=LOADING_MS)
    # The app's reply, with the answer's address, comes after the answer is closed.
    replies.is_holding = True
    give(page, RED_PHOTO)
    expect(headline(page)).to_have_text(IS_RED)
    wait_until(lambda: page.evaluate("1") and len(replies.held) > 1, 20)
    page.get_by_role("button", name="Back to the camera").click()
    replies.release()
    for place, address, line in (
        ("The server", r"\?run=server$", "On the server: "),
        # The owner's choice needs no address.
        ("Automatic", r"/$", STAYS),
    ):
        choose_place(page, place)
        expect(page).to_have_url(re.compile(address))
        expect(source_line(page)).to_contain_text(line, timeout=LOADING_MS)
        expect(headline(page)).to_have_text(GREETING)


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


def test_about_clears_the_recent_photos(page: Page) -> None:
    page.goto("/?run=server")
    give(page, RED_PHOTO)
    expect(headline(page)).to_have_text(IS_RED)
    expect(page.locator(".vf-recent")).to_have_count(1)
    other = page.context.new_page()
    other.goto("/device/")
    identify_red(other)
    expect(other.locator(".vf-recent")).to_have_count(1)
    go(page, "About")
    page.get_by_role("button", name="Clear them now").click()
    expect(page.get_by_text("Cleared.")).to_be_visible()
    expect(other.locator(".vf-recent")).to_have_count(0)
    go(page, "Identify")
    expect(headline(page)).to_have_text(GREETING)
    expect(page.locator(".vf-recent")).to_have_count(0)


def test_visitor_chooses_another_way_and_comes_back(page: Page) -> None:
    page.goto("/")
    expect(page.locator(".vf-screen")).to_be_visible()
    settings_menu(page).click()
    page.get_by_test_id("stPopoverBody").get_by_text("Without the viewfinder").click()
    expect(uploader(page)).to_be_visible()
    expect(page.locator(".vf-screen")).to_have_count(0)
    page.get_by_text("With the viewfinder").click()
    expect(page.locator(".vf-screen")).to_be_visible()
    expect(uploader(page)).to_have_count(0)


@pytest.mark.quick
def test_blocked_script_falls_back_to_upload(page: Page) -> None:
    # On a slow connection, or a busy machine, it comes in one file with its modules.
    script = re.compile(r"/device/streamlit\.mjs|/static/js/loupe\.")
    page.route(script, lambda route: route.abort())
    page.goto("/")
    expect(page.get_by_test_id("stAlert")).to_contain_text("couldn’t be loaded")
    expect(uploader(page)).to_be_visible()
