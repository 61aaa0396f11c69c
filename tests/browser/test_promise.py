"""What leaves the browser, against what stood on the screen at that moment, in each mode."""

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.browser.conftest import add_colours
from tests.browser.drive import (
    PHONE,
    chart,
    checked_page,
    give,
    headline,
    source_line,
    wait_until_drawn,
)
from tests.browser.server import Server, serving
from tests.model.tiny import colour
from tests.photos import encoded

LOADING_MS = 60_000
FAR_MS = 60
"""Latency at which a server isn't on the same machine."""

RED, GREEN = (encoded(colour(name).resize((900, 700)), "JPEG") for name in ("red", "green"))
FILES = {
    "photo.jpg": RED,
    "photo.heic": encoded(colour("red").resize((300, 200)), "HEIF"),
    "photo.tiff": encoded(colour("red").resize((300, 200)), "TIFF"),
    "cut.jpg": RED[: len(RED) // 2],
    "text.txt": b"no photo at all" * 1000,
    "empty.jpg": b"",
}
IS_RED = re.compile("^Very likely a red$")

# Notes each body with the line that stood there, the answer that was agreed to, and its size.
WATCH = """
window.sendings = [];
const deep = (selector, root = document) => {
  for (const element of root.querySelectorAll("*")) {
    const found = element.shadowRoot?.querySelector(selector);
    if (found) return found;
  }
  return null;
};
let agreed = "";
document.addEventListener("click", (event) => {
  const button = event.composedPath().find((node) => node.matches?.(".vf-ask-way"));
  if (button) agreed = button.innerText.split("\\n")[0];
}, { capture: true });
const note = (url, body) => {
  const bytes = body?.byteLength ?? body?.size ?? body?.length ?? 0;
  const size = body instanceof FormData
    ? [...body.values()].reduce((sum, value) => sum + (value.size ?? value.length), 0) : bytes;
  const line = deep(".vf-where")?.innerText ?? "";
  const consent = deep(".vf-dialog input[type=checkbox]")?.checked ?? false;
  const isAsking = deep(".vf-ask") !== null;
  window.sendings.push({ url: String(url), bytes: size, line, agreed, consent, isAsking });
  agreed = "";
};
const { open, send } = XMLHttpRequest.prototype;
XMLHttpRequest.prototype.open = function (method, url, ...rest) {
  this.noted = url;
  return open.call(this, method, url, ...rest);
};
XMLHttpRequest.prototype.send = function (body) {
  if (body) note(this.noted, body);
  return send.call(this, body);
};
const plainFetch = window.fetch;
window.fetch = function (url, options) {
  if (options?.body) note(url.url ?? url, options.body);
  return plainFetch.call(this, url, options);
};
const socketSend = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  note("socket", data);
  return socketSend.call(this, data);
};
navigator.sendBeacon = (url, body) => { note(url, body); return true; };
"""

MAX_FRAME = 4096
"""Largest message of the websocket, in bytes: no photo of these tests is as small."""


@dataclass
class Log:
    """All bodies that a page sent, and those that only the browser reports, such as workers'."""

    page: Page
    posts: list[str] = field(default_factory=list)

    def add(self, request: Request) -> None:
        if request.method not in ("GET", "HEAD"):
            self.posts.append(request.url)

    def check(self) -> list[str]:
        """Compare each body with the words beside it; return the routes that got a photo."""
        sendings = self.page.evaluate("window.sendings.splice(0)")
        frames = [one for one in sendings if one["url"] == "socket"]
        assert all(frame["bytes"] <= MAX_FRAME for frame in frames), frames
        photos = [one for one in sendings if one["url"] != "socket"]
        routes = [re.sub(r".*/api/session/|\?.*", "", one["url"]) for one in photos]
        posted = [re.sub(r".*/api/session/|\?.*", "", url) for url in self.posts]
        assert posted == routes, "sent behind the page's back"
        self.posts.clear()
        for route, sent in zip(routes, photos, strict=True):
            assert is_promised(route, sent), (route, sent)
        return routes


def is_promised(route: str, sent: dict[str, Any]) -> bool:
    """Return whether the words on the screen allow that a body is sent."""
    line, agreed = sent["line"], sent["agreed"]
    if sent["isAsking"]:
        return False
    if route == "correction":
        return bool(sent["consent"] or sent["bytes"] < 500)
    if route.startswith("pixels"):
        is_said = "gets the marked part" in line or "of pixels" in line
        return is_said or agreed == "On the server"
    is_said = any(words in line for words in ("the whole file", "sent: the file", "else the file"))
    return is_said or "go to the server" in line or agreed == "Send the file"


@pytest.fixture(scope="module")
def app(
    chromium: str, built_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("promise")
    add_colours(folder, built_dir)
    with serving(folder, LOUPE_MODEL="colours", LOUPE_BUILTIN="false") as running:
        yield running


Visit = Callable[..., tuple[Page, Log]]


@pytest.fixture
def visit(browser: Browser, app: Server) -> Iterator[Visit]:
    """Open the app in a mode; a far server is one behind a slow network."""
    with ExitStack() as stack:

        def come(run: str, *, is_far: bool = True, address: str = "") -> tuple[Page, Log]:
            page = stack.enter_context(
                checked_page(browser, {"base_url": app.url, "viewport": PHONE})
            )
            page.add_init_script(WATCH)
            if is_far:
                slow = page.context.new_cdp_session(page)
                rates = {"downloadThroughput": -1, "uploadThroughput": -1}
                conditions = {"offline": False, "latency": FAR_MS, **rates}
                slow.send("Network.emulateNetworkConditions", conditions)
            log = Log(page)
            page.on("request", log.add)
            page.goto(f"/?run={run}{address}")
            wait_until_drawn(page)
            return page, log

        yield come
    assert not app.tracebacks()


def ready(page: Page) -> None:
    expect(source_line(page)).to_have_text(
        re.compile("On this device: the photo stays here"), timeout=LOADING_MS
    )


def choose(page: Page, name: str) -> None:
    give(page, FILES[name], name)


def ask(page: Page, *names: str) -> None:
    """See a question with these ways, and nothing of the words below it."""
    panel = page.locator(".vf-ask")
    expect(panel.locator("b")).to_have_text(list(names))
    expect(page.locator(".vf-words")).to_be_hidden()


def press(page: Page, name: str) -> None:
    page.locator(".vf-ask").get_by_role("button", name=name).click()


def select(page: Page, model: str) -> None:
    """Choose another model, with or without room for the list on this screen."""
    script = "(list, model) => { list.value = model; list.dispatchEvent(new Event('change')); }"
    page.locator(".vf-chip").evaluate(script, model)


def answered(page: Page, words: str) -> None:
    expect(headline(page)).to_have_text(IS_RED, timeout=LOADING_MS)
    expect(source_line(page)).to_contain_text(re.compile(words))


def walk(page: Page, log: Log) -> list[str]:
    """Do all that a visitor does besides choosing a file; return the routes that got a photo."""
    page.locator(".vf-shutter").click()
    expect(headline(page)).to_have_text(re.compile("^(Very|Prob|None|Hard|.* or )"))
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("canvas.vf-spotlight")).to_be_visible()
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Wrong?").click()
    page.get_by_label("What is it?").fill("rose")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Thanks.")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Wrong?").click()
    page.get_by_label("What is it?").fill("tulip")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Thanks.")).to_be_visible()
    routes = log.check()
    page.get_by_role("button", name="Close").click()
    page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          const file = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt());
          data.items.add(new File([file], "pasted.jpg", { type: "image/jpeg" }));
          const given = { clipboardData: data, bubbles: true, cancelable: true };
          document.body.dispatchEvent(new ClipboardEvent("paste", given));
        }""",
        base64.b64encode(GREEN).decode(),
    )
    expect(headline(page)).to_have_text("Very likely a green")
    page.locator(".vf-recent").last.click()
    expect(headline(page)).not_to_have_text("Very likely a green")
    wait_until_drawn(page)
    routes += log.check()
    page.reload()
    expect(source_line(page)).to_contain_text(" in ")
    return routes + log.check()


CORRECTED = ["correction", "correction"]


def test_device_sends_nothing(visit: Visit) -> None:
    page, log = visit("device")
    ready(page)
    choose(page, "photo.jpg")
    answered(page, "On this device in .* ms; sent: numbers only")
    for name in [name for name in FILES if name != "photo.jpg"]:
        choose(page, name)
        expect(page.locator(".vf-alert")).not_to_be_empty()
        expect(page.locator(".vf-ask")).to_have_count(0)
    assert log.check() == []
    expect(page.locator(".vf-file")).to_have_text(re.compile(r"empty\.jpg"))
    page.locator(".vf-shutter").click()
    page.get_by_role("button", name="Live").click()
    expect(source_line(page)).to_contain_text("a second")
    page.get_by_role("button", name="Photo", exact=True).click()
    assert walk(page, log) == CORRECTED
    # Another model is fetched, and looks at the photo here.
    page.locator(".vf-recent").last.click()
    select(page, "scripts")
    ask(page, "On this device")
    page.keyboard.press("Escape")
    expect(page.locator(".vf-ask")).to_have_count(0)
    select(page, "scripts")
    press(page, "On this device")
    expect(headline(page)).to_contain_text("أحمر", timeout=LOADING_MS)
    assert log.check() == []


def test_automatic_asks_before_anything_leaves_the_device(visit: Visit) -> None:
    page, log = visit("auto")
    ready(page)
    choose(page, "photo.jpg")
    answered(page, "On this device in .* ms; sent: numbers only")
    for name in ("photo.heic", "photo.tiff", "cut.jpg", "text.txt"):
        choose(page, name)
        ask(page, "Send the file", "Don’t send it")
        # The upper half of a photo can be drawn.
        if name != "cut.jpg":
            expect(page.locator(".vf-file")).to_have_text(re.compile(f"{name}.* kB"))
        page.keyboard.press("Escape")
        expect(page.locator(".vf-ask")).to_have_count(0)
    choose(page, "empty.jpg")
    expect(page.locator(".vf-alert")).to_have_text("This file is empty. Choose another photo.")
    assert log.check() == []
    page.locator(".vf-shutter").click()
    assert walk(page, log) == CORRECTED
    choose(page, "photo.heic")
    press(page, "Send the file")
    answered(page, "On the server in .*; sent: the file, .* kB")
    assert log.check() == ["photo"]
    # The choice holds, and the line says so.
    page.locator(".vf-shutter").click()
    expect(source_line(page)).to_have_text("On this device; files it can’t read go to the server")
    choose(page, "text.txt")
    expect(source_line(page)).to_have_text("Sent to the server: the file, 15 kB")
    assert log.check() == ["photo"]
    source_line(page).click()
    page.get_by_role("button", name=re.compile("^This device")).click()
    ready(page)
    assert log.check() == []


def test_refusal_holds_for_the_visit(visit: Visit) -> None:
    page, log = visit("auto")
    ready(page)
    choose(page, "photo.heic")
    with page.expect_file_chooser():
        press(page, "Don’t send it")
    expect(headline(page)).to_have_text("Point your phone at something")
    choose(page, "photo.tiff")
    expect(page.locator(".vf-alert")).to_contain_text("can't read")
    expect(source_line(page)).to_have_text("On this device: the photo stays here")
    assert log.check() == []


@pytest.mark.parametrize("way", ["On this device", "On the server"])
def test_another_model_asks_where_to_run(visit: Visit, way: str) -> None:
    page, log = visit("auto")
    ready(page)
    choose(page, "photo.jpg")
    answered(page, "On this device in")
    select(page, "scripts")
    ask(page, "On this device", "On the server")
    expect(page.locator(".vf-ask")).to_contain_text("“ألوان 色” isn’t on this device yet.")
    expect(page.locator(".vf-ask")).to_contain_text("Sends the marked part, about 2 kB.")
    page.get_by_role("button", name="Keep the first answer").click()
    answered(page, "On this device in")
    expect(page.locator(".vf-chip")).to_have_value("colours")
    select(page, "scripts")
    ask(page, "On this device", "On the server")
    # A second choice's question takes the place of the first one's.
    page.locator(".vf-ask").evaluate("(panel) => panel.setAttribute('data-first', '')")
    select(page, "scripts")
    expect(page.locator(".vf-ask[data-first]")).to_have_count(0)
    ask(page, "On this device", "On the server")
    assert log.check() == []
    press(page, way)
    expect(headline(page)).to_contain_text("أحمر", timeout=LOADING_MS)
    sent = {"On this device": "sent: numbers only", "On the server": "sent: .* kB of pixels"}
    expect(source_line(page)).to_contain_text(re.compile(f"{way} in .* ms; {sent[way]}"))
    assert log.check() == ([] if way == "On this device" else ["pixels"])
    # The first model is still here, and needs no question.
    select(page, "colours")
    answered(page, "On this device in")
    assert log.check() == []


def test_server_gets_the_marked_part_only(visit: Visit) -> None:
    page, log = visit("server")
    expect(source_line(page)).to_have_text("On the server: it gets the marked part only")
    choose(page, "photo.jpg")
    answered(page, r"On the server in .* ms; sent: \d kB of pixels")
    assert log.check() == ["pixels"]
    for name in ("photo.heic", "text.txt"):
        choose(page, name)
        ask(page, "Send the file", "Don’t send it")
        page.keyboard.press("Escape")
    choose(page, "empty.jpg")
    expect(page.locator(".vf-alert")).to_have_text("This file is empty. Choose another photo.")
    assert log.check() == []
    page.locator(".vf-shutter").click()
    assert walk(page, log) == ["pixels", "pixels/explanation", *CORRECTED, "pixels"]
    page.locator(".vf-recent").last.click()
    select(page, "scripts")
    expect(headline(page)).to_contain_text("أحمر")
    assert log.check() == ["pixels"]
    choose(page, "photo.tiff")
    press(page, "Send the file")
    expect(source_line(page)).to_contain_text(re.compile("On the server in .*; sent: the file"))
    assert log.check() == ["photo"]


def test_server_on_this_machine_gets_the_file(visit: Visit) -> None:
    page, log = visit("server", is_far=False)
    expect(source_line(page)).to_have_text("On the server: it gets the whole file")
    for name in ("photo.jpg", "photo.heic"):
        choose(page, name)
        answered(page, "On the server in .* ms; sent: the file, .* kB")
    assert log.check() == ["photo", "photo"]


def test_page_joins_a_server_that_comes_back(
    browser: Browser, built_dir: Path, tmp_path: Path
) -> None:
    gone = "The server doesn’t answer. "
    add_colours(tmp_path, built_dir)
    options = {"LOUPE_MODEL": "colours", "LOUPE_BUILTIN": "false"}
    with ExitStack() as stack:
        first = stack.enter_context(serving(tmp_path, **options))
        page = stack.enter_context(checked_page(browser, {"base_url": first.url}))
        page.goto("/")
        ready(page)
        choose(page, "photo.jpg")
        expect(page).to_have_url(re.compile("answer="))
        first.process.kill()
        first.process.wait()
        expect(source_line(page)).to_have_text(f"{gone}This device still does.")
        page.keyboard.press("Escape")
        expect(headline(page)).to_have_text("Point your phone at something")
        expect(headline(page)).to_be_visible()
        choose(page, "photo.jpg")
        expect(headline(page)).to_have_text(IS_RED)
        page.get_by_role("button", name="Why?").click()
        expect(page.locator("canvas.vf-spotlight")).to_be_visible()
        page.evaluate("window.isSamePage = true")
        second = stack.enter_context(serving(tmp_path, port=first.port, **options))
        expect(source_line(page)).to_contain_text("On this device in", timeout=LOADING_MS)
        expect(chart(page)).to_be_visible(timeout=LOADING_MS)
        source_line(page).click()
        page.get_by_role("button", name=re.compile("^The server")).click()
        expect(source_line(page)).to_contain_text("On the server in", timeout=LOADING_MS)
        second.process.kill()
        second.process.wait()
        expect(source_line(page)).to_have_text(f"{gone}Trying again…")
        # What is closed meanwhile stays closed, though the address still has it.
        page.keyboard.press("Escape")
        stack.enter_context(serving(tmp_path, port=first.port, **options))
        expect(source_line(page)).to_contain_text("On the server: ", timeout=LOADING_MS)
        expect(page).not_to_have_url(re.compile("answer="))
        expect(headline(page)).to_have_text("Point your phone at something")
        assert page.evaluate("window.isSamePage")
