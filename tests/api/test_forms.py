"""Forms as no browser writes them: read where a photo is in them, else refused for the reason."""

import json
import random
from collections.abc import Iterator

import pytest

from api.problems import STATUSES
from tests.api.forms import FORMS, GOOD, KIND, RED
from tests.api.raw import Reply, Wire
from tests.browser.server import Server, serving
from tests.model.tiny import tiny


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("forms")
    tiny(folder / "data" / "models")
    with serving(folder, LOUPE_MODEL="tiny") as running:
        yield running


@pytest.fixture(autouse=True)
def _unharmed(server: Server) -> Iterator[None]:
    """After each there is no traceback in the log, and a photo is answered."""
    yield
    assert not server.tracebacks()
    assert said(post(server, GOOD)) == "red"


def post(server: Server, body: bytes, kind: bytes = KIND, to: str = "identify") -> Reply:
    """Send a form on a connection of its own."""
    head = f"POST /api/v1/{to} HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n"
    with Wire(server.url) as wire:
        wire.send(head.encode() + kind + b"\r\n\r\n" + body)
        return wire.reply()


def said(reply: Reply) -> str:
    """The answer, or the code of the refusal."""
    assert 200 <= reply.status < 500, reply
    assert not any(inside in reply.body for inside in (b"Traceback", b'File "', b".py")), reply
    found = json.loads(reply.body)
    if reply.status < 300:
        assert reply.header("content-type") == "application/json"
        return str(found.get("answer", found.get("predicted")))
    assert reply.header("content-type") == "application/problem+json"
    assert (found["status"], STATUSES[found["code"]]) == (reply.status, reply.status)
    return str(found["code"])


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_read_or_refused_for_its_reason(server: Server, name: str) -> None:
    body, kind, wanted = FORMS[name]
    assert said(post(server, body, kind)) == wanted


def test_corrections_take_the_same_forms(server: Server) -> None:
    for name, (body, kind, wanted) in FORMS.items():
        found = said(post(server, body, kind, "corrections?label=red"))
        # "top" is not a parameter there.
        expected = "invalid" if name == "body: a field twice" else wanted
        assert found == expected, name


def test_a_batch_takes_what_one_photo_takes(server: Server) -> None:
    for name, (body, kind, wanted) in FORMS.items():
        reply = post(server, body, kind, "identify/batch")
        if reply.status == 200:
            # The rest may be a matter of one photo, but without a photo there is no batch.
            assert wanted != "missing", name
        else:
            assert said(reply) != "red", name
            assert wanted != "red", name


def test_a_form_that_is_cut_anywhere_holds_no_photo(server: Server) -> None:
    for cut in range(len(GOOD) - len(b"\r\n")):
        assert said(post(server, GOOD[:cut])) == "missing", GOOD[:cut]
    assert said(post(server, GOOD.removesuffix(b"\r\n"))) == "red"


def test_a_form_with_turned_bytes_is_refused_or_read(server: Server) -> None:
    chance, found = random.Random(7), set()
    begin = GOOD.index(RED)
    places = [*range(begin), *range(begin + len(RED), len(GOOD))]
    for _ in range(300):
        body = bytearray(GOOD)
        for place in chance.sample(places, chance.randint(1, 3)):
            body[place] = chance.choice(b'\0\r\n\t "-:;=\\\x7f\xff')
        found.add(said(post(server, bytes(body))))
    assert found == {"red", "malformed", "missing"}
