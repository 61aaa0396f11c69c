"""Pages of other sites and other names are rejected; programs and own pages pass."""

import socket
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from starlette.testclient import TestClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from api.sites import HEADERS
from tests.api.raw import Reply, exchange, head
from tests.api.v1.test_identify import RED, is_problem
from tests.browser.server import Server, serving
from tests.http_server import Handler, http_server
from tests.operating.attacks.clients import rerun
from tests.waiting import wait_until

EVIL, PORTAL = "https://evil.example", "https://portal.example"
CROSS = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
INNER = {"Host": "inner:8501"}


def test_page_of_another_site_is_rejected(api: TestClient) -> None:
    for headers in (
        CROSS,
        {"Origin": "http://other.testserver", "Sec-Fetch-Site": "same-site"},
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "http://testserver:8501"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        for route in ("identify", "identify/batch", "corrections?label=x"):
            files = {"photo": ("a.png", RED)}
            response = api.post(f"/api/v1/{route}", files=files, headers=headers)
            is_problem(response, 403, "cross-site")
            assert "access-control-allow-origin" not in response.headers
        # Reading is left to CORS.
        assert api.get("/api/v1/models", headers=headers).status_code == 200


def test_programs_own_pages_and_allowed_sites_pass(serve: Any, tiny_bundle: Any) -> None:
    def status(client: Any, headers: dict[str, str]) -> int:
        reply = client.post("/api/v1/identify", content=RED, headers=headers)
        return int(reply.status_code)

    client = serve(LOUPE_MODEL="tiny")
    for headers in (
        {},
        {"Origin": "http://testserver"},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"},
        # Behind a proxy that changes Host, the browser's Sec-Fetch-Site counts.
        {"Origin": "https://loupe.example.org", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        # A proxy may add the default port, which browsers leave out.
        {"Origin": "http://testserver", "Host": "testserver:80"},
        {"Origin": "https://testserver", "Host": "testserver:443"},
        {"Origin": "http://testserver", "Host": "TestServer"},
        # A proxy that puts another host in its place says which one it was.
        {"Origin": EVIL, **INNER, "X-Forwarded-Host": "evil.example, other.example"},
    ):
        assert status(client, headers) == 200, headers
    client = serve(LOUPE_URL="https://loupe.example/mushrooms")
    assert status(client, {"Origin": "https://loupe.example", **INNER}) == 200
    assert status(client, {"Origin": "https://loupe.example.evil", **INNER}) == 403
    assert status(serve(LOUPE_CORS="*"), CROSS) == 200


def test_allowed_site_reads_responses_and_may_send_conditional_requests(
    serve: Any, tiny_bundle: Any
) -> None:
    client = serve(LOUPE_MODEL="tiny", LOUPE_CORS=f"{EVIL}, {PORTAL}/")
    for origin, body, status in ((EVIL, RED, 200), (PORTAL, b"", 400)):
        response = client.post("/api/v1/identify", content=body, headers=CROSS | {"Origin": origin})
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == origin
    preflight = {"Access-Control-Request-Method": "GET"}
    preflight["Access-Control-Request-Headers"] = "if-none-match"
    response = client.options("/api/v1/models/tiny", headers=CROSS | preflight)
    assert response.status_code == 200
    other = CROSS | {"Origin": "https://c.example"}
    is_problem(client.post("/api/v1/identify", content=RED, headers=other), 403, "cross-site")


class Calls(Handler):
    """A proxy for requests to other servers, which it refuses and records."""

    recorded: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.recorded.append(self.path)
        self.respond(403)

    def do_CONNECT(self) -> None:
        self.do_GET()


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app with names, on a machine that may not call other servers."""
    folder, options = tmp_path_factory.mktemp("named"), ["--browser.serverAddress=address.example"]
    options += [f"--server.corsAllowedOrigins={PORTAL}"]
    with http_server(Calls) as proxy:
        variables = {"LOUPE_URL": "https://loupe.example/a", "LOUPE_HOSTS": "*.second.example"}
        variables |= {"http_proxy": proxy, "https_proxy": proxy}
        app = serving(folder, plain=False, port=None, options=options, is_fresh=False, **variables)
        with app as server:
            yield server
            assert "handshake" not in server.log()
    assert Calls.recorded == []


def ask(server: Server, path: str, host: str = "localhost") -> Reply:
    return exchange(server.url, head(f"GET {path}", host))


def open_page(port: int | None, host: str, origin: str | None = None) -> int:
    """Open a page's websocket; return 101 once its script runs, else the status of the refusal."""
    stream = socket.create_connection(("127.0.0.1", port))
    headers = {"Origin": origin} if origin else {}
    try:
        with connect(
            f"ws://{host}/_stcore/stream", sock=stream, additional_headers=headers
        ) as page:
            page.send(rerun())
            assert page.recv(timeout=30)
    except InvalidStatus as refusal:
        return refusal.response.status_code
    return 101


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:8501", None, 101),
        ("localhost:8501", "http://localhost:8501", 101),
        ("a.second.example", "https://a.second.example", 101),
        ("inner:8501", "https://loupe.example", 101),
        ("inner:8501", PORTAL, 101),
        ("inner:8501", "http://address.example:8080", 101),
        ("localhost:8501", "http://localhost:8502", 403),
        ("loupe.example", EVIL, 403),
        ("loupe.example", "null", 403),
        ("loupe.example", "http://[", 403),
        ("inner:8501", EVIL, 403),
        ("evil.example", EVIL, 403),
        ("evil.example:8501", None, 403),
    ],
)
def test_websocket_is_for_pages_of_the_app(
    named: Server, host: str, origin: str | None, status: int
) -> None:
    assert open_page(named.port, host, origin) == status


PASSING = """
    loupe.example LOUPE.example:8443 loupe.example. b.second.example localhost:1 app.localhost
    127.0.0.1:8501 203.0.113.7 [::1] [2001:DB8::1]:8501 inner:8501 pi.local web.railway.internal
    pc.lan nas.home.arpa
"""
REFUSED = """
    evil.example 127.0.0.1.evil.example:8501 localhost.evil.example loupe.example.evil
    evil.example:1.local evil-loupe.example second.example [::1].evil.example a.local.example
    home.arpa.example
"""


def test_app_accepts_its_names_and_names_that_no_site_can_have(named: Server) -> None:
    for path in ("/", "/device/", "/static/nothing.js", "/api/v1/models"):
        assert 421 not in {ask(named, path, host).status for host in PASSING.split()}
        assert {ask(named, path, host).status for host in REFUSED.split()} == {421}
    # Hosts check an app's health under names of their own.
    for path in ("/api/ready", "/_stcore/health"):
        assert ask(named, path, "inner.proxy.example").status == 200


def test_refusals_are_logged_at_most_once_per_second(named: Server) -> None:
    """An owner whose proxy sends another name sees why the page is dead."""

    def is_logged() -> bool:
        ask(named, "/", "inner.proxy.example")
        open_page(named.port, "loupe.example", EVIL)
        request = "Refused a request for inner.proxy.example: LOUPE_HOSTS doesn't name it."
        page = "Refused a websocket to loupe.example from a page of evil.example."
        return request in named.log() and page in named.log()

    wait_until(is_logged)
    before = named.log().count("Refused")
    for _ in range(100):
        ask(named, "/", "inner.proxy.example")
    assert named.log().count("Refused") - before <= 4


def test_any_name_is_accepted_if_none_is_set(app_server: Server) -> None:
    """As in a container on a private address, which doesn't know its public name."""
    assert ask(app_server, "/", "loupe.example").status == 200
    assert open_page(app_server.port, "loupe.example:444", "https://loupe.example:444") == 101
    assert open_page(app_server.port, "loupe.example", EVIL) == 403


def test_all_responses_restrict_their_pages_but_not_frames(app_server: Server) -> None:
    for path in ("/", "/device/", "/api/live", "/static/../x", "/_stcore/none"):
        reply = ask(app_server, path)
        assert {name: reply.header(name.lower()) for name in HEADERS} == HEADERS
        assert not reply.header("x-frame-options")
