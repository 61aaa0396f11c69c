"""Attacks on a running server: 4xx, no trace of its inside, no script, and it keeps running."""

import urllib.parse
from collections.abc import Iterator
from contextlib import closing

import pytest

from model.corrections import CorrectionStore
from model.settings import ROOT
from tests.api.attacks import GOOD, PHOTO, TYPE, WORDS, addresses
from tests.api.raw import Reply, Wire, form
from tests.browser.server import Server

ADDRESSES = list(addresses())
INSIDE = ("Traceback", "site-packages", 'File "', str(ROOT), "root:x:", "[core]", "SQLite format")


@pytest.fixture(scope="module")
def server(app_server: Server) -> Server:
    return app_server


@pytest.fixture(autouse=True)
def _goes_on(server: Server) -> Iterator[None]:
    yield
    assert not server.tracebacks()
    reply = post(server, "/api/v1/identify", TYPE, GOOD)
    assert (reply.status, reply.json["photo"]) == (200, "a.jpg")


def post(server: Server, path: str, kind: bytes, body: bytes, *more: bytes) -> Reply:
    lines = [
        f"POST {path} HTTP/1.1".encode(),
        b"Host: here",
        b"Content-Type: " + kind,
        b"Content-Length: %d" % len(body),
        *more,
    ]
    with Wire(server.url) as wire:
        wire.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        return wire.reply()


def get(server: Server, path: str) -> Reply:
    with Wire(server.url) as wire:
        wire.send(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        return wire.reply()


def is_rejected(reply: Reply, what: str) -> None:
    assert 400 <= reply.status < 500, f"{what}: {reply}"
    text = reply.body.decode(errors="replace")
    assert not [word for word in INSIDE if word in text], what
    assert "text/html" not in reply.header("content-type"), what
    if reply.header("content-type") == "application/problem+json":
        assert reply.header("x-content-type-options") == "nosniff"
        assert {"type", "title", "status", "detail", "code"} == reply.json.keys()
    else:
        # The server around the API rejected it in plain text, without repeating any input.
        assert text in ("Bad Request", "Invalid HTTP request received."), f"{what}: {text}"


@pytest.mark.parametrize("base", ["/api/v1/", "/api/", "/"])
def test_paths_that_lead_elsewhere_are_rejected(server: Server, base: str) -> None:
    for address in ADDRESSES:
        reply = get(server, base + address)
        if base == "/":
            # Not a path of the API: Streamlit shows its page or rejects it.
            text = reply.body.decode(errors="replace")
            assert not [word for word in INSIDE if word in text], address
            continue
        is_rejected(reply, address)


def test_hostile_words_in_parameters_paths_and_headers_are_rejected(server: Server) -> None:
    for word in WORDS:
        quoted = urllib.parse.quote(word)
        for name in ("model", "top", "explain"):
            is_rejected(
                post(server, f"/api/v1/identify?{name}={quoted}", b"image/jpeg", PHOTO), word
            )
        is_rejected(get(server, f"/api/v1/models/{quoted}"), word)
        header = word.encode().replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\x00", b" ")
        reply = post(
            server, "/api/v1/identify", b"image/jpeg", b"x", b"Accept: " + header, b"X-A: " + header
        )
        is_rejected(reply, word)
        assert word not in reply.head + reply.body.decode()


def test_hostile_file_names_come_back_as_plain_json(server: Server) -> None:
    for word in WORDS:
        # Browsers escape only these three characters.
        name = word.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head = f'Content-Disposition: form-data; name="photo"; filename="{name[:500]}"'
        reply = post(server, "/api/v1/identify", TYPE, form(head.encode() + b"\r\n\r\n" + PHOTO))
        assert reply.status == 200, word
        assert reply.header("content-type") == "application/json"
        assert reply.header("x-content-type-options") == "nosniff"
        shown = reply.json["photo"]
        assert len(shown) <= 200
        assert not set(shown) & set("\r\n\x00/\\\u202e")


def test_hostile_labels_are_saved_unchanged(server: Server) -> None:
    saved = []
    for word in WORDS:
        quoted = urllib.parse.quote(word)
        reply = post(server, f"/api/v1/corrections?label={quoted}", b"image/jpeg", PHOTO)
        if len(word) > 200:
            is_rejected(reply, word[:50])
            continue
        assert reply.status == 201, word
        saved.append(reply.json["label"])
    with closing(CorrectionStore(f"sqlite:///{server.data / 'records.sqlite'}")) as records:
        labels = [correction.label for correction in records.iter_corrections()]
    assert labels == saved
    assert "'; DROP TABLE corrections; --" in labels
    assert not list(ROOT.glob("marker"))
