"""The clients in ``docs/clients``, run as a reader would run them.

Without a complete response they raise a typed error.
"""

import json
import socket
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

from tests.browser.server import Server
from tests.docs.conftest import CLIENTS
from tests.http_server import Handler, http_server
from tests.python import import_file
from tests.tools import require_tool


def run(client: list[str], *arguments: object) -> tuple[list[dict[str, Any]], str, int]:
    """Return a client's results, what it wrote to standard error, and its exit status."""
    completed = subprocess.run(
        [*client, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    results = [json.loads(line) for line in completed.stdout.splitlines()]
    return results, completed.stderr, completed.returncode


@pytest.mark.parametrize(
    ("name", "answer", "code"),
    [
        ("red.png", "red", ""),
        ("notes.jpg", "", "unsupported-format"),
        ("large.jpg", "", "too-large"),
    ],
)
def test_client_prints_the_answer_to_a_photo_or_its_code(
    client: list[str], server: Server, photos: Path, name: str, answer: str, code: str
) -> None:
    answers, errors, status = run(client, server.url, photos / name)
    shown = [(each["answer"], each["model"], each["known"]) for each in answers]
    assert (shown, status) == (([(answer, "tiny", True)], 0) if answer else ([], 1))
    assert errors.startswith(f"{code}: ") if code else not errors
    assert len(errors.splitlines()) == bool(code)


def test_client_reads_a_batch_line_by_line(client: list[str], server: Server, photos: Path) -> None:
    names = ["blue.png", "notes.jpg", 'gr"ey ü.png', "large.jpg", "red.png"]
    answers, _, code = run(client, server.url, *(photos / name for name in names))
    assert code == 0
    results = [a.get("answer", a.get("error", {}).get("code")) for a in answers]
    assert results == ["blue", "unsupported-format", None, "too-large", "red"]
    assert [answer["photo"].replace("%22", '"') for answer in answers] == names


class Proxy(Handler):
    """A proxy in front of the app that rejects the first requests, as a busy server does."""

    upstream: ClassVar[str]
    rejections: ClassVar[list[tuple[int, str, str]]]
    seen: ClassVar[list[str]]

    def do_POST(self) -> None:
        body, kind = self.read_body(), self.headers["Content-Type"]
        self.seen.append(self.path)
        if self.rejections:
            status, kind, text = self.rejections.pop(0)
            self.respond(status, text.encode(), {"Content-Type": kind, "Retry-After": "0"})
            return
        request = Request(self.upstream + self.path, body, {"Content-Type": kind})
        with urlopen(request, timeout=30) as answer:
            self.respond(answer.status, answer.read(), {"Content-Type": "application/json"})


@contextmanager
def proxy(server: Server, *rejections: tuple[int, str, str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the proxy's address and the paths that it was asked for."""
    seen = list[str]()
    values = {"upstream": server.url, "rejections": list(rejections), "seen": seen}
    with http_server(type("Rejecting", (Proxy,), values)) as url:
        yield url, seen


def problem_503(code: str) -> tuple[int, str, str]:
    problem = {"type": f"urn:loupe:{code}", "title": "", "status": 503, "detail": "Wait."}
    return 503, "application/problem+json", json.dumps(problem | {"code": code})


def test_client_retries_while_the_server_is_busy(
    client: list[str], server: Server, photos: Path
) -> None:
    own_page = (503, "text/html", "<html>A proxy's own page</html>")
    with proxy(server, problem_503("busy"), own_page, problem_503("stopping")) as (url, seen):
        (answer,), errors, _ = run(client, url, photos / "red.png")
    assert (len(seen), answer["answer"], errors) == (4, "red", "")


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
    with proxy(server, rejection) as (url, seen):
        answers, errors, _ = run(client, url, photos / "red.png")
    assert (len(seen), answers, errors.strip()) == (1, [], message)


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
    expected = {"label": "pillar box", "predicted": "red", "kept": True}
    assert expected.items() <= correction.items()
    with pytest.raises(python_client().Problem) as caught:
        client.identify(photos / "red.png", model="gone")
    assert (caught.value.status, caught.value.code) == (404, "no-such-model")
    assert "Available" in caught.value.detail


def test_python_client_stops_retrying_after_its_patience(server: Server, photos: Path) -> None:
    with proxy(server, *[problem_503("busy")] * 100) as (url, seen):
        with pytest.raises(python_client().Problem, match="busy: Wait"):
            python_client().Loupe(url, patience=1.0).identify(photos / "red.png")
        assert len(seen) in (1, 2)


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
    identified = ["red", "red.png red", "blue.png blue", "red"]
    assert results == [*identified, True, True, "unsupported-format"]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
LINE = b'{"photo":"red.png","answer":"red"}\n{"photo":"bl'
CUT = {
    "a chunked batch": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(LINE)
    + LINE
    + b"\r\n",
    "a batch until the connection closes": HEAD + b"Connection: close\r\n\r\n" + LINE,
    "an error": b'HTTP/1.1 422 No\r\nContent-Length: 500\r\n\r\n{"code": "da',
}


@pytest.mark.parametrize("response", CUT.values(), ids=CUT)
def test_incomplete_response_raises_a_typed_error(
    client: list[str], photos: Path, response: bytes
) -> None:
    class Cut(Handler):
        def do_POST(self) -> None:
            self.read_body()
            self.wfile.write(response)

    is_batch = LINE in response
    names = ("red.png", "blue.png")[: 1 + is_batch]
    with http_server(Cut) as url:
        answers, errors, code = run(client, url, *(photos / name for name in names))
    assert [answer["answer"] for answer in answers] == ["red"] * is_batch
    assert code == 1
    assert errors.splitlines()[-1].startswith("cut: " if is_batch else "error: ")
    assert "Traceback" not in errors


def test_missing_server_raises_unreachable(client: list[str], photos: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    for names in (["red.png"], ["red.png", "blue.png"]):
        answers, errors, code = run(client, url, *(photos / name for name in names))
        assert (answers, code, errors.count("\n")) == ([], 1, 1)
        assert errors.startswith(f"unreachable: No response from {url}/api/v1: ")


def test_too_large_batch_is_not_sent(client: list[str], tmp_path: Path) -> None:
    for number in range(6):
        with (tmp_path / f"{number}.jpg").open("wb") as file:
            file.truncate(18 * 2**20)
    answers, errors, code = run(client, "http://127.0.0.1:9", *sorted(tmp_path.iterdir()))
    assert (answers, code) == ([], 1)
    assert errors.startswith("too-large: ")


def test_client_without_arguments_prints_usage(client: list[str]) -> None:
    for arguments in ([], ["http://127.0.0.1:9"]):
        answers, errors, code = run(client, *arguments)
        assert (answers, code) == ([], 2)
        usage, example = errors.splitlines()
        assert usage.startswith("Usage: ")
        assert example.startswith("Example: ")


IN_NODE = """
import { Loupe } from %(client)s;
const photo = Object.assign(new Blob(["no photo"]), { name: "a.jpg" });
const files = { length: 1, 0: photo, *[Symbol.iterator]() { yield photo; } };
for await (const answer of new Loupe(%(server)s).batch(files)) console.log(answer.error.code);
"""


def test_javascript_accepts_a_file_list_and_runs_through_a_symlink(
    server: Server, photos: Path, tmp_path: Path
) -> None:
    """A FileList is iterable and not an array."""
    node = require_tool("node")
    values = {"client": CLIENTS / "javascript.mjs", "server": server.url}
    (tmp_path / "form.mjs").write_text(IN_NODE % {k: json.dumps(str(v)) for k, v in values.items()})
    completed = subprocess.run(
        [node, str(tmp_path / "form.mjs")], capture_output=True, text=True, check=True
    )
    assert completed.stdout == "unsupported-format\n"
    (tmp_path / "link.mjs").symlink_to(CLIENTS / "javascript.mjs")
    (answer,), _, code = run([node, str(tmp_path / "link.mjs")], server.url, photos / "red.png")
    assert (answer["answer"], code) == ("red", 0)
