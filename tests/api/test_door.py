"""``/owner``: only the owner signs in, from the app's own pages, and gets what is the owner's."""

import asyncio
import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Scope
from starlette.websockets import WebSocket

from api import door
from api.door import OwnerMiddleware, door_routes
from model import Photo, load
from model.corrections import correction_store
from model.settings import settings
from model.sign_ins import SignIn, sign_ins
from tests.model.tiny import colour
from tests.waiting import wait_until

APP = "http://localhost:8501"
JPEG = Photo.from_image(colour("red")).to_jpeg()
STREAM = "ws://localhost:8501/stream"
KEY = "twenty-characters-or-more"
SITE = "https://example.org"
Start = Callable[..., TestClient]


async def echo(socket: WebSocket) -> None:
    """Send the cookies that a Streamlit session would read."""
    await socket.accept()
    await socket.send_json(socket.cookies)
    await socket.close()


def page(_: Request) -> PlainTextResponse:
    return PlainTextResponse("page")


@pytest.fixture
def start(
    tiny_bundle: Any, own_corrections: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Start]:
    def start(address: str = APP, base_path: str = "", **environment: str) -> TestClient:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        routes = [*door_routes(base_path), Route("/", page), WebSocketRoute("/stream", echo)]
        app = Starlette(routes=routes, middleware=[Middleware(OwnerMiddleware)])
        return TestClient(app, base_url=address, follow_redirects=False)

    sign_ins.cache_clear()
    door._wrong_keys.clear()
    yield start
    sign_ins().close()
    sign_ins.cache_clear()
    door._wrong_keys.clear()


def enter(client: TestClient, origin: str | None = APP, link: str = "") -> Any:
    headers = {"Origin": origin} if origin else {}
    return client.post(f"/owner/{link or sign_ins().create_link()}", headers=headers)


def test_fetching_a_link_changes_nothing(start: Start) -> None:
    client, link = start(), sign_ins().create_link()
    for _ in range(2):
        shown = client.get(f"/owner/{link}")
        assert shown.status_code == 200
        assert "Open the workshop" in shown.text
        assert link not in shown.text
        assert not client.cookies
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert shown.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert enter(client, link=link).status_code == 303
    used = client.get(f"/owner/{link}")
    assert (used.status_code, "it was used or is too old" in used.text) == (404, True)
    again = enter(client, link=link)
    assert (again.status_code, again.json()["code"]) == (403, "owner-refused")


def test_sign_in_page_in_a_frame_names_the_apps_own_address(start: Start) -> None:
    shown = start().get(f"/owner/{sign_ins().create_link()}", headers={"Sec-Fetch-Dest": "iframe"})
    assert "own address" in shown.text
    assert 'data-way=""' in shown.text


def test_cookie_belongs_to_one_port_and_path(start: Start) -> None:
    response = enter(start())
    assert response.headers["location"] == "../photos"
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("loupe-owner-8501=")
    parts = cookie.lower().split("; ")
    assert {"httponly", "samesite=strict", "path=/", "max-age=2592000"} <= {*parts}
    assert "secure" not in parts
    https = enter(start(SITE, "/loupe"), SITE)
    assert https.headers["set-cookie"].startswith("loupe-owner-443-loupe=")
    assert {"secure", "path=/loupe"} <= {*https.headers["set-cookie"].lower().split("; ")}


def test_other_origins_and_public_plain_http_are_refused(start: Start) -> None:
    for address, origin, url in (
        (APP, None, ""),
        (APP, "null", ""),
        (APP, "http://localhost:8502", ""),
        (APP, "http://localhost", ""),
        (APP, "http://[::1", ""),
        ("http://localhost:99999", "http://localhost:99999", ""),
        (APP, "http://127.0.0.1:8501", ""),
        (APP, "https://attacker.example", ""),
        (SITE, "https://example.org.attacker.example", ""),
        (SITE, "https://www.example.org", SITE),
        # Public addresses over plain http.
        ("http://example.org", "http://example.org", ""),
        ("http://93.184.216.34", "http://93.184.216.34", ""),
    ):
        client = start(address, LOUPE_CORS="*", LOUPE_URL=url)
        link = sign_ins().create_link()
        response = enter(client, origin, link)
        assert response.status_code == 403, origin
        assert "set-cookie" not in response.headers
        assert sign_ins().has(link, is_link=True), "the link was spent"


def test_own_origin_signs_in(start: Start) -> None:
    for address, origin, url in (
        (SITE, SITE, ""),
        # Behind a proxy that ends TLS, and one that also names another host.
        ("http://example.org", SITE, ""),
        ("http://10.0.0.7:8501", SITE, f"{SITE}/loupe"),
        ("http://192.168.1.5:8501", "http://192.168.1.5:8501", ""),
        ("http://printer.local", "http://printer.local", SITE),
    ):
        response = enter(start(address, LOUPE_URL=url), origin)
        assert response.status_code == 303, address
        assert ("secure" in response.headers["set-cookie"].lower()) == origin.startswith("https")


def test_right_key_enters_whatever_others_try(start: Start) -> None:
    client = start()
    assert 'data-way=""' in client.get("/owner/").text
    assert client.post("/owner/", content=b"", headers={"Origin": APP}).status_code == 403
    client = start(LOUPE_OWNER_KEY=KEY)
    assert 'data-way="key"' in client.get("/owner/").text

    def submit(key: str) -> Any:
        return client.post("/owner/", content=key, headers={"Origin": APP})

    wrong = [submit(key) for key in ("", KEY[:-1], "é", "\0", f"{KEY}x", "six", "seven")]
    assert [one.status_code for one in wrong] == [*[403] * 5, 429, 429]
    assert wrong[-1].headers["retry-after"] == "60"
    assert [submit(KEY).status_code for _ in range(7)] == [303] * 7
    assert client.post("/owner/", content=KEY, headers={"Origin": f"{APP}0"}).status_code == 403
    assert client.post("/owner/", content=b"x" * 2000, headers={"Origin": APP}).status_code == 413


def test_wrong_keys_are_counted_by_address_for_a_minute(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(LOUPE_OWNER_KEY=KEY)
    monkeypatch.setattr(door, "MINUTE_SECONDS", 0.1)

    def tries(*addresses: str) -> int:
        """Return how often a wrong key is compared before one is told to wait."""
        for count, address in enumerate(addresses):
            try:
                door._check_key(b"wrong", address)
            except door.TooManyTries:
                return count
            except door.OwnerRefused:
                pass
        return len(addresses)

    async def run() -> None:
        assert tries(*["192.0.2.1"] * 9) == 5
        # One client may have a whole /64 network, and an IPv4 address in IPv6.
        assert tries(*(f"2001:db8::{number:x}" for number in range(9))) == 5
        assert tries("::ffff:192.0.2.1") == 0
        assert tries(*(f"2001:db8:0:{number:x}::1" for number in range(1, 9))) == 8
        # Those beyond the limit share one count.
        assert tries(*(f"10.0.{n // 256}.{n % 256}" for n in range(2000))) < 1000
        assert len(door._wrong_keys) == door.MAX_ADDRESSES + 1
        await asyncio.to_thread(wait_until, lambda: not door._wrong_keys)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("key", "is_weak"),
    [
        (KEY, False),
        ("KrXq0-k7yA3dQv5rJmT2sLpZ", False),
        ("a" * 30, True),
        ("0123012301230123012301", True),
        ("correct horse correct horse", True),
        ("Secret-Word secret-word Secret", True),
    ],
)
def test_key_of_low_variety_is_reported_and_works(start: Start, key: str, is_weak: bool) -> None:
    client = start(LOUPE_OWNER_KEY=key)
    assert settings().has_weak_key is is_weak
    assert client.post("/owner/", content=key, headers={"Origin": APP}).status_code == 303


def test_only_the_owner_gets_photos_and_the_zip(start: Start) -> None:
    red = load("tiny").identify(colour("red"))
    number = correction_store().add_correction(red, "green", JPEG)
    client = start(LOUPE_CORS="*")
    paths = f"/owner/corrections/{number}.jpg", "/owner/corrections.zip"
    for path in (*paths, "/owner/held-out/tiny/red/1.jpg", "/owner/photos/set/red/1.jpg"):
        assert client.get(path).json()["code"] == "owner-refused"
        assert client.head(path).status_code == 403
    enter(client)
    photo, archive = (client.get(path) for path in paths)
    assert (photo.content, photo.headers["cache-control"]) == (JPEG, "no-store")
    assert photo.headers["cross-origin-resource-policy"] == "same-origin"
    names = zipfile.ZipFile(io.BytesIO(archive.content)).namelist()
    assert names == [f"green/{number}.jpg", "corrections.csv"]
    for name in ("999.jpg", f"{'9' * 30}.jpg", f"{number}.png"):
        assert client.get(f"/owner/corrections/{name}").status_code == 404
    for headers in (
        {"Origin": "http://localhost:8502"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        for path in (*paths, "/owner/photos/set/red/1.jpg"):
            assert client.get(path, headers=headers).status_code == 403
        assert client.post("/owner/photos/set", headers=headers).status_code == 403
    # A request that isn't a GET has to name the app's origin.
    assert client.post("/owner/photos/set").status_code == 403
    assert client.post("/owner/photos/set", headers={"Origin": APP}).status_code == 422
    sign_ins().revoke_all()
    assert [client.get(path).status_code for path in paths] == [403, 403]


def test_websocket_of_another_origin_comes_without_the_cookie(
    start: Start,
) -> None:
    client = start(LOUPE_CORS="*")
    enter(client)
    # The sign-in of a second app, at another port but with the same data folder.
    other = SignIn(sign_ins().open(), "http://localhost:8502")
    client.cookies.set(other.cookie_name(), other.to_cookie())
    client.cookies.set("theme", "dark")

    def cookies(origin: str | None) -> set[str]:
        headers = {"Origin": origin} if origin else {}
        with client.websocket_connect(STREAM, headers=headers) as socket:
            return {*socket.receive_json()}

    assert cookies(APP) == {"loupe-owner-8501", "theme"}
    assert cookies("http://localhost:8502") == {"loupe-owner-8502", "theme"}
    for origin in ("http://localhost", "https://localhost:8501", "https://attacker.example", None):
        assert cookies(origin) == {"theme"}


def test_cookie_in_a_second_header_is_checked_as_well(start: Start) -> None:
    """A proxy may split the header, as HTTP/2 allows."""
    start()
    other = SignIn(sign_ins().open(), "http://localhost:8502")
    cookie = f"{other.cookie_name()}={other.to_cookie()}".encode()
    headers = [(b"origin", APP.encode()), (b"cookie", b"a=b"), (b"cookie", cookie)]
    found: list[bytes] = []

    async def app(scope: Scope, *_: Any) -> None:
        found.extend(value for name, value in scope["headers"] if name == b"cookie")

    scope = {"type": "websocket", "headers": headers}
    asyncio.run(OwnerMiddleware(app)(scope, None, None))
    assert found == [b"a=b"]


def test_only_the_app_can_frame_signed_in_pages(start: Start) -> None:
    client = start()
    assert "content-security-policy" not in client.get("/").headers
    enter(client)
    assert client.get("/").headers["content-security-policy"] == "frame-ancestors 'self'"
