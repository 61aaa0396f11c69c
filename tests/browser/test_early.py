"""The viewfinder before Streamlit has loaded, and how Streamlit's page takes it over."""

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import FloatRect, Page, Request, Route, expect

from tests.browser.conftest import HERE
from tests.browser.drive import (
    COUNT_TRACKS,
    FIND,
    GREEN_PHOTO,
    LOADING_MS,
    PHONE,
    RED_PHOTO,
    chart,
    give,
    source_line,
    wait_until_drawn,
)
from tests.browser.firefox import firefox
from tests.browser.server import Server
from tests.model.tiny import colour
from tests.photos import encoded
from tests.waiting import wait_until

Open = Callable[..., "Held"]

ANSWERED = re.compile(r"^On the server in .+; sent: ")
HEADER_PX = 60
PICTURES = HERE / "screenshots"
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
""".replace("FIND", FIND)
SAVE_DATA = "Object.defineProperty(navigator.connection, 'saveData', { value: true });"
NO_TIMINGS = "performance.getEntriesByType = () => [];"
"""Without timings, the server doesn't count as near, so it gets pixels."""

WITHOUT_MOVE = "delete Element.prototype.moveBefore; delete ShadowRoot.prototype.moveBefore;"
REFUSE_MAPS = """
new MutationObserver((changes) => {
  for (const { addedNodes } of changes) {
    for (const node of addedNodes) {
      if (node.type === "importmap" && node.textContent === "{}") node.onerror?.();
    }
  }
}).observe(document, { childList: true, subtree: true });
"""
"""Makes a second import map fail, as in browsers that reject one."""

IMPATIENT = """
const wait = window.setTimeout;
window.setTimeout = (run, ms, ...values) => wait(run, ms === 8000 ? 0 : ms, ...values);
"""
"""Makes Streamlit load although the viewfinder isn't there yet."""


class Held:
    """A page on which Streamlit's scripts are held back until ``let_in``."""

    def __init__(self, page: Page, *, is_slow: bool = False) -> None:
        self.page = page
        self.posts: list[str] = []
        self._held: list[Route] | None = []
        # Over a slow connection, Streamlit is in the second bundle.
        self._bundles = 0 if is_slow else 1
        page.on("request", self._note)
        self.sockets: list[str] = []
        page.on("websocket", lambda socket: self.sockets.append(socket.url))
        page.route("**/static/js/*.js", self._hold)

    def _note(self, request: Request) -> None:
        if request.method == "POST":
            self.posts.append(request.url)

    def _hold(self, route: Route) -> None:
        if "/static/js/loupe." in route.request.url and not self._bundles:
            self._bundles = 1
            return route.continue_()
        if self._held is None or ("/static/js/loupe." in route.request.url and self._bundles == 1):
            return route.continue_()
        self._held.append(route)
        return None

    def open(self, path: str) -> None:
        """Open an address, and wait for the viewfinder."""
        self.page.goto(path, wait_until="commit")
        self.page.locator("#early .vf:not([hidden])").wait_for()
        expect(source_line(self.page)).not_to_have_text("", timeout=LOADING_MS)

    def let_in(self) -> None:
        """Let Streamlit load, and wait until the viewfinder has moved into its page."""
        held, self._held = self._held or [], None
        for route in held:
            route.continue_()
        self.page.locator("#early").wait_for(state="detached", timeout=LOADING_MS)
        wait_until_drawn(self.page)

    def read(self) -> dict[str, Any]:
        """Return the viewfinder's texts and state, the address and the focus."""
        read: dict[str, Any] = self.page.evaluate(READ)
        return read

    def picture(self, name: str) -> Image.Image:
        """Save and return a screenshot of the page below its header."""
        size = self.page.viewport_size or PHONE
        height = size["height"] - HEADER_PX
        clip: FloatRect = {"x": 0, "y": HEADER_PX, "width": size["width"], "height": height}
        path = PICTURES / f"early-{name}.png"
        return Image.open(BytesIO(self.page.screenshot(path=path, clip=clip))).convert("RGB")

    @property
    def photos(self) -> int:
        """Number of photos that were sent."""
        return sum("/api/v1/identify" in url for url in self.posts)


@pytest.fixture
def held(open_colours: Callable[..., Page]) -> Open:
    """Return a function that opens a page on a phone without a camera, and holds Streamlit back."""

    def come(*scripts: str, **options: Any) -> Held:
        return Held(open_colours(*scripts, **{"viewport": PHONE, "permissions": [], **options}))

    return come


def answered(view: Held, photo: bytes = RED_PHOTO) -> None:
    give(view.page, photo)
    expect(source_line(view.page)).to_have_text(ANSWERED, timeout=LOADING_MS)


def open_nothing(view: Held) -> None:
    view.page.get_by_role("button", name="Choose a photo").focus()


def open_answer(view: Held) -> None:
    answered(view)
    view.page.get_by_role("button", name="Why?").focus()


def open_dialog(view: Held) -> None:
    answered(view)
    view.page.get_by_role("button", name="Share").click()
    view.page.get_by_role("dialog").wait_for()


def open_question(view: Held) -> None:
    # Until the page knows what it will send, the line names the whole file.
    marked = "On the server: it gets the marked part only"
    expect(source_line(view.page)).to_have_text(marked, timeout=LOADING_MS)
    heic = encoded(colour("red").resize((300, 200)), "HEIF")
    give(view.page, heic, "photo.heic")
    view.page.locator(".vf-ask").wait_for()


STATES: dict[str, tuple[str, Callable[[Held], None]]] = {
    "nothing": ("server", open_nothing),
    "answer": ("server", open_answer),
    "dialog": ("server", open_dialog),
    "question": ("auto", open_question),
}


@pytest.mark.quick
@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("state", STATES)
def test_viewfinder_moves_into_streamlit_unchanged(held: Open, state: str, theme: str) -> None:
    view = held(SAVE_DATA, NO_TIMINGS, color_scheme=theme)
    run, prepare = STATES[state]
    view.open(f"/?run={run}")
    prepare(view)
    # The buttons' colour transitions take 0.2 s.
    view.page.wait_for_timeout(300)
    before, seen = view.read(), view.picture(f"{state}-{theme}-before")
    # No Streamlit session has been opened yet.
    assert view.sockets == []
    view.let_in()
    assert view.read() == before

    def is_unchanged() -> bool:
        difference = ImageChops.difference(seen, view.picture(f"{state}-{theme}-after"))
        # Antialiasing may differ by up to 15 of 255 grey levels, at focus rings by more.
        return sum(difference.convert("L").histogram()[16:]) <= 4

    wait_until(is_unchanged, 5)
    sent = view.photos
    if before["screen"] == "answer" and not before["question"]:
        assert sent == 1
        assert "answer=colours~" in before["address"]
        if before["isModal"]:
            view.page.keyboard.press("Escape")
        expect(chart(view.page)).to_be_visible(timeout=LOADING_MS)


@pytest.mark.quick
def test_photo_chosen_before_streamlit_is_answered_after_the_move(held: Open) -> None:
    view, waiting = held(), list[Route]()
    view.page.route("**/api/v1/identify*", lambda route: waiting.append(route))  # noqa: PLW0108
    view.open("/?run=server")
    give(view.page, RED_PHOTO)
    view.let_in()
    waiting.pop().continue_()
    expect(source_line(view.page)).to_have_text(ANSWERED, timeout=LOADING_MS)
    expect(chart(view.page)).to_be_visible(timeout=LOADING_MS)
    assert view.photos == 1
    view.page.unroute("**/api/v1/identify*")
    answered(view, GREEN_PHOTO)
    view.page.go_back()
    expect(view.page.locator(".vf-words h2")).to_have_text("Very likely a red")


@pytest.mark.quick
def test_link_opens_before_streamlit_loads(held: Open) -> None:
    first = held()
    first.open("/?run=server")
    answered(first)
    expect(first.page).to_have_url(re.compile("answer="))
    link = first.page.url.partition("?")[2]
    view = held()
    view.open(f"/?{link}")
    told = view.page.get_by_role("region", name="Shared answer").get_by_role("heading")
    expect(told).to_have_text("Loupe said red 99%")
    before = view.read()
    view.let_in()
    assert view.read() == before
    expect(told).to_be_visible()


@pytest.mark.quick
@pytest.mark.parametrize("has_move", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_camera_stays_open(held: Open, has_move: bool) -> None:
    view = held(COUNT_TRACKS, *[WITHOUT_MOVE] * (not has_move), permissions=["camera"])
    view.open("/?run=server")
    view.page.locator(".vf-shutter").wait_for()
    tracks = "window.tracks.map(({ readyState }) => readyState)"
    wait_until(lambda: view.page.evaluate(tracks) == ["live"])
    view.let_in()
    assert view.page.evaluate(tracks) == ["live"]
    video = view.page.locator("video.vf-video")
    assert video.evaluate("(video) => [video.paused, video.readyState]") == [False, 4]
    view.page.locator(".vf-shutter").click()
    expect(source_line(view.page)).to_have_text(ANSWERED, timeout=LOADING_MS)


def test_without_move_before_an_open_dialog_delays_the_move(held: Open) -> None:
    view = held(WITHOUT_MOVE)
    view.open("/?run=server")
    open_dialog(view)
    held_routes, view._held = view._held or [], None
    for route in held_routes:
        route.continue_()
    view.page.get_by_test_id("stBidiComponentIsolated").wait_for(state="attached")
    view.page.wait_for_timeout(1000)
    assert view.read()["isModal"]
    view.page.get_by_role("dialog").get_by_role("button", name="Close").click()
    view.page.locator("#early").wait_for(state="detached")
    expect(source_line(view.page)).to_have_text(ANSWERED)


def test_viewfinder_works_without_a_socket(held: Open) -> None:
    view = held()
    view.page.route_web_socket("**", lambda socket: socket.close())
    view.page.unroute_all()
    view.open("/?run=server")
    answered(view)
    view.page.wait_for_timeout(3000)
    answered(view, GREEN_PHOTO)
    assert view.page.locator("#early").count() == 1


def test_browser_that_refuses_a_second_import_map_loads_each_module(
    open_colours: Callable[..., Page],
) -> None:
    rtt = "Object.defineProperty(navigator, 'connection', { value: { rtt: 400 } });"
    for script, bundles in (("", 2), (REFUSE_MAPS, 1)):
        page = open_colours(rtt, script, viewport=PHONE)
        page.goto("/?run=server")
        page.locator("[data-testid=stBidiComponentIsolated] .vf").wait_for()
        asked = "performance.getEntriesByType('resource').map(({ name }) => name)"
        assert sum("/static/js/loupe." in name for name in page.evaluate(asked)) == bundles
        give(page, RED_PHOTO)
        expect(source_line(page)).to_have_text(ANSWERED, timeout=LOADING_MS)


def test_second_bundle_that_is_missing_is_noticed(open_colours: Callable[..., Page]) -> None:
    rtt = "Object.defineProperty(navigator, 'connection', { value: { rtt: 400 } });"
    page = open_colours(rtt, IMPATIENT, viewport=PHONE)
    held: list[Route] = []

    def serve(route: Route) -> None:
        if not held:
            held.append(route)
            return
        # It runs nothing, as from a replica without the file. The first bundle still runs first.
        route.fulfill(body="", content_type="text/javascript")
        held[0].continue_()

    page.route("**/static/js/loupe.*", serve)
    page.goto("/?run=server", wait_until="commit")
    page.locator("[data-testid=stBidiComponentIsolated] .vf").wait_for(timeout=LOADING_MS)
    give(page, RED_PHOTO)
    expect(source_line(page)).to_have_text(ANSWERED, timeout=LOADING_MS)


def test_firefox_shows_the_viewfinder_first(colours_server: Server, tmp_path: Path) -> None:
    (tmp_path / "profile").mkdir()
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(RED_PHOTO)
    find = f"({FIND})(document)"
    with firefox(tmp_path / "profile") as window:
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
    assert (was_early, words, asked) == (True, "Very likely a red", 1)
