"""The clients in the documentation, as somebody who copies them runs them."""

import importlib.util
import json
import threading
from base64 import b64encode
from functools import cache
from http.server import (
    BaseHTTPRequestHandler,
    ThreadingHTTPServer,
)
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

from tests.browser.server import Server
from tests.docs.parts import CLIENTS, run
from tests.tools import require_tool


def test_a_photo_is_identified(client: list[str], server: Server, photos: Path) -> None:
    (answer,), errors, code = run(client, server.url, photos / "red.png")
    assert (answer["answer"], answer["model"], answer["known"]) == ("red", "tiny", True)
    assert (errors, code) == ("", 0)


def test_a_batch_comes_line_by_line(client: list[str], server: Server, photos: Path) -> None:
    names = ["blue.png", "notes.jpg", 'gr"ey ü.png', "large.jpg", "red.png"]
    answers, _, code = run(client, server.url, *(photos / name for name in names))
    assert code == 0
    said = [one.get("answer", one.get("error", {}).get("code")) for one in answers]
    assert said == ["blue", "unsupported-format", None, "too-large", "red"]
    assert [one["photo"].replace("%22", '"') for one in answers] == names


@pytest.mark.parametrize(
    ("name", "code"), [("notes.jpg", "unsupported-format"), ("large.jpg", "too-large")]
)
def test_a_refusal_has_its_code(
    client: list[str], server: Server, photos: Path, name: str, code: str
) -> None:
    answers, errors, status = run(client, server.url, photos / name)
    assert (answers, status) == ([], 1)
    assert errors.startswith(f"{code}: ")
    assert len(errors.splitlines()) == 1


class Proxy(ThreadingHTTPServer):
    """Stands before the app and refuses the first requests, as a busy one does."""

    def __init__(self, behind: str, refusals: list[tuple[int, str, str]]) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.behind, self.refusals, self.seen = behind, refusals, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Passing(BaseHTTPRequestHandler):
    server: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen += 1
        if len(self.server.refusals) >= self.server.seen:
            status, kind, text = self.server.refusals[self.server.seen - 1]
            headers = {"Content-Type": kind, "Retry-After": "0"}
            return self.give(status, headers, text.encode())
        kind = self.headers["Content-Type"]
        request = Request(self.server.behind + self.path, body, {"Content-Type": kind})
        try:
            with urlopen(request, timeout=30) as answer:
                self.give(answer.status, {"Content-Type": "application/json"}, answer.read())
        except HTTPError as error:
            with error:
                self.give(error.code, dict(error.headers), error.read())

    def give(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def refused(
    client: list[str], server: Server, photo: Path, *refusals: tuple[int, str, str]
) -> tuple[int, list[dict[str, Any]], str]:
    """How often a client asked, its answers and errors."""
    with Proxy(server.url, list(refusals)) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        answers, errors, _ = run(client, proxy.url, photo)
        proxy.shutdown()
        return proxy.seen, answers, errors


def told(code: str) -> tuple[int, str, str]:
    said = {
        "type": f"urn:loupe:{code}",
        "title": "",
        "status": 503,
        "detail": "Wait.",
        "code": code,
    }
    return 503, "application/problem+json", json.dumps(said)


PAGE = (503, "text/html", "<html>A proxy's own page</html>")


def test_a_busy_server_is_asked_again(client: list[str], server: Server, photos: Path) -> None:
    seen, (answer,), errors = refused(
        client, server, photos / "red.png", told("busy"), PAGE, told("stopping")
    )
    assert (seen, answer["answer"], errors) == (4, "red", "")


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (told("golden-mismatch"), "golden-mismatch: Wait."),
        (told("data-refused"), "data-refused: Wait."),
        ((502, "text/html", "<html>"), "error: The server answered 502."),
        ((500, "application/json", '"words"'), "error: The server answered 500."),
    ],
)
def test_what_waiting_does_not_mend_is_not_asked_again(
    client: list[str], server: Server, photos: Path, refusal: tuple[int, str, str], said: str
) -> None:
    seen, answers, errors = refused(client, server, photos / "red.png", refusal)
    assert (seen, answers, errors.strip()) == (1, [], said)


@cache
def loupe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("loupe_client", CLIENTS / "python.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_python_client_does_the_rest(server: Server, photos: Path) -> None:
    client = loupe().Loupe(server.url)
    answer = client.identify(photos / "red.png", model="tiny", top=2, explain=True)
    assert len(answer["candidates"]) == 2
    assert answer["explanation"]["label"] == "red"
    assert "tiny" in {one["name"] for one in client.models()}
    kept = client.correct((photos / "red.png").read_bytes(), "pillar box", keep=True)
    assert (kept["label"], kept["predicted"], kept["kept"]) == ("pillar box", "red", True)
    with pytest.raises(loupe().Problem) as caught:
        client.identify(photos / "red.png", model="gone")
    assert (caught.value.status, caught.value.code) == (404, "no-such-model")
    assert "Available" in caught.value.detail


def test_patience_has_a_bound(server: Server, photos: Path) -> None:
    with Proxy(server.url, [told("busy")] * 100) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        with pytest.raises(loupe().Problem, match="busy: Wait"):
            loupe().Loupe(proxy.url, patience=1.0).identify(photos / "red.png")
        proxy.shutdown()
        assert proxy.seen in (1, 2)


IN_A_PAGE = """
async ([server, red, blue]) => {
  const { Loupe, Problem } = await import("./javascript.mjs");
  const file = async (url, name) => new File([await (await fetch(url)).blob()], name);
  const [loupe, photo] = [new Loupe(server), await file(red, "red.png")];
  const said = [(await loupe.identify(photo, { top: 1 })).answer];
  for await (const one of loupe.batch([photo, await file(blue, "blue.png")])) {
    said.push(`${one.photo} ${one.answer}`);
  }
  said.push((await loupe.correct(photo, "brick")).predicted);
  said.push((await loupe.models()).some((one) => one.name === "tiny"));
  try {
    await loupe.identify(new File(["no photo"], "x.jpg"));
  } catch (error) {
    said.push(error instanceof Problem, error.code);
  }
  return said;
}
"""


@pytest.mark.browser
def test_a_page_of_another_site_uses_it(server: Server, site: str, photos: Path) -> None:
    chromium = require_tool("chromium")
    urls = [
        f"data:image/png;base64,{b64encode((photos / name).read_bytes()).decode()}"
        for name in ("red.png", "blue.png")
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(site)
        said = page.evaluate(IN_A_PAGE, [server.url, *urls])
        # Who is not on the list reads nothing.
        page.goto(site.replace("127.0.0.1", "localhost"))
        with pytest.raises(PlaywrightError, match="Failed to fetch"):
            page.evaluate(IN_A_PAGE, [server.url, *urls])
        browser.close()
    assert said == [
        *("red", "red.png red", "blue.png blue", "red", True),
        *(True, "unsupported-format"),
    ]
