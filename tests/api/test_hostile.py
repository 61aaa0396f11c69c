"""Attacks on a running server: 4xx, no trace of its inside, no script, and it keeps running."""

import urllib.parse
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings

from api.problems import KINDS
from model.corrections import CorrectionStore
from model.settings import ROOT
from tests.api.attacks import FORMS, GOOD, KIND, NAMED, RED, WORDS, addresses, field, part
from tests.api.raw import Reply, exchange, file_part, form, head
from tests.browser.server import Server
from tests.damage import damaged

IDENTIFY = "/api/v1/identify"
INSIDE = ("Traceback", "site-packages", 'File "', str(ROOT), "root:x:", "[core]", "SQLite format")


@pytest.fixture(scope="module")
def server(app_server: Server) -> Server:
    return app_server


@pytest.fixture(autouse=True)
def _goes_on(server: Server) -> Iterator[None]:
    yield
    assert not server.tracebacks()
    reply = post(server, IDENTIFY, KIND, GOOD)
    assert (reply.status, reply.json["photo"]) == (200, "red.png")


def post(server: Server, path: str, kind: bytes, body: bytes, *more: bytes) -> Reply:
    """Send a request on its own connection."""
    lines = head(f"POST {path}", Content_Length=len(body)).splitlines()[:-1]
    request = b"\r\n".join([*lines, b"Content-Type: " + kind, *more, b"", body])
    return exchange(server.url, request)


def get(server: Server, path: str) -> Reply:
    return exchange(server.url, head(f"GET {path}"))


def outcome(reply: Reply) -> str:
    """Return the code of a problem, else ``read``, once nothing else is in the response."""
    text = reply.body.decode(errors="replace")
    assert not [word for word in INSIDE if word in text]
    assert reply.header("x-content-type-options") == "nosniff"
    if 200 <= reply.status < 300:
        assert reply.header("content-type") == "application/json"
        return "read"
    assert reply.header("content-type") == "application/problem+json", reply
    code = str(reply.json["code"])
    assert reply.json.keys() == {"type", "title", "status", "detail", "code"}
    assert reply.status == reply.json["status"] == KINDS[code][0] < 500
    return code


def is_rejected(reply: Reply) -> None:
    if reply.header("content-type") == "application/problem+json":
        outcome(reply)
    else:
        # The server around the API rejected it in plain text, without repeating any input.
        assert 400 <= reply.status < 500
        assert "text/html" not in reply.header("content-type")
        assert reply.body in (b"Bad Request", b"Invalid HTTP request received.")


@pytest.mark.parametrize("base", ["/api/v1/", "/api/", "/"])
def test_paths_that_lead_elsewhere_are_rejected(server: Server, base: str) -> None:
    for address in addresses():
        reply = get(server, base + address)
        if base == "/":
            # Not a path of the API: Streamlit shows its page or rejects it.
            text = reply.body.decode(errors="replace")
            assert not [word for word in INSIDE if word in text], address
        else:
            is_rejected(reply)


def test_hostile_words_in_parameters_paths_and_headers_are_rejected(server: Server) -> None:
    for word in WORDS:
        quoted = urllib.parse.quote(word)
        for name in ("model", "top", "explain"):
            is_rejected(post(server, f"{IDENTIFY}?{name}={quoted}", b"image/png", RED))
        is_rejected(get(server, f"/api/v1/models/{quoted}"))
        header = word.encode().replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\x00", b" ")
        headers = b"Accept: " + header, b"X-A: " + header
        reply = post(server, IDENTIFY, b"image/png", b"x", *headers)
        is_rejected(reply)
        assert word not in f"{reply.headers}{reply.body.decode()}"


def test_hostile_file_names_come_back_as_plain_json(server: Server) -> None:
    for word in WORDS:
        # Browsers escape only these three characters.
        name = word.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        body = form(file_part("photo", name[:500], RED))
        reply = post(server, IDENTIFY, KIND, body)
        assert outcome(reply) == "read", word
        shown = reply.json["photo"]
        assert len(shown) <= 200
        assert not set(shown) & set("\r\n\x00/\\\u202e")


def test_hostile_labels_are_saved_unchanged(server: Server) -> None:
    saved = []
    for word in WORDS:
        quoted = urllib.parse.quote(word)
        reply = post(server, f"/api/v1/corrections?label={quoted}", b"image/png", RED)
        if len(word) > 200:
            is_rejected(reply)
        else:
            assert outcome(reply) == "read", word
            saved.append(reply.json["label"])
    with closing(CorrectionStore(f"sqlite:///{server.data / 'records.sqlite'}")) as records:
        labels = [correction.label for correction in records.iter_corrections()]
    assert labels[-len(saved) :] == saved
    assert "'; DROP TABLE corrections; --" in labels
    assert not list(ROOT.glob("marker"))


def test_form_is_read_or_rejected_with_its_code(server: Server) -> None:
    for name, (body, kind, expected) in FORMS.items():
        assert outcome(post(server, IDENTIFY, kind, body)) == expected, name
        saved = outcome(post(server, "/api/v1/corrections?label=red", kind, body))
        # "top" is not a parameter there.
        assert saved == ("invalid" if name == "body: a field twice" else expected), name
        batch = post(server, f"{IDENTIFY}/batch", kind, body)
        if batch.status == 200:
            # Other errors concern one photo of the batch, but a batch needs a photo.
            assert expected != "missing", name
        else:
            assert "read" not in (outcome(batch), expected), name


def test_incomplete_form_has_no_photo(server: Server) -> None:
    for cut in range(len(GOOD) - len(b"\r\n")):
        assert outcome(post(server, IDENTIFY, KIND, GOOD[:cut])) == "missing", GOOD[:cut]
    assert outcome(post(server, IDENTIFY, KIND, GOOD.removesuffix(b"\r\n"))) == "read"


@settings(max_examples=150)
@given(
    body=damaged(
        [GOOD, form(field(b"top", b"2"), part(NAMED, b"Content-Type: image/png"))],
        b'\0\r\n\t "-:;=\\\x7f\xff',
    )
)
def test_damaged_form_is_read_or_rejected(server: Server, body: bytes) -> None:
    assert outcome(post(server, IDENTIFY, KIND, body))
