"""The clients in ``docs/clients``, run as a reader would copy them."""

import json
import re
import threading
from base64 import b64encode
from functools import cache
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

from tests.browser.server import Server
from tests.docs.client_runner import CLIENTS, run
from tests.http_server import Handler
from tests.python import import_file
from tests.tools import require_tool
from tests.waiting import POLL_SECONDS


def test_client_identifies_a_photo(client: list[str], server: Server, photos: Path) -> None:
    (answer,), errors, code = run(client, server.url, photos / "red.png")
    assert (answer["answer"], answer["model"], answer["known"]) == ("red", "tiny", True)
    assert (errors, code) == ("", 0)


def test_client_reads_a_batch_line_by_line(client: list[str], server: Server, photos: Path) -> None:
    names = ["blue.png", "notes.jpg", 'gr"ey ü.png', "large.jpg", "red.png"]
    answers, _, code = run(client, server.url, *(photos / name for name in names))
    assert code == 0
    results = [a.get("answer", a.get("error", {}).get("code")) for a in answers]
    assert results == ["blue", "unsupported-format", None, "too-large", "red"]
    assert [answer["photo"].replace("%22", '"') for answer in answers] == names


@pytest.mark.parametrize(
    ("name", "code"), [("notes.jpg", "unsupported-format"), ("large.jpg", "too-large")]
)
def test_rejected_photo_prints_its_code(
    client: list[str], server: Server, photos: Path, name: str, code: str
) -> None:
    answers, errors, status = run(client, server.url, photos / name)
    assert (answers, status) == ([], 1)
    assert errors.startswith(f"{code}: ")
    assert len(errors.splitlines()) == 1


class Proxy(ThreadingHTTPServer):
    """A proxy in front of the app that rejects the first requests, as a busy server does."""

    def __init__(self, upstream: str, rejections: list[tuple[int, str, str]]) -> None:
        super().__init__(("127.0.0.1", 0), ProxyHandler)
        self.upstream, self.rejections, self.requests = upstream, rejections, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class ProxyHandler(Handler):
    server: Proxy

    def do_POST(self) -> None:
        body = self.read_body()
        self.server.requests += 1
        if len(self.server.rejections) >= self.server.requests:
            status, kind, text = self.server.rejections[self.server.requests - 1]
            headers = {"Content-Type": kind, "Retry-After": "0"}
            return self.respond(status, text.encode(), headers)
        kind = self.headers["Content-Type"]
        request = Request(self.server.upstream + self.path, body, {"Content-Type": kind})
        try:
            with urlopen(request, timeout=30) as answer:
                self.respond(answer.status, answer.read(), {"Content-Type": "application/json"})
        except HTTPError as error:
            with error:
                self.respond(error.code, error.read(), dict(error.headers))


def run_behind_proxy(
    client: list[str], server: Server, photo: Path, *rejections: tuple[int, str, str]
) -> tuple[int, list[dict[str, Any]], str]:
    """Return the number of requests, the client's results and its errors."""
    with Proxy(server.url, list(rejections)) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        answers, errors, _ = run(client, proxy.url, photo)
        proxy.shutdown()
        return proxy.requests, answers, errors


def problem_503(code: str) -> tuple[int, str, str]:
    problem = {
        "type": f"urn:loupe:{code}",
        "title": "",
        "status": 503,
        "detail": "Wait.",
        "code": code,
    }
    return 503, "application/problem+json", json.dumps(problem)


PROXY_PAGE = (503, "text/html", "<html>A proxy's own page</html>")


def test_client_retries_while_the_server_is_busy(
    client: list[str], server: Server, photos: Path
) -> None:
    seen, (answer,), errors = run_behind_proxy(
        client, server, photos / "red.png", problem_503("busy"), PROXY_PAGE, problem_503("stopping")
    )
    assert (seen, answer["answer"], errors) == (4, "red", "")


@pytest.mark.parametrize(
    ("rejection", "message"),
    [
        (problem_503("golden-mismatch"), "golden-mismatch: Wait."),
        (problem_503("data-refused"), "data-refused: Wait."),
        ((502, "text/html", "<html>"), "error: The server responded with 502."),
        ((500, "application/json", '"words"'), "error: The server responded with 500."),
    ],
)
def test_client_does_not_retry_other_errors(
    client: list[str], server: Server, photos: Path, rejection: tuple[int, str, str], message: str
) -> None:
    seen, answers, errors = run_behind_proxy(client, server, photos / "red.png", rejection)
    assert (seen, answers, errors.strip()) == (1, [], message)


@cache
def python_client() -> ModuleType:
    return import_file(CLIENTS / "python.py")


def test_python_client_explains_corrects_and_lists_models(server: Server, photos: Path) -> None:
    client = python_client().Loupe(server.url)
    answer = client.identify(photos / "red.png", model="tiny", top=2, explain=True)
    assert len(answer["candidates"]) == 2
    assert answer["explanation"]["label"] == "red"
    assert "tiny" in {model["name"] for model in client.models()}
    correction = client.correct((photos / "red.png").read_bytes(), "pillar box", keep=True)
    assert (correction["label"], correction["predicted"], correction["kept"]) == (
        "pillar box",
        "red",
        True,
    )
    with pytest.raises(python_client().Problem) as caught:
        client.identify(photos / "red.png", model="gone")
    assert (caught.value.status, caught.value.code) == (404, "no-such-model")
    assert "Available" in caught.value.detail


def test_python_client_stops_retrying_after_its_patience(server: Server, photos: Path) -> None:
    with Proxy(server.url, [problem_503("busy")] * 100) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        with pytest.raises(python_client().Problem, match="busy: Wait"):
            python_client().Loupe(proxy.url, patience=1.0).identify(photos / "red.png")
        proxy.shutdown()
        assert proxy.requests in (1, 2)


IN_A_PAGE = """
async ([server, red, blue]) => {
  const { Loupe, Problem } = await import("./javascript.mjs");
  const file = async (url, name) => new File([await (await fetch(url)).blob()], name);
  const [loupe, photo] = [new Loupe(server), await file(red, "red.png")];
  const results = [(await loupe.identify(photo, { top: 1 })).answer];
  for await (const result of loupe.batch([photo, await file(blue, "blue.png")])) {
    results.push(`${result.photo} ${result.answer}`);
  }
  results.push((await loupe.correct(photo, "brick")).predicted);
  results.push((await loupe.models()).some((model) => model.name === "tiny"));
  try {
    await loupe.identify(new File(["no photo"], "x.jpg"));
  } catch (error) {
    results.push(error instanceof Problem, error.code);
  }
  return results;
}
"""


@pytest.mark.browser
def test_page_of_an_allowed_site_calls_the_api(server: Server, site: str, photos: Path) -> None:
    chromium = require_tool("chromium")
    urls = [
        f"data:image/png;base64,{b64encode((photos / name).read_bytes()).decode()}"
        for name in ("red.png", "blue.png")
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(site)
        results = page.evaluate(IN_A_PAGE, [server.url, *urls])
        # A site that LOUPE_CORS does not name reads nothing.
        page.goto(site.replace("127.0.0.1", "localhost"))
        with pytest.raises(PlaywrightError, match="Failed to fetch"):
            page.evaluate(IN_A_PAGE, [server.url, *urls])
        browser.close()
    assert results == [
        *("red", "red.png red", "blue.png blue", "red", True),
        *(True, "unsupported-format"),
    ]


@pytest.mark.parametrize("name", ["python.py", "javascript.mjs"])
def test_clients_call_routes_that_exist(described: dict[str, Any], name: str) -> None:
    text = (CLIENTS / name).read_text(encoding="utf-8")
    paths = set(re.findall(r"[\"/](/?(?:identify(?:/batch)?|corrections|models))[\"?]", text))
    routes = {f"/{path.strip('/')}" for path in paths}
    assert len(routes) == 4
    assert routes <= described["paths"].keys()
