"""The viewfinder before Streamlit has loaded, and how Streamlit's page takes it over."""

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import FloatRect, Page, Request, Route, expect

from tests.browser import drive
from tests.browser.accessible import SCREENSHOTS
from tests.browser.server import Server
from tests.device.browsers import driven_firefox
from tests.waiting import wait_until

Open = Callable[..., "Held"]

ANSWERED = re.compile(r"^On the server in .+; sent: ")
HEADER_PX = 60
READ = """
() => {
  const root = (FIND)(document);
  const text = (name) => root.querySelector(name)?.textContent ?? "";
  let { activeElement } = document;
  for (let next; (next = activeElement?.shadowRoot?.activeElement); ) activeElement = next;
  return {
    words: text(".vf-words h2"), line: text(".vf-where"), alert: text(".vf-alert"),
    question: text(".vf-ask h2"), screen: root.dataset.screen, address: location.href,
    focus: activeElement?.className ?? "",
    isModal: Boolean(root.getRootNode().querySelector("dialog:modal")),
  };
}
""".replace("FIND", drive.FIND)
SAVE_DATA = "Object.defineProperty(navigator.connection, 'saveData', { value: true });"
NO_TIMINGS = "performance.getEntriesByType = () => [];"
"""Without timings, the server doesn't count as near, so it gets pixels."""

WITHOUT_MOVE = "delete Element.prototype.moveBefore; delete ShadowRoot.prototype.moveBefore;"


class Held(drive.HeldRequests):
    """A page on which Streamlit's scripts are held back until ``let_in``."""

    def __init__(self, page: Page) -> None:
        super().__init__(page, "**/static/js/*.js")
        self.page = page
        self.photos = 0
        self.sockets: list[str] = []
        page.on("request", self._count)
        page.on("websocket", lambda socket: self.sockets.append(socket.url))

    def _count(self, request: Request) -> None:
        self.photos += "/api/v1/identify" in request.url

    def _take(self, route: Route) -> None:
        # The first bundle is the viewfinder.
        if "/static/js/loupe." in route.request.url:
            return route.continue_()
        return super()._take(route)

    def open(self, path: str) -> None:
        """Open an address, and wait for the viewfinder."""
        self.page.goto(path, wait_until="commit")
        self.page.locator("#early .vf:not([hidden])").wait_for()
        expect(drive.source_line(self.page)).not_to_have_text("")

    def let_in(self) -> None:
        """Let Streamlit load, and wait until the viewfinder has moved into its page."""
        self.release()
        self.page.locator("#early").wait_for(state="detached")
        drive.wait_until_drawn(self.page)

    def read(self) -> dict[str, Any]:
        """Return the viewfinder's texts and state, the address and the focus."""
        read: dict[str, Any] = self.page.evaluate(READ)
        return read

    def picture(self, name: str) -> Image.Image:
        """Save and return a screenshot of the page below its header."""
        size = self.page.viewport_size or drive.PHONE
        height = size["height"] - HEADER_PX
        clip: FloatRect = {"x": 0, "y": HEADER_PX, "width": size["width"], "height": height}
        path = SCREENSHOTS / f"early-{name}.png"
        return Image.open(BytesIO(self.page.screenshot(path=path, clip=clip))).convert("RGB")


@pytest.fixture
def held(open_colours: Callable[..., Page]) -> Open:
    """Return a function that opens a page on a phone without a camera, and holds Streamlit back."""

    def come(*scripts: str, **options: Any) -> Held:
        options = {"viewport": drive.PHONE, "permissions": [], **options}
        return Held(open_colours(*scripts, **options))

    return come


def answered(view: Held, photo: bytes = drive.RED_PHOTO) -> None:
    drive.give(view.page, photo)
    expect(drive.source_line(view.page)).to_have_text(ANSWERED)


def wait_until_line_names_part(view: Held) -> None:
    """Wait until the page knows what it will send; before, its last line leaves that open."""
    line = "On the server: it gets the marked part only"
    expect(drive.source_line(view.page)).to_have_text(line)


def open_nothing(view: Held) -> None:
    wait_until_line_names_part(view)
    view.page.get_by_role("button", name="Choose a photo").focus()


def open_answer(view: Held) -> None:
    answered(view)
    view.page.get_by_role("button", name="Why?").focus()


def open_dialog(view: Held) -> None:
    answered(view)
    view.page.get_by_role("button", name="Share").click()
    view.page.get_by_role("dialog").wait_for()


def open_question(view: Held) -> None:
    wait_until_line_names_part(view)
    drive.give(view.page, drive.HEIC_PHOTO, "photo.heic")
    view.page.locator(".vf-ask").wait_for()


def open_link(view: Held) -> None:
    told = view.page.get_by_role("region", name="Shared answer").get_by_role("heading")
    expect(told).to_have_text("Somebody’s phone said red 97%")


STATES: dict[str, tuple[str, str, Callable[[Held], None]]] = {
    "nothing": ("light", "run=server", open_nothing),
    "answer": ("dark", "run=server", open_answer),
    "dialog": ("light", "run=server", open_dialog),
    "question": ("dark", "run=auto", open_question),
    "link": ("light", "answer=colours~{}~ws~y~1~0-971_1-20", open_link),
}
OTHER_STATES = list(STATES)[2:]


@pytest.mark.quick
@pytest.mark.parametrize(
    "state",
    ["nothing", "answer", *(pytest.param(state, marks=pytest.mark.slow) for state in OTHER_STATES)],
)
def test_viewfinder_moves_into_streamlit_unchanged(
    held: Open, colours_server: Server, state: str
) -> None:
    theme, query, prepare = STATES[state]
    view = held(SAVE_DATA, NO_TIMINGS, color_scheme=theme)
    version = (colours_server.data / "models/colours/current").read_text().strip()
    view.open(f"/?{query.format(version)}")
    prepare(view)
    # The buttons' colour transitions take 0.2 s.
    view.page.wait_for_timeout(300)
    before, seen = view.read(), view.picture(f"{state}-before")
    # No Streamlit session has been opened yet.
    assert view.sockets == []
    view.let_in()
    assert view.read() == before

    def is_unchanged() -> bool:
        difference = ImageChops.difference(seen, view.picture(f"{state}-after"))
        # Antialiasing may differ by up to 15 of 255 grey levels, at focus rings by more.
        return sum(difference.convert("L").histogram()[16:]) <= 4

    wait_until(is_unchanged, 5)
    if state in ("answer", "dialog"):
        assert view.photos == 1
        assert "answer=colours~" in before["address"]
        if before["isModal"]:
            view.page.keyboard.press("Escape")
        expect(drive.chart(view.page)).to_be_visible()


@pytest.mark.quick
def test_photo_chosen_before_streamlit_is_answered_after_the_move(held: Open) -> None:
    view = held()
    waiting = drive.HeldRequests(view.page, "**/api/v1/identify*")
    view.open("/?run=server")
    drive.give(view.page, drive.RED_PHOTO)
    view.let_in()
    waiting.release()
    expect(drive.source_line(view.page)).to_have_text(ANSWERED)
    expect(drive.chart(view.page)).to_be_visible()
    assert view.photos == 1
    answered(view, drive.GREEN_PHOTO)
    view.page.go_back()
    expect(view.page.locator(".vf-words h2")).to_have_text(drive.IS_RED)


@pytest.mark.quick
@pytest.mark.parametrize("has_move", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_camera_stays_open(held: Open, has_move: bool) -> None:
    view = held(drive.COUNT_TRACKS, *[WITHOUT_MOVE] * (not has_move), permissions=["camera"])
    view.open("/?run=server")
    view.page.locator(".vf-shutter").wait_for()
    tracks = "window.tracks.map(({ readyState }) => readyState)"
    wait_until(lambda: view.page.evaluate(tracks) == ["live"])
    view.let_in()
    assert view.page.evaluate(tracks) == ["live"]
    video = view.page.locator("video.vf-video")
    assert video.evaluate("(video) => [video.paused, video.readyState]") == [False, 4]
    view.page.locator(".vf-shutter").click()
    expect(drive.source_line(view.page)).to_have_text(ANSWERED)


def test_open_dialog_delays_the_move_in_browsers_without_move_before(held: Open) -> None:
    view = held(WITHOUT_MOVE)
    view.open("/?run=server")
    open_dialog(view)
    view.release()
    view.page.get_by_test_id("stBidiComponentIsolated").wait_for(state="attached")
    view.page.wait_for_timeout(1000)
    assert view.read()["isModal"]
    view.page.get_by_role("dialog").get_by_role("button", name="Close").click()
    view.page.locator("#early").wait_for(state="detached")
    expect(drive.source_line(view.page)).to_have_text(ANSWERED)


def test_viewfinder_works_without_streamlits_websocket(held: Open) -> None:
    view = held()
    view.page.route_web_socket("**", lambda socket: socket.close())
    view.page.unroute_all()
    view.open("/?run=server")
    answered(view)
    view.page.wait_for_timeout(3000)
    answered(view, drive.GREEN_PHOTO)
    assert view.page.locator("#early").count() == 1


def test_firefox_shows_the_viewfinder_first(colours_server: Server, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(drive.RED_PHOTO)
    find = f"({drive.FIND})(document)"
    with driven_firefox() as window:
        window.open(f"{colours_server.url}/?run=server")
        early = "document.querySelector('#early') !== null"
        wait_until(lambda: window.evaluate(f"{find} !== null && !{find}.hidden"), 30)
        was_early = window.evaluate(early)
        window.choose(f"{find}.querySelector('input[type=file]:not([capture])')", photo)
        line = f"{find}?.querySelector('.vf-where')?.textContent ?? ''"
        wait_until(lambda: not window.evaluate(early), 30)
        wait_until(lambda: ANSWERED.match(window.evaluate(line)), 30)
        words = window.evaluate(f"{find}.querySelector('.vf-words h2').textContent")
        asked = window.evaluate(
            "performance.getEntriesByType('resource').map(({ name }) => name)"
            ".filter((name) => name.includes('/api/v1/identify')).length"
        )
    assert (was_early, words, asked) == (True, drive.IS_RED, 1)
