"""A visitor whose photos are watched: bodies that leave the browser, beside the screen's words."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, Request, expect

from tests.browser.drive import (
    HEIC_PHOTO,
    IS_RED,
    RED_PHOTO,
    give,
    headline,
    source_line,
)
from tests.model.tiny import colour
from tests.photos import encoded

FAR_MS = 60
"""Latency at which a server isn't on the same machine."""

FILES = {
    "photo.jpg": RED_PHOTO,
    "photo.heic": HEIC_PHOTO,
    "photo.tiff": encoded(colour("red").resize((300, 200)), "TIFF"),
    "cut.heic": HEIC_PHOTO[:100],
    "cut.jpg": RED_PHOTO[: len(RED_PHOTO) // 2],
    "text.txt": b"no photo at all" * 1000,
    "empty.jpg": b"",
}

WATCH = """
window.sendings = [];
const deep = (selector, root = document) => {
  for (const element of root.querySelectorAll("*")) {
    if (element.matches(selector)) return element;
    const found = element.shadowRoot && deep(selector, element.shadowRoot);
    if (found) return found;
  }
  return null;
};
const lineNow = () => deep(".vf-where")?.innerText ?? "";
let agreed = "", promised = "", again = "";
// The line of an answer of this browser's says what was sent for it, and so what the next photo
// sends; that of a link doesn't.
const hear = (event) => {
  const button = event.composedPath().find((node) => node.matches?.(".vf-ask-way"));
  if (button) agreed = button.innerText;
  if (/stays here|gets |; sent: |files it can’t read go/.test(lineNow())) promised = lineNow();
};
for (const name of ["click", "input", "paste", "drop"]) {
  document.addEventListener(name, hear, { capture: true });
}
window.lookAgain = () => { again = lineNow(); };
const note = (url, body) => {
  const bytes = body?.byteLength ?? body?.size ?? body?.length ?? 0;
  const size = body instanceof FormData
    ? [...body.values()].reduce((sum, value) => sum + (value.size ?? value.length), 0) : bytes;
  const consent = deep(".vf-correction input[type=checkbox]")?.checked ?? false;
  const isAsking = deep(".vf-ask") !== null;
  const words = { line: lineNow(), promised, again, agreed, consent, isAsking };
  window.sendings.push({ url: String(url), bytes: size, ...words });
  agreed = again = "";
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
"""Note each body with its size and the words that allow it: see `is_promised`."""

MAX_FRAME = 4096
"""Largest message of the websocket, in bytes: no photo of these tests is as small."""


@dataclass
class Log:
    """All bodies that a page sent, and those that only the browser reports, such as workers'."""

    page: Page
    posts: list[str] = field(default_factory=list)

    def add(self, request: Request) -> None:
        # A request for a session token has no body, nor has one that undoes a correction.
        is_bare = request.url.endswith("/api/session/") or request.method == "DELETE"
        is_known = is_bare and not request.post_data
        if request.method not in ("GET", "HEAD") and not is_known:
            self.posts.append(request.url)

    def check(self) -> list[str]:
        """Compare each body with the words beside it; return the routes that got a photo."""
        sendings = self.page.evaluate("window.sendings.splice(0)")
        frames = [one for one in sendings if one["url"] == "socket"]
        assert all(frame["bytes"] <= MAX_FRAME for frame in frames), frames
        photos = [one for one in sendings if one["url"] != "socket"]
        routes = [route_of(one["url"]) for one in photos]
        posted = [route_of(url) for url in self.posts]
        assert posted == routes, "sent behind the page's back"
        self.posts.clear()
        for route, sent in zip(routes, photos, strict=True):
            assert is_promised(route, sent), (route, sent)
        return routes


def route_of(url: str) -> str:
    """Return what a request is for: ``photo``, ``pixels``, ``correction``, or an explanation."""
    if "/api/v1/corrections" in url:
        return "correction"
    kind = "pixels" if "pixels=" in url else "photo"
    if "explain=" not in url:
        return kind
    return "pixels/explanation" if kind == "pixels" else "explanation"


def is_promised(route: str, sent: dict[str, Any]) -> bool:
    """Return whether the words on the screen allow that a body is sent.

    A photo needs what was promised before it, or an answer to a question. What the server got
    already, it may get once more: to explain its answer, or for another model to look.
    """
    if sent["isAsking"]:
        return False
    if route == "correction":
        return bool(sent["consent"] or sent["bytes"] < 500)
    before = sent["line"] if route.endswith("explanation") else sent["again"]
    is_pixels = route.startswith("pixels")
    if ("of pixels" if is_pixels else "sent: the file") in before:
        return True
    allowed = sent["promised"] + sent["agreed"]
    files = ("the whole file", "else the file", "go to the", "the photo or a part")
    pixels = ("the marked part", "a part of it", " of pixels")
    words = pixels if is_pixels else (*files, "; sent: the file")
    return any(word in allowed for word in words) or (not is_pixels and "Send the file" in allowed)


Visit = Callable[..., tuple[Page, Log]]


def ready(page: Page) -> None:
    expect(source_line(page)).to_have_text(re.compile("On this device: the photo stays here"))


def choose(page: Page, name: str) -> None:
    give(page, FILES[name], name)


def ask(page: Page, *names: str) -> None:
    """Expect a question with these ways, and none of the words below it."""
    panel = page.locator(".vf-ask")
    expect(panel.locator("b")).to_have_text(list(names))
    expect(page.locator(".vf-words")).to_be_hidden()
    expect(page.locator(".vf-choose")).to_be_hidden()


def press(page: Page, name: str) -> None:
    page.locator(".vf-ask").get_by_role("button", name=name).click()


def select(page: Page, model: str) -> None:
    """Choose another model, with or without room for the list on this screen."""
    script = """(list, model) => {
      window.lookAgain();
      list.value = model;
      list.dispatchEvent(new Event("change"));
    }"""
    page.locator(".vf-chip").evaluate(script, model)


def answered(page: Page, words: str) -> None:
    expect(headline(page)).to_have_text(IS_RED)
    expect(source_line(page)).to_contain_text(re.compile(words))
