"""Pages' bodies that are aborted, slow, endless or of a false length; none keeps its slot."""

from collections.abc import Iterator

import pytest

from api import page_turns
from api.body_limits import memory_budget
from model.admission import admission_queue
from tests.api.conftest import forget
from tests.api.raw import Wire, exchange, file_part, form, head
from tests.api.v1.test_identify import RED
from tests.browser.device_app import PREFIX, DeviceApp, device_app
from tests.model.slots import held
from tests.waiting import wait_until

MB = 2**20


@pytest.fixture
def app(tiny_bundle: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeviceApp]:
    """The routes below a base path, in this process."""
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    forget()
    with device_app() as running:
        yield running
    forget()


LENGTH = {"Content_Length": len(RED)}


def start(token: str, route: str = "identify", /, **headers: object) -> bytes:
    """Return the head of a page's request."""
    return head(f"POST {PREFIX}/api/v1/{route}", Loupe_Session=token, **headers)


def answers(app: DeviceApp, token: str) -> bool:
    return exchange(app.url, start(token, **LENGTH) + RED).status == 200


def is_free() -> bool:
    return memory_budget().used == 0 and admission_queue().active == 0 and not page_turns._turns


def test_wrong_token_is_rejected_without_waiting_for_the_body(app: DeviceApp) -> None:
    reply = exchange(app.url, start("wrong", Content_Length=15_000_000))
    assert (reply.status, reply.json["code"]) == (403, "no-session")
    assert reply.header("connection") == "close"


FORM = form(file_part("photo", "a", RED)).removesuffix(b"\r\n--x--\r\n")
BEGINNINGS = (("identify", b""), ("identify?explain=true", b""), ("corrections", FORM))


def test_aborted_uploads_leave_queue_and_budget_free(app: DeviceApp, token: str) -> None:
    for route, beginning in 4 * BEGINNINGS:
        kind = "multipart/form-data; boundary=x" if beginning else "image/png"
        headers = {"Content_Length": 15_000_000, "Content_Type": kind}
        with Wire(app.url) as wire:
            wire.send(start(token, route, **headers) + beginning + bytes(MB))
            wait_until(lambda: memory_budget().used > 0, 10)
        wait_until(is_free, 10)
    assert answers(app, token)


def test_slow_upload_delays_no_other_request_of_its_session(app: DeviceApp, token: str) -> None:
    with Wire(app.url) as slow:
        slow.send(start(token, **LENGTH) + RED[:10])
        wait_until(lambda: memory_budget().used > 0, 10)
        assert answers(app, token)
        slow.send(RED[10:])
        assert slow.reply().status == 200


def test_session_has_one_photo_in_flight(
    app: DeviceApp, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_turns, "TURN_SECONDS", 0.2)
    request = start(token, **LENGTH) + RED
    with Wire(app.url) as first, Wire(app.url) as second:
        with held(admission_queue(), admission_queue().slots):
            first.send(request)
            wait_until(lambda: bool(page_turns._turns), 10)
            second.send(request)
            reply = second.reply()
            assert (reply.status, reply.json["code"]) == (503, "busy")
            assert int(reply.header("retry-after")) >= 1
        assert first.reply().status == 200
