"""The clients in the documentation, as somebody who copies them runs them."""

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from http.server import (
    BaseHTTPRequestHandler,
    SimpleHTTPRequestHandler,
    ThreadingHTTPServer,
)
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

from api.problems import STATUSES
from model.settings import ROOT
from tests.browser.server import Server, serving
from tests.model.tiny import CALIBRATED, colour, tiny
from tests.photos import encoded

CLIENTS = ROOT / "docs" / "clients"
NODE = shutil.which("node")
RUN = {
    "python": [sys.executable, str(CLIENTS / "python.py")],
    "javascript": [NODE or "node", str(CLIENTS / "javascript.mjs")],
}


class Quiet(SimpleHTTPRequestHandler):
    """Hands out the folder of the clients, and logs nothing."""

    extensions_map: ClassVar[dict[str, str]] = {".mjs": "text/javascript", "": "text/plain"}

    def __init__(self, *given: Any) -> None:
        super().__init__(*given, directory=str(CLIENTS))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Another site, whose pages use the API."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, site: str) -> Iterator[Server]:
    """The app with a small calibrated model that answers by default."""
    folder = tmp_path_factory.mktemp("clients")
    tiny(folder / "data" / "models", confidence=CALIBRATED)
    with serving(folder, LOUPE_MODEL="tiny", LOUPE_CORS=f"https://example.org, {site}") as running:
        yield running


@pytest.fixture(params=list(RUN))
def client(request: pytest.FixtureRequest) -> list[str]:
    """How a client is started."""
    if request.param == "javascript" and NODE is None:
        pytest.skip("NO NODE, so the JavaScript client is not tested: install Node 20")
    return RUN[request.param]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with photos of a red, a blue and an unknown colour, and what is none."""
    for name in ("red", "blue"):
        (tmp_path / f"{name}.png").write_bytes(encoded(colour(name), "PNG"))
    (tmp_path / 'gr"ey ü.png').write_bytes(encoded(Image.new("RGB", (48, 48), (128,) * 3), "PNG"))
    (tmp_path / "notes.jpg").write_bytes(b"no photo at all")
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(20 * 2**20 + 1)
    return tmp_path


def run(client: list[str], *words: object) -> tuple[list[dict[str, Any]], str, int]:
    """A client's answers, what it wrote of errors, and its exit status."""
    done = subprocess.run(
        [*client, *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr, done.returncode


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
    assert "Models here" in caught.value.detail


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
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if found is None:
        reason = "NO CHROMIUM, so the client is not tested in a page: install it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    urls = [
        f"data:image/png;base64,{b64encode((photos / name).read_bytes()).decode()}"
        for name in ("red.png", "blue.png")
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
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


def cut_short(listening: socket.socket, line: bytes, *, chunked: bool) -> None:
    """A server that goes away after one answer of a batch."""
    connection, _ = listening.accept()
    with connection, connection.makefile("rb") as received:
        length = 0
        while (header := received.readline().lower()) != b"\r\n":
            if header.startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        received.read(length)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
        if chunked:
            head += b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(line)
            line += b"\r\n"
        else:
            head += b"Connection: close\r\n\r\n"
        connection.sendall(head + line)


@pytest.mark.parametrize("chunked", [True, False])
def test_a_batch_that_is_cut_short_is_no_whole_one(
    client: list[str], photos: Path, chunked: bool
) -> None:
    line = b'{"photo":"red.png","answer":"red"}\n{"photo":"bl'
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(
            target=cut_short, args=(listening, line), kwargs={"chunked": chunked}, daemon=True
        )
        serving.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        answers, errors, code = run(client, url, photos / "red.png", photos / "blue.png")
    assert [one["answer"] for one in answers] == ["red"]
    assert code == 1
    assert errors.splitlines()[-1].startswith("cut: ")


# Swift and Kotlin: no compiler here, so at least their names must be the API's


@pytest.fixture(scope="module")
def described(server: Server) -> dict[str, Any]:
    """What the server says of itself."""
    with urlopen(f"{server.url}/api/v1/openapi.json", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def fields(described: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = described["components"]["schemas"][name]["properties"]
    return found


def swift(kind: str) -> dict[str, str]:
    """The stored properties of a struct in the Swift client, with their types."""
    text = (CLIENTS / "Loupe.swift").read_text(encoding="utf-8")
    body = re.search(rf"^( *)struct {kind}: [^{{]*\{{\n(.*?)\n\1\}}", text, re.M | re.S)
    assert body
    indent = body[1] + "    "
    return dict(re.findall(rf"^{indent}let (\w+): (.+)$", body[2], re.M))


def kotlin() -> dict[str, str]:
    """What the Kotlin client reads by name, with how it reads it."""
    text = (CLIENTS / "Loupe.kt").read_text(encoding="utf-8")
    return {name: how for how, name in re.findall(r"\.(get\w*|isNull)\(\"(\w+)\"\)", text)}


TYPES = {"String": "string", "Double": "number", "Bool": "boolean", "Int": "integer"}


def fits(wanted: str, schema: dict[str, Any]) -> bool:
    """Whether a Swift type decodes what a field is described as."""
    kinds = {one.get("type") for one in schema.get("anyOf", [schema])}
    if "null" in kinds and not wanted.endswith("?"):
        return False
    bare = wanted.rstrip("?")
    return ("array" if bare.startswith("[") else TYPES[bare]) in kinds


def test_swift_decodes_what_there_is(described: dict[str, Any]) -> None:
    answer = swift("Answer")
    # A label, a list or null become a list: its own decoding, which the next line looks at.
    assert answer.pop("answer") == "[String]"
    assert "decode(String.self, forKey: .answer)" in (CLIENTS / "Loupe.swift").read_text()
    known = fields(described, "Answer")
    assert answer.keys() == known.keys() - {"answer", "milliseconds", "explanation"}
    assert [name for name, kind in answer.items() if not fits(kind, known[name])] == []
    assert swift("Candidate").keys() == fields(described, "Candidate").keys()
    assert {name: TYPES[kind] for name, kind in swift("Candidate").items()} == {
        name: schema["type"] for name, schema in fields(described, "Candidate").items()
    }
    problem = problem_of(described)
    assert swift("Problem").keys() <= problem.keys()
    assert all(fits(kind, problem[name]) for name, kind in swift("Problem").items())


def test_kotlin_decodes_what_there_is(described: dict[str, Any]) -> None:
    read = kotlin()
    known = {
        **fields(described, "Answer"),
        **fields(described, "Candidate"),
        **problem_of(described),
    }
    assert read.keys() <= known.keys()
    wanted = fields(described, "Answer").keys() - {"milliseconds", "explanation"}
    assert read.keys() == wanted | {"label", "probability", "code", "detail"}


def problem_of(described: dict[str, Any]) -> dict[str, Any]:
    refusal = described["paths"]["/identify"]["post"]["responses"]["503"]
    found: dict[str, Any] = refusal["content"]["application/problem+json"]["schema"]["properties"]
    return found


@pytest.mark.parametrize("name", ["Loupe.swift", "Loupe.kt", "python.py", "javascript.mjs"])
def test_every_client_asks_at_an_address_that_is_there(
    described: dict[str, Any], name: str
) -> None:
    text = (CLIENTS / name).read_text(encoding="utf-8")
    assert "api/v1" in text
    asked = set(re.findall(r"[\"/](/?(?:identify(?:/batch)?|corrections|models))[\"?]", text))
    assert asked
    assert {f"/{path.strip('/')}" for path in asked} <= described["paths"].keys()


def test_a_client_is_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in CLIENTS.iterdir()}
    assert {name: lines for name, lines in lengths.items() if lines >= 140} == {}


# The page about it


def test_the_page_names_every_code_with_its_status() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", text, re.M)
    listed = {
        code: int(status) for status, codes in rows for code in re.findall(r"`([\w-]+)`", codes)
    }
    unsaid = {"bundle"}  # the base of the others, which nothing raises itself
    assert {code: status for code, status in STATUSES.items() if code not in unsaid} == {
        code: status
        for code, status in listed.items()
        if code not in ("error", "method-not-allowed", "no-such-range")
    }


def test_the_page_names_every_route(described: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(GET|POST) ([^?`]+)", text, re.M))
    there = {
        (method.upper(), re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), path))
        for path, methods in described["paths"].items()
        for method in methods
    }
    assert named == there


@pytest.mark.skipif(shutil.which("curl") is None, reason="NO CURL, so its lines are not run")
def test_the_lines_with_curl_work(server: Server, photos: Path) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for name, source in (("photo.jpg", "red"), ("a.jpg", "blue"), ("b.png", "red")):
        shutil.copy(photos / f"{source}.png", photos / name)
    shutil.make_archive(str(photos / "holiday"), "zip", photos, "red.png")
    commands = re.findall(r"^curl (?:.*\\\n)*.*$", text, re.M)
    assert len(commands) == 5
    for command in commands:
        line = command.replace("http://localhost:8501", server.url)
        done = subprocess.run(
            ["bash", "-c", line.replace("curl", "curl -sS --fail", 1).replace("clothing", "tiny")],
            cwd=photos,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, "no_proxy": "localhost"},
        )
        first = json.loads(done.stdout.splitlines()[0])
        said = first["answers"][0] if "answers" in first else first
        assert said.get("answer", said.get("predicted")) in ("red", "blue"), command
