"""A server that goes away and comes back: pages say so, join it again, and show one answer.

Headline, chart, title and address always belong to the same answer.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Error, Frame, Page, expect

from deploy.client import free_port
from tests.browser import drive
from tests.browser.conftest import add_colours
from tests.browser.server import framing, serving
from tests.waiting import wait_until

NO_ANSWER = "The server doesn’t answer. "
GONE = f"{NO_ANSWER}Trying again…"
GROUNDS = {"light": "rgb(241, 245, 244)", "dark": "rgb(20, 35, 33)"}
"""Background of the bar that says that the server is gone."""
FAILURES = 7
"""Streamlit's own dialog comes at the sixth failure to connect."""

MIRROR = """
addEventListener("message", ({ data }) => {
  if (data?.stCommVersion !== 1 || data.type !== "SET_QUERY_PARAM") return;
  history.replaceState(null, "", `/${data.queryParams || "?"}`);
});
"""
"""The script of a host that frames the app, such as Community Cloud; it mirrors the query."""

READ = """
() => {
  const chart = document.querySelector(".st-key-chart");
  const isSeen = chart?.checkVisibility({ visibilityProperty: true });
  const marks = isSeen ? chart.querySelector("svg.marks") : null;
  return [document.title, marks ? chart.textContent.trim() : ""];
}
"""


class Restarted:
    """A server with the models of colours, which can be killed and started again on its port."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://localhost:{self._port}"
        self.start()

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._process and self._process.poll() is None:
            return
        options: dict[str, Any] = {"LOUPE_MODEL": "colours", "LOUPE_BUILTIN": "false"}
        server = serving(self._folder, port=self._port, **options)
        self._process = self._stack.enter_context(server).process

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def restarted(built_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restarted]:
    folder = tmp_path_factory.mktemp("outage")
    add_colours(folder, built_dir)
    with ExitStack() as stack:
        yield Restarted(folder, stack)


@pytest.fixture
def server(restarted: Restarted) -> Restarted:
    restarted.start()
    return restarted


class App:
    """The app in a page or in a frame of another origin."""

    def __init__(self, server: Restarted, page: Page, stack: ExitStack, *, is_framed: bool) -> None:
        self.server = server
        self.page = page
        self.is_framed = is_framed
        self._stack = stack

    @property
    def frame(self) -> Frame:
        """The frame that contains the app."""
        return self.page.frames[-1]

    def open(self, query: str) -> None:
        """Open the app with a query."""
        address = f"{self.server.url}/{query}"
        if self.is_framed:
            address = self._stack.enter_context(framing(address, "localhost", script=MIRROR))
        self.page.goto(address)

    def read(self) -> dict[str, Any]:
        """Return the headline, the title, the chart, and the tokens in the addresses."""
        title, drawn = self.frame.evaluate(READ)
        words = drive.headline(self.frame).inner_text()
        # A host shows the query that the app sent it last, and none before the first.
        tokens = {token for url in (self.frame.url, self.page.url) if (token := _token(url))}
        return {"words": words, "title": title, "chart": drawn, "tokens": tokens}

    def settled(self, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until ``read`` twice returns the same values, for which a condition holds."""
        last: dict[str, Any] = {}

        def is_settled() -> bool:
            nonlocal last
            self.page.wait_for_timeout(200)
            before, last = last, {}
            # While a document is replaced, it can't be read.
            with suppress(Error):
                last = self.read()
            return bool(last and last == before and holds(last))

        wait_until(is_settled, drive.PATIENCE_MS / 1000, lambda: str(last))
        return last

    def answered(self, *others: dict[str, Any]) -> dict[str, Any]:
        """Wait for the chart and the address of an answer that isn't one of the others."""

        def is_new(now: dict[str, Any]) -> bool:
            charts, tokens = ([other[name] for other in others] for name in ("chart", "tokens"))
            is_one = len(now["tokens"]) == 1
            return is_one and now["chart"] not in ("", *charts) and now["tokens"] not in tokens

        return self.settled(is_new)

    def agrees(self, expected: dict[str, Any]) -> None:
        """Wait until ``read`` returns the expected values."""
        self.settled(lambda now: now == expected)


def _token(url: str) -> str | None:
    return parse_qs(urlsplit(url).query).get("answer", [None])[0]


@pytest.fixture(params=[False, True], ids=["page", "frame"])
def app(
    request: pytest.FixtureRequest, new_page: Callable[..., Page], server: Restarted
) -> Iterator[App]:
    with ExitStack() as stack:
        yield App(server, new_page(), stack, is_framed=request.param)


def test_reload_and_back_restore_linked_and_new_answers(app: App) -> None:
    app.open("")
    drive.give(app.frame, drive.RED_PHOTO)
    expect(drive.source_line(app.frame)).to_contain_text(" in ")
    [token] = app.answered()["tokens"]
    app.open("")
    none = app.settled(lambda now: drive.GREETING.search(now["words"]) and not now["tokens"])
    app.open(f"?answer={token}&embed_options=dark_theme")
    opened = app.answered()
    assert opened["tokens"] == {token}
    drive.give(app.frame, drive.GREEN_PHOTO)
    expect(drive.source_line(app.frame)).to_contain_text(" in ")
    taken = app.answered(opened)
    assert taken["words"] != opened["words"]
    app.server.kill()
    app.server.start()
    if not app.is_framed:
        app.page.reload()
    app.agrees(taken)
    app.page.go_back()
    app.agrees(opened)
    app.page.go_back()
    app.agrees(none)


def test_history_works_while_the_server_is_gone(app: App) -> None:
    app.open("?run=device")
    answers: list[dict[str, Any]] = []
    for photo in (drive.RED_PHOTO, drive.GREEN_PHOTO):
        drive.give(app.frame, photo)
        expect(drive.source_line(app.frame)).to_contain_text(" in ")
        answers.append(app.answered(*answers))
    red, green = answers
    # The slider, a widget bound to a query parameter, changes the address as well.
    drive.settings_menu(app.frame).click()
    for _ in range(5):
        app.frame.get_by_role("slider").press("ArrowLeft")
    app.page.keyboard.press("Escape")
    # With the last press, not those before it.
    shorter = re.compile("^The next two labels(?!.*red)")
    fewer = app.settled(lambda now: shorter.search(now["chart"]))
    assert {**fewer, "chart": green["chart"]} == green
    app.server.kill()
    app.page.go_back()
    # The other answer's chart is hidden.
    app.agrees({**red, "chart": ""})
    app.server.start()
    app.agrees(red)
    app.page.go_forward()
    app.agrees(fewer)


def test_pages_join_a_restarted_server(new_page: Callable[..., Page], server: Restarted) -> None:
    others = [new_page(viewport=drive.PHONE, color_scheme=colours) for colours in GROUNDS]
    failures: list[str] = []
    for other in others:
        other.clock.install()
        other.on("requestfailed", lambda request: failures.append(request.url))
        other.goto(f"{server.url}/about")
        drive.wait_until_drawn(other)
        expect(other.locator("#gone")).to_have_text("")
    page = new_page(base_url=server.url)
    page.goto("/")
    on_device = "On this device: the photo stays here"
    expect(drive.source_line(page)).to_contain_text(on_device)
    drive.give(page, drive.RED_PHOTO)
    # Chromium never fetches a module again that couldn't be fetched.
    expect(drive.chart(page)).to_be_visible()
    server.kill()
    expect(drive.source_line(page)).to_have_text(f"{NO_ANSWER}This device still does.")
    answer_without_server(page)
    for other, ground in zip(others, GROUNDS.values(), strict=True):
        bar = other.locator("#gone")
        expect(bar).to_have_text(GONE)
        expect(bar).to_have_css("background-color", ground)

    def has_retried() -> bool:
        for other in others:
            other.clock.fast_forward(10_000)
        return sum("health" in url for url in failures) >= 2 * FAILURES

    wait_until(has_retried, 60)
    for other in others:
        expect(other.get_by_role("dialog")).to_have_count(0)
    page.evaluate("window.isSamePage = true")
    server.start()
    for other in others:
        other.clock.fast_forward(10_000)
        expect(other.locator("#gone")).to_have_text("")
    expect(drive.source_line(page)).to_contain_text("On this device in")
    expect(drive.chart(page)).to_be_visible()
    drive.choose_place(page, "The server")
    expect(drive.source_line(page)).to_contain_text("On the server in")
    server.kill()
    expect(drive.source_line(page)).to_have_text(GONE)
    # The viewfinder's own words are enough.
    expect(page.locator("#gone")).to_be_hidden()
    # An answer that is closed meanwhile stays closed, though the address still has it.
    page.keyboard.press("Escape")
    server.start()
    expect(drive.source_line(page)).to_contain_text("On the server: ")
    expect(page).not_to_have_url(re.compile("answer="))
    expect(drive.headline(page)).to_have_text(drive.GREETING)
    drive.give(page, drive.RED_PHOTO)
    expect(drive.headline(page)).to_have_text(drive.IS_RED)
    assert page.evaluate("window.isSamePage")


@pytest.mark.parametrize("count", [1, 2], ids=["once", "twice"])
def test_lost_module_of_charts_is_requested_again(
    new_page: Callable[..., Page], server: Restarted, count: int
) -> None:
    page = new_page(base_url=server.url)
    page.route("**/static/js/ArrowVegaLiteChart.*", lambda route: route.abort(), times=count)
    page.goto("/?run=server")
    for photo in (drive.RED_PHOTO, drive.GREEN_PHOTO):
        drive.give(page, photo)
        expect(drive.source_line(page)).to_contain_text("On the server in")
        drive.wait_until_drawn(page)
        place = page.locator(".st-key-chart")
        if count == 1:
            expect(drive.chart(page)).to_be_visible()
        else:
            # An error has taken its place.
            expect(place.get_by_test_id("stHeading")).to_have_count(1)
            expect(place).to_be_hidden()


def answer_without_server(page: Page) -> None:
    """Share, identify and explain on the device; nothing is asked of the server."""
    assert "?answer=colours~" in drive.share_link(page)
    page.keyboard.press("Escape")
    expect(drive.headline(page)).to_have_text(drive.GREETING)
    # No server can get the file, so there is no question.
    drive.give(page, drive.HEIC_PHOTO, "photo.heic")
    expect(page.locator(".vf-alert")).not_to_be_empty()
    expect(page.locator(".vf-ask")).to_have_count(0)
    drive.give(page, drive.RED_PHOTO)
    expect(drive.headline(page)).to_have_text(drive.IS_RED)
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("canvas.vf-spotlight")).to_be_visible()
