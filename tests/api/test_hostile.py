"""What strangers send to hurt: forms, addresses and words, through the whole real server."""

import json
import random
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from api.problems import STATUSES
from tests.api.hostile import ADDRESSES, FORMS, GOOD, KIND, NAMED, RED, STEPS, WORDS, field, part
from tests.api.raw import Reply, Wire, form
from tests.browser.server import Server, serving
from tests.model.tiny import tiny

CODES = {*STATUSES, "method-not-allowed"}
SECRET = "nobody may read this"
INSIDES = (b"Traceback", b'File "', b".py", b"/tests/")
HEADERS = (
    b"Accept",
    b"Accept-Language",
    b"Content-Type",
    b"Cookie",
    b"If-None-Match",
    b"Origin",
    b"Range",
    b"User-Agent",
    b"X-Anything",
    b"X-Forwarded-For",
    b"X-Forwarded-Host",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with files around its model that are nobody's business."""
    folder = tmp_path_factory.mktemp("hostile")
    version = tiny(folder / "data" / "models").version
    for place in (".", "models", "models/tiny", "models/tiny/odd", f"models/tiny/{version}"):
        (folder / "data" / place).mkdir(exist_ok=True)
        (folder / "data" / place / "canary.txt").write_text(SECRET)
    with serving(folder, LOUPE_MODEL="tiny") as running:
        yield running


@pytest.fixture(autouse=True)
def _unharmed(server: Server) -> Iterator[None]:
    """After an attack there is no traceback in the log, and a photo is answered."""
    yield
    assert not server.tracebacks()
    assert said(post(server, RED)) == "red"


def ask(server: Server, request: bytes) -> Reply:
    """A request on a connection of its own, and the answer."""
    with Wire(server.url) as wire:
        wire.send(request)
        return wire.reply()


def post(server: Server, body: bytes, header: bytes = b"A: b", to: str = "identify") -> Reply:
    """Send a body."""
    head = f"POST /api/v1/{to} HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n"
    return ask(server, head.encode() + header + b"\r\n\r\n" + body)


def get(server: Server, address: str, header: bytes = b"A: b") -> Reply:
    """What stands there, or where a redirection within the API leads."""
    for _ in range(3):
        reply = ask(
            server, f"GET {address} HTTP/1.1\r\nHost: here\r\n".encode() + header + b"\r\n\r\n"
        )
        if reply.status not in (307, 308):
            break
        assert reply.header("location").startswith("http://here/api/")
        address = reply.header("location").removeprefix("http://here")
    return reply


def said(reply: Reply) -> str:
    """The answer, or the code of the refusal; nothing of the server's insides is told."""
    assert 200 <= reply.status < 500, reply
    assert not any(inside in reply.body for inside in INSIDES), reply
    found = json.loads(reply.body)
    if reply.status < 300:
        assert reply.header("content-type") == "application/json"
        return str(found.get("answer", found.get("predicted")))
    assert reply.header("content-type") == "application/problem+json"
    assert reply.header("x-content-type-options") == "nosniff"
    assert found["status"] == reply.status
    assert found["code"] in CODES
    return str(found["code"])


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_read_as_it_should_be_or_refused(server: Server, name: str) -> None:
    body, kind, answer = FORMS[name]
    assert said(post(server, body, kind)) == answer


def test_corrections_take_the_same_forms(server: Server) -> None:
    for name, (body, kind, answer) in FORMS.items():
        found = said(post(server, body, kind, "corrections?label=red"))
        # "top" and "explain" are no parameters there.
        ignored = name in ("body: NUL as a field", "body: a list as a field")
        assert found == ("red" if ignored else answer), name


def test_a_batch_is_refused_or_has_a_line_a_photo(server: Server) -> None:
    for name, (body, kind, answer) in FORMS.items():
        reply = post(server, body, kind, "identify/batch")
        assert reply.status == 200 or said(reply) in CODES, name
        # Only a form without a photo, or that is none, is refused whole.
        assert (reply.status == 200) >= (answer == "red"), name
        assert (reply.status == 200) <= (answer != "missing"), name


def test_a_form_that_is_cut_anywhere_is_refused(server: Server) -> None:
    for cut in range(len(GOOD) - len(b"\r\n")):
        assert said(post(server, GOOD[:cut], KIND)) == "missing", GOOD[:cut]
    assert said(post(server, GOOD.removesuffix(b"\r\n"), KIND)) == "red"


def test_a_form_with_turned_bytes_is_refused_or_read(server: Server) -> None:
    chance = random.Random(7)
    places = [*range(GOOD.index(RED)), *range(GOOD.index(RED) + len(RED), len(GOOD))]
    found = set()
    for _ in range(300):
        body = bytearray(GOOD)
        for place in chance.sample(places, chance.randint(1, 3)):
            body[place] = chance.choice(b'\0\r\n\t "-:;=\\\x7f\xff')
        found.add(said(post(server, bytes(body), KIND)))
    assert found == {"red", "malformed", "missing"}


def test_no_address_leads_to_a_file_that_is_not_handed_out(server: Server) -> None:
    version = get(server, "/api/v1/models/tiny").json["version"]
    # The door itself is open: what is refused below is refused for what it says.
    assert get(server, f"/api/v1/models/tiny/{version}/graph.onnx").status == 200
    ours = set()
    for address in ADDRESSES:
        reply = get(server, "/api/v1/" + address.replace("VERSION", version))
        assert 400 <= reply.status < 500, address
        assert SECRET.encode() not in reply.body, address
        assert b"root:" not in reply.body, address
        if reply.header("content-type") == "application/problem+json":
            ours.add(said(reply))
        else:
            # The server around the API has refused it: HTTP that is none, or two dots.
            assert reply.body in (b"Bad Request", b"Invalid HTTP request received."), address
    assert ours == {"invalid", "not-found"}


def test_no_model_is_named_by_a_path(server: Server) -> None:
    for step in STEPS:
        for name in (f"{step * 3}etc/passwd", f"{step}tiny", f"tiny/{step}"):
            for written in (name, quote(name)):
                to = f"identify?model={quote(written)}"
                assert said(post(server, RED, to=to)) == "invalid"
                body = form(field(b"model", written.encode()), part(NAMED))
                assert said(post(server, body, KIND)) == "invalid"


def harmless(reply: Reply, word: str) -> None:
    """JSON, and never a page or a header of the stranger's; a refusal does not say the word."""
    assert 200 <= reply.status < 500, reply
    assert "injected" not in reply.head
    kind = reply.header("content-type")
    if kind == "application/json":
        assert json.loads(reply.body)
        return
    assert len(word) < 5 or word.encode() not in reply.body
    if kind == "application/problem+json":
        assert said(reply) in CODES
    else:
        assert reply.body in (b"Bad Request", b"Invalid HTTP request received."), reply


def test_there_are_enough() -> None:
    assert len(FORMS) >= 100
    assert len(set(ADDRESSES)) >= 50
    assert len(set(WORDS)) == 40


@pytest.mark.parametrize("word", WORDS)
def test_no_word_is_more_than_a_word(server: Server, word: str) -> None:
    quoted = quote(word, safe="")
    # In a form's header as a browser would write it, in HTTP's own without line breaks and NUL.
    name = word.replace("\\", "\\\\").replace('"', '\\"').encode()
    header = b" ".join(word.replace("\0", " ").encode().split())
    named = form(part(NAMED.replace(b"red.png", name)))
    replies = [
        post(server, named, KIND),
        post(server, form(field(b"label", word.encode()), part(NAMED)), KIND, "corrections"),
        post(server, form(field(name, b"1"), part(NAMED)), KIND),
    ]
    for parameter in ("model", "top", "explain", "label", quoted):
        replies += [
            post(server, RED, to=f"{route}?{parameter}={quoted}")
            for route in ("identify", "corrections")
        ]
    for key in HEADERS:
        replies += [
            post(server, RED, key + b": " + header),
            get(server, "/api/v1/models", key + b": " + header),
        ]
    places = ("", "v1/", "v1/models/", "v1/models/tiny/", "v1/models/tiny/000000000000/")
    replies += [get(server, f"/api/{place}{quoted}") for place in places]
    for reply in replies:
        harmless(reply, word)
    assert len(word) < 5 or word not in server.log()
