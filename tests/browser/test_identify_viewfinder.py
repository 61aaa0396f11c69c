"""The viewfinder on Streamlit's page: links, corrections, dialogs, the camera, other ways."""

import re
from collections.abc import Callable
from contextlib import closing
from io import BytesIO

import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Page, WebSocketRoute, expect

from model.corrections import CorrectionStore
from tests.browser import drive
from tests.browser.server import Server
from tests.model.tiny import colour
from tests.photos import encoded
from tests.waiting import wait_until

STAYS = "On this device: the photo stays here"
NewPage = Callable[..., Page]


@pytest.fixture
def page(open_colours: NewPage) -> Page:
    return open_colours()


LINKS = {
    "server": ("Loupe said", "links don’t", "This app said so", r"~cp?~.*\.\w+\."),
    "device": ("Somebody’s phone said", "links don’t include it", "Not checked", "~ws~[^.]*$"),
}
"""By where the photo was identified: words of the link's page, and the end of the link."""


def test_link_shows_a_stranger_the_answer_only(open_colours: NewPage, page: Page) -> None:
    for run, (said, missing, proof, end) in LINKS.items():
        page.goto(f"/?run={run}")
        drive.give(page, drive.RED_PHOTO)
        expect(page).to_have_url(re.compile(f"answer=colours~[0-9a-f]{{12}}{end}"))
        expect(drive.chart(page)).to_be_visible()
        other = open_colours(path=drive.share_link(page))
        expect(drive.headline(other)).to_have_text(re.compile(rf"^{said} red \d\d(\.\d)?%$"))
        expect(other.get_by_text("There is no photo")).to_contain_text(missing)
        expect(drive.photo(other)).not_to_be_visible()
        expect(other.get_by_role("button", name="Wrong?")).to_have_count(0)
        bars = other.get_by_role("table", name="The likeliest labels")
        expect(bars).to_have_count(0)
        other.get_by_text(proof).click()
        expect(bars).to_be_visible()
        drive.wait_until_drawn(other)
        expect(drive.chart(other)).to_be_hidden()


KEEP_COPY = """
() => {
  const { send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.send = async function (form) {
    const copy = form.get?.("photo");
    if (copy) window.copy = [...new Uint8Array(await copy.arrayBuffer())];
    send.call(this, form);
  };
}
"""


@pytest.mark.quick
def test_correction_sends_a_clean_copy_with_consent(page: Page, colours_server: Server) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (1.0, 2.0, 3.0)
    page.goto("/?run=device")
    drive.give(page, encoded(colour("red").resize((1600, 1200)), "JPEG", exif=exif))
    expect(page).to_have_url(re.compile("answer="))
    page.evaluate(KEEP_COPY)
    with closing(CorrectionStore(f"sqlite:///{colours_server.data / 'records.sqlite'}")) as store:

        def saved() -> list[tuple[str, bool, str]]:
            return [(one.label, one.has_photo, one.engine) for one in store.iter_corrections()]

        before = saved()
        drive.correct(page, "crimson")
        assert saved() == [*before, ("crimson", False, "wasm")]
        # It replaces the first one, and the server has identified the copy.
        drive.correct(page, "scarlet", sends_copy=True)
        wait_until(lambda: saved() == [*before, ("scarlet", True, "compiled")])
        size = len(page.evaluate("window.copy"))
        line = f"; sent: numbers and a copy, {size / 1000:.0f} kB"
        expect(drive.source_line(page)).to_contain_text(line)
        copy = Image.open(BytesIO(bytes(page.evaluate("window.copy"))))
        assert (copy.format, copy.size, dict(copy.getexif())) == ("JPEG", (750, 1000), {})
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".vf-saved")).to_have_text("Undone: nothing is saved.")
        assert saved() == before
        page.reload()
        expect(drive.source_line(page)).to_contain_text(line)


@pytest.mark.quick
def test_undo_stays_with_the_answer_until_the_correction_is_deleted(page: Page) -> None:
    page.goto("/?run=server")
    drive.give(page, drive.RED_PHOTO)
    expect(page).to_have_url(re.compile("answer="))
    drive.correct(page, "rose")
    saved = page.locator(".vf-saved")
    undo = saved.get_by_role("button", name="Undo")
    page.route("**/api/v1/corrections/*", lambda route: route.abort())
    undo.click()
    expect(saved).to_contain_text(
        re.compile(r"^Saved: rose \(no\. \d+\)\. The server doesn’t answer")
    )
    page.unroute("**/api/v1/corrections/*")
    drive.give(page, drive.GREEN_PHOTO)
    expect(drive.headline(page)).to_have_text(drive.IS_GREEN)
    expect(saved).to_be_empty()
    page.go_back()
    expect(saved).to_contain_text("Saved: rose")
    drive.go(page, "Batch")
    expect(saved).to_have_count(0)
    drive.go(page, "Identify")
    expect(saved).to_contain_text("Saved: rose")
    page.reload()
    undo.click()
    expect(saved).to_have_text("Undone: nothing is saved.")
    page.reload()
    expect(drive.headline(page)).to_have_text(drive.IS_RED)
    expect(saved).to_be_empty()


@pytest.mark.quick
def test_one_press_saves_a_label_or_that_the_answer_is_right(page: Page) -> None:
    labels = drive.HeldRequests(page, "**/api/v1/models/colours")
    page.goto("/?run=server")
    drive.give(page, drive.RED_PHOTO)
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
    # The panel doesn't wait for the labels that it suggests.
    expect(panel.get_by_role("combobox", name="Label")).to_be_focused()
    labels.release()
    expect(panel.locator("option")).not_to_have_count(0)
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
    expect(saved).to_have_text(
        re.compile(r"^Saved: green \(no\. \d+\)\. The server doesn’t answer")
    )
    page.unroute("**/api/v1/corrections")
    drive.give(page, drive.GREEN_PHOTO)
    expect(saved).to_be_empty()


def test_dialog_is_closed_by_a_press_on_its_backdrop_only(page: Page) -> None:
    page.goto("/?run=server")
    drive.source_line(page).click()
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
    # A change of mode closes it, because it shows the present one.
    drive.choose_place(page, "This device")
    drive.source_line(page).click()
    expect(dialog).to_be_visible()
    page.go_back()
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
        self.held.clear()

    def _relay(self, socket: WebSocketRoute) -> None:
        def pass_on(message: str | bytes) -> None:
            if self.is_holding:
                self.held.append(lambda: socket.send(message))
            else:
                socket.send(message)

        socket.connect_to_server().on_message(pass_on)


def test_choices_hold_before_the_app_replies(page: Page) -> None:
    replies = SlowReplies(page)
    page.goto("/?run=server")
    drive.give(page, drive.RED_PHOTO)
    expect(page).to_have_url(re.compile("answer="))
    # While a shared answer is open, choosing another model affects only the next photo.
    page.get_by_role("button", name="Clear recent photos").click()
    page.reload()
    expect(drive.headline(page)).to_have_text(drive.IS_RED)
    replies.is_holding = True
    page.get_by_role("combobox", name="Model").select_option("Wide")
    drive.give(page, drive.RED_PHOTO)
    expect(page.locator(".vf-recent")).to_have_count(1)
    replies.release()
    expect(page).to_have_url(re.compile("answer=wide"))
    page.get_by_role("button", name="Back to the camera").click()
    expect(page).not_to_have_url(re.compile("answer="))
    replies.is_holding = True
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.url}"))
    drive.choose_place(page, "This device")
    expect(drive.source_line(page)).to_contain_text(STAYS)
    page.get_by_role("combobox", name="Model").select_option("Colours")
    before = len(replies.held)
    drive.give(page, drive.RED_PHOTO)
    expect(drive.source_line(page)).to_contain_text("On this device in")
    assert not [one for one in sent if one.startswith("POST") and "/api/session/" not in one]
    # An answer that is closed before the app's reply stays closed when the place changes.
    wait_until(lambda: page.evaluate("1") and len(replies.held) > before + 1, 20)
    page.get_by_role("button", name="Back to the camera").click()
    replies.release()
    for place, address, line in (
        ("The server", r"\?run=server$", "On the server: "),
        # The owner's choice needs no address.
        ("Automatic", r"/$", STAYS),
    ):
        drive.choose_place(page, place)
        expect(page).to_have_url(re.compile(address))
        expect(drive.source_line(page)).to_contain_text(line)
        expect(drive.headline(page)).to_have_text(drive.GREETING)


def test_one_camera_stays_open_through_reruns_and_closes_with_the_page(page: Page) -> None:
    page.add_init_script(drive.COUNT_TRACKS)
    page.goto("/?run=server")
    page.wait_for_function("() => openTracks() === 1")
    drive.settings_menu(page).click()
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
    drive.go(page, "About")
    expect(drive.headline(page)).to_have_text("About Loupe")
    page.wait_for_function("() => openTracks() === 0")
    drive.go(page, "Identify")
    page.get_by_role("button", name="Back to the camera").click()
    page.wait_for_function("() => openTracks() === 1")


def test_about_clears_the_recent_photos(page: Page) -> None:
    page.goto("/?run=server")
    drive.give(page, drive.RED_PHOTO)
    expect(drive.headline(page)).to_have_text(drive.IS_RED)
    expect(page.locator(".vf-recent")).to_have_count(1)
    drive.go(page, "About")
    address = page.get_by_role("link", name="on a page of their own").evaluate("({ href }) => href")
    other = page.context.new_page()
    other.goto(address)
    drive.identify_red(other)
    expect(other.locator(".vf-recent")).to_have_count(1)
    page.get_by_role("button", name="Clear them now").click()
    expect(page.get_by_text("Cleared.")).to_be_visible()
    expect(other.locator(".vf-recent")).to_have_count(0)
    drive.go(page, "Identify")
    expect(drive.headline(page)).to_have_text(drive.GREETING)
    expect(page.locator(".vf-recent")).to_have_count(0)


@pytest.mark.quick
def test_plain_page_is_chosen_or_replaces_a_blocked_script(page: Page) -> None:
    page.goto("/")
    drive.settings_menu(page).click()
    page.get_by_test_id("stPopoverBody").get_by_text("Without the viewfinder").click()
    expect(drive.uploader(page)).to_be_visible()
    page.get_by_text("With the viewfinder").click()
    expect(page.locator(".vf-screen")).to_be_visible()
    expect(drive.uploader(page)).to_have_count(0)
    # On a slow connection, or a busy machine, it comes in one file with its modules.
    script = re.compile(r"/device/streamlit\.mjs|/static/js/loupe\.")
    page.route(script, lambda route: route.abort())
    page.goto("/")
    expect(page.get_by_test_id("stAlert")).to_contain_text("couldn’t be loaded")
    expect(drive.uploader(page)).to_be_visible()
