"""Headline, chart, title and address always belong to the same answer."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Frame, Page, expect

from tests.browser.conftest import add_colours
from tests.browser.drive import (
    GREEN_PHOTO,
    LOADING_MS,
    RED_PHOTO,
    chart,
    give,
    headline,
    settings_menu,
    source_line,
)
from tests.browser.server import framing, serving
from tests.waiting import wait_until

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


class App:
    """A server that can be replaced, and the app in a page or in a frame of another origin."""

    def __init__(self, folder: Path, stack: ExitStack, page: Page, *, is_framed: bool) -> None:
        self.page = page
        self.is_framed = is_framed
        self._folder = folder
        self._stack = stack
        self._options: dict[str, Any] = {"LOUPE_MODEL": "colours", "LOUPE_BUILTIN": "false"}
        self._server = stack.enter_context(serving(folder, **self._options))

    @property
    def frame(self) -> Frame:
        """The frame that contains the app."""
        return self.page.frames[-1]

    def open(self, query: str) -> None:
        """Open the app with a query."""
        address = f"{self._server.url}/{query}"
        if self.is_framed:
            address = self._stack.enter_context(framing(address, "localhost", script=MIRROR))
        self.page.goto(address)

    def kill(self) -> None:
        """Kill the server."""
        self._server.process.kill()
        self._server.process.wait()

    def start(self) -> None:
        """Start another server on the same port."""
        port = int(self._server.url.rpartition(":")[2])
        server = serving(self._folder, port=port, **self._options)
        self._server = self._stack.enter_context(server)

    def read(self) -> dict[str, Any]:
        """Return the headline, the title, the chart, and the tokens in the addresses."""
        title, drawn = self.frame.evaluate(READ)
        words = headline(self.frame).inner_text()
        # A host shows the query that the app sent it last, and none before the first.
        tokens = {token for url in (self.frame.url, self.page.url) if (token := _token(url))}
        return {"words": words, "title": title, "chart": drawn, "tokens": tokens}

    def shown(self) -> dict[str, Any]:
        """Wait until the answer's chart is drawn; return what ``read`` returns."""
        expect(chart(self.frame)).to_be_visible(timeout=LOADING_MS)
        wait_until(lambda: self.read()["chart"] != "", 15)
        return self.read()

    def agrees(self, expected: dict[str, Any]) -> None:
        """Wait until ``read`` returns the expected values."""
        wait_until(lambda: self.read() == expected, 30, lambda: f"{self.read()}\n{expected}")


def _token(url: str) -> str | None:
    return parse_qs(urlsplit(url).query).get("answer", [None])[0]


@pytest.fixture(params=[False, True], ids=["page", "frame"])
def app(
    request: pytest.FixtureRequest, new_page: Callable[..., Page], built_dir: Path, tmp_path: Path
) -> Iterator[App]:
    """Run the app with a model of six colours."""
    add_colours(tmp_path, built_dir)
    with ExitStack() as stack:
        yield App(tmp_path, stack, new_page(), is_framed=request.param)


def test_reload_and_back_restore_linked_and_new_answers(app: App) -> None:
    app.open("")
    give(app.frame, RED_PHOTO)
    expect(source_line(app.frame)).to_contain_text(" in ", timeout=LOADING_MS)
    [token] = app.shown()["tokens"]
    app.open("")
    none = app.read()
    app.open(f"?answer={token}&embed_options=dark_theme")
    opened = app.shown()
    assert opened["tokens"] == {token}
    give(app.frame, GREEN_PHOTO)
    expect(source_line(app.frame)).to_contain_text(" in ", timeout=LOADING_MS)
    wait_until(lambda: app.read()["chart"] not in ("", opened["chart"]), 15)
    taken = app.read()
    assert taken["words"] != opened["words"]
    app.kill()
    app.start()
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
    for photo in (RED_PHOTO, GREEN_PHOTO):
        give(app.frame, photo)
        expect(source_line(app.frame)).to_contain_text(" in ", timeout=LOADING_MS)
        wait_until(lambda: app.read()["chart"] not in ("", *(a["chart"] for a in answers)), 15)
        answers.append(app.read())
    red, green = answers
    # The slider, a widget bound to a query parameter, changes the address as well.
    settings_menu(app.frame).click()
    for _ in range(5):
        app.frame.get_by_role("slider").press("ArrowLeft")
    app.page.keyboard.press("Escape")
    # With the last press, not those before it.
    shorter = re.compile("^The next two labels(?!.*red)")
    wait_until(lambda: shorter.search(app.read()["chart"]), 30)
    fewer = app.read()
    assert {**fewer, "chart": green["chart"]} == green
    app.kill()
    app.page.go_back()
    # The other answer's chart is hidden.
    app.agrees({**red, "chart": ""})
    app.start()
    app.agrees(red)
    app.page.go_forward()
    app.agrees(fewer)
