"""Forms as no browser writes them: identified if they hold a photo, else rejected by code."""

import json
import random
from collections.abc import Iterator

import pytest

from api.problems import KINDS
from model.settings import ROOT
from tests.api.forms import FORMS, GOOD, KIND, RED
from tests.api.raw import Reply, Wire
from tests.browser.server import Server, serving
from tests.model.tiny import tiny

INSIDE = (b"Traceback", b'File "', b".py", b"site-packages", b"root:x:", str(ROOT).encode())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("forms")
    tiny(folder / "data" / "models")
    with serving(folder, LOUPE_MODEL="tiny") as running:
        yield running


@pytest.fixture(autouse=True)
def _unharmed(server: Server) -> Iterator[None]:
    """Check after each test that nothing was logged and a photo is still identified."""
    yield
    assert not server.tracebacks()
    assert outcome(post(server, GOOD)) == "red"


def post(server: Server, body: bytes, kind: bytes = KIND, to: str = "identify") -> Reply:
    """Send a form on its own connection."""
    head = f"POST /api/v1/{to} HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n"
    with Wire(server.url) as wire:
        wire.send(head.encode() + kind + b"\r\n\r\n" + body)
        return wire.reply()


def outcome(reply: Reply) -> str:
    """Return the label, or the code of the error."""
    assert 200 <= reply.status < 500, reply
    assert not any(inside in reply.body for inside in INSIDE), reply
    assert reply.header("x-content-type-options") == "nosniff"
    result = json.loads(reply.body)
    if reply.status < 300:
        assert reply.header("content-type") == "application/json"
        return str(result.get("answer", result.get("predicted")))
    assert reply.header("content-type") == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} == result.keys()
    assert (result["status"], KINDS[result["code"]][0]) == (reply.status, reply.status)
    return str(result["code"])


@pytest.mark.parametrize("name", FORMS)
def test_form_is_read_or_rejected_with_its_code(server: Server, name: str) -> None:
    body, kind, expected = FORMS[name]
    assert outcome(post(server, body, kind)) == expected


def test_corrections_accept_the_same_forms(server: Server) -> None:
    for name, (body, kind, expected) in FORMS.items():
        result = outcome(post(server, body, kind, "corrections?label=red"))
        # "top" is not a parameter there.
        expected_here = "invalid" if name == "body: a field twice" else expected
        assert result == expected_here, name


def test_batch_accepts_the_same_forms(server: Server) -> None:
    for name, (body, kind, expected) in FORMS.items():
        reply = post(server, body, kind, "identify/batch")
        if reply.status == 200:
            # Other errors concern one photo of the batch, but a batch needs a photo.
            assert expected != "missing", name
        else:
            assert outcome(reply) != "red", name
            assert expected != "red", name


def test_incomplete_form_has_no_photo(server: Server) -> None:
    for cut in range(len(GOOD) - len(b"\r\n")):
        assert outcome(post(server, GOOD[:cut])) == "missing", GOOD[:cut]
    assert outcome(post(server, GOOD.removesuffix(b"\r\n"))) == "red"


def test_form_with_random_bytes_is_read_or_rejected(server: Server) -> None:
    chance, outcomes = random.Random(7), set()
    begin = GOOD.index(RED)
    places = [*range(begin), *range(begin + len(RED), len(GOOD))]
    for _ in range(300):
        body = bytearray(GOOD)
        for place in chance.sample(places, chance.randint(1, 3)):
            body[place] = chance.choice(b'\0\r\n\t "-:;=\\\x7f\xff')
        outcomes.add(outcome(post(server, bytes(body))))
    assert outcomes == {"red", "malformed", "missing"}
