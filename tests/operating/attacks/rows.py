"""The attacks, bounded in number and time. The docstring of each says in the table what it does."""

import json
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from functools import cache
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import numpy as np
from PIL import Image

from api.body_limits import FORM_BYTES
from api.connections import HEAD_TIMEOUT_SECONDS, STALL_SECONDS
from model.photo import MAX_BYTES
from model.sign_ins import COOKIE_PREFIX
from tests.api.raw import Wire, head
from tests.operating.attacks.clients import (
    IDENTIFY,
    PHOTO,
    frame,
    handshake,
    page_session,
    post,
    put_file,
    repeat,
    rerun,
    status_after,
    status_of,
)
from tests.operating.attacks.measuring import Attack, Target
from tests.operating.parts import ask
from tests.photos import encoded
from tests.waiting import in_threads, repeatedly, wait_until

UPLOAD_BYTES = (100 * 2**20 + FORM_BYTES) * 4 // 3
"""Memory of all uploads together at 512 MB."""
EVIL, JUNK, KEY = "evil.example", "damaged JPEG", "a key of twenty characters"
Counts = Counter[int]
"""How often each status came; 0 for a connection that ended without one."""


@cache
def large_photo(kind: str) -> bytes:
    """Return 20 MB of no photo, a PNG of 17 MB and 20 megapixels, or a small file of 12."""
    if kind == JUNK:
        return b"\xff\xd8\xff" + bytes(MAX_BYTES - 3)
    if kind == "PNG":
        pixels = np.zeros((4000, 5000, 3), np.uint8)
        pixels[:3200] = np.random.default_rng(0).integers(0, 3, (3200, 5000, 3), np.uint8)
        return encoded(Image.fromarray(pixels), kind, compress_level=1)
    image = Image.radial_gradient("L").resize((4000, 3000)).convert("RGB")
    options: dict[str, Any] = {"enc_params": {"preset": "ultrafast"}} if kind == "HEIF" else {}
    return encoded(image, kind, **options)


def post_photos(target: Target, statuses: Counts, kind: str, clients: int, seconds: float) -> None:
    """A large {kind} from {clients} at a time, for {seconds} s"""
    photo = large_photo(kind)
    repeat(statuses, clients, seconds, lambda: post(target.url, "/api/v1/identify", photo))
    assert statuses[422 if kind == JUNK else 200], "none was read"


def fresh_app(target: Target, statuses: Counts, clients: int, seconds: float) -> None:
    """A new app, whose files for browsers a page asks for; {clients} × PNGs of 20 megapixels"""
    photo = large_photo("PNG")

    def ask_for_files() -> None:
        address = f"{target.url}/device/models/imagenet/model.json"
        while (response := ask(address))[0] == 503:
            assert response[1]["retry-after"]
            time.sleep(float(response[1]["retry-after"]))
        assert response[0] == 200, "a page did not get its model"

    with in_threads(threading.Event(), ask_for_files):
        repeat(statuses, clients, seconds, lambda: post(target.url, "/api/v1/identify", photo))
    assert statuses[200], "none was read"


def slow_bodies(target: Target, statuses: Counts, sockets: int) -> None:
    """{sockets} uploads fill the memory for uploads but 30 kB, then send a byte per second"""
    size = (UPLOAD_BYTES - 30_000) // sockets
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(target.url)) for _ in range(sockets)]
        for wire in wires:
            wire.send(head(IDENTIFY, Content_Length=MAX_BYTES) + bytes(size))
        stack.enter_context(repeatedly(lambda: [wire.send(b"x") for wire in wires], 1))
        # A photo over a bad network, 40 kB per second.
        slow = stack.enter_context(Wire(target.url))
        slow.send(head(IDENTIFY, Content_Length=len(PHOTO)))
        for start in range(0, len(PHOTO), 4000):
            slow.send(PHOTO[start : start + 4000])
            time.sleep(0.1)
        statuses[slow.reply().status] += 1
    assert statuses[200], "a photo over a slow network was refused"


def unfinished_bodies(target: Target, statuses: Counts, sockets: int) -> None:
    """{sockets} uploads of which 18 of 19 MB arrive, one after the other, then nothing"""
    with ExitStack() as stack:
        for _ in range(sockets):
            wire = stack.enter_context(Wire(target.url))
            wire.send(head(IDENTIFY, Content_Length=19 * 2**20) + bytes(18 * 2**20))
        time.sleep(3)


def pipelined(target: Target, statuses: Counts, sockets: int, requests: int) -> None:
    """{sockets} connections with {requests} requests ahead, whose responses are never read"""
    with ExitStack() as stack:
        for _ in range(sockets):
            with suppress(OSError):
                stack.enter_context(Wire(target.url)).send(head("GET /api/live") * requests)
        time.sleep(8)


def endless_head(target: Target, statuses: Counts) -> None:
    """An endless address, an endless header"""
    for start in (b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "):
        with Wire(target.url) as wire:
            wire.send(start)
            # The system's own buffers take some MB before the connection is reset.
            assert not all(wire.send(b"a" * 2**20) for _ in range(13)), "not reset"


def half_heads(target: Target, statuses: Counts, sockets: int) -> None:
    """{sockets} heads that stay incomplete, half of them after a response"""
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(target.url)) for _ in range(sockets)]
        for wire in wires[::2]:
            wire.send(head("GET /api/live"))
            assert wire.reply().status == 200
        for wire in wires:
            wire.send(b"GET /api/live HTTP/1.1\r\n")
        time.sleep(HEAD_TIMEOUT_SECONDS / 2)
        # A byte that arrives now and then makes no difference.
        assert all(wire.send(b"X: ") for wire in wires)
        time.sleep(HEAD_TIMEOUT_SECONDS / 2 + 1)
        assert [wire.socket.recv(1) for wire in wires] == [b""] * sockets, "not closed"


def unsent_bodies(target: Target, statuses: Counts, sockets: int) -> None:
    """{sockets} heads of 15,500 headers, as many of 90 whose bodies trickle after the response"""
    start = head("GET /", Content_Length=10**9)[:-2]
    with ExitStack() as stack:
        for headers in (15_500, 90):
            wires = [stack.enter_context(Wire(target.url)) for _ in range(sockets)]
            for wire in wires:
                wire.send(start + b"a:\r\n" * headers + b"\r\n")
                statuses[wire.reply().status] += 1
        stack.enter_context(repeatedly(lambda: [wire.send(b"x") for wire in wires], 1))
        time.sleep(HEAD_TIMEOUT_SECONDS + 1)
        # What the client goes on sending resets a closed connection; an open one times out.
        assert not any(wire.remainder() for wire in wires)
    assert statuses == {431: sockets, 200: sockets}


def silent(target: Target, statuses: Counts, sockets: int, times: int, sent: str) -> None:
    """{times} × {sockets} connections that send {sent}, at 1,024 descriptors"""
    for _ in range(times):
        with ExitStack() as stack:
            for _ in range(sockets):
                stack.enter_context(Wire(target.url)).send(SILENT[sent])
            for _ in range(8):
                statuses[status_of(f"{target.url}/api/live")] += 1
                time.sleep(0.5)
    assert set(statuses) == {200}, "a request was refused"


def malformed(target: Target, statuses: Counts, seconds: float) -> None:
    """Malformed requests, one after the other"""
    repeat(statuses, 1, seconds, lambda: status_after(target.url, b"\x00\x01\r\n\r\n"))


def downloads(target: Target, statuses: Counts, sockets: int, seconds: float) -> None:
    """{sockets} downloads of a model that are never read, for {seconds} s"""
    with urlopen(f"{target.url}/api/v1/models/imagenet") as response:
        address = json.load(response)["files"]["graph.onnx"]["url"]
    with ExitStack() as stack:
        for _ in range(sockets):
            with suppress(OSError):
                wire = stack.enter_context(Wire(target.url))
                wire.send(head(f"GET {address}"))
                statuses[int(wire.socket.recv(12)[9:] or 0)] += 1
        time.sleep(seconds)
        left = target.connections()
    assert statuses[200] > sockets / 2, "few downloads were begun"
    # At first, an eighth of the memory bounds them.
    most = sockets * (1 / 2 if seconds > STALL_SECONDS else 3 / 4)
    assert left <= most, f"{left} connections are still open"


def foreign_origins(target: Target, statuses: Counts, clients: int, seconds: float) -> None:
    """Websockets for a foreign Origin of 8 kB from {clients} at a time, without internet"""
    request = handshake(target.url, origin=f"https://{EVIL}/{'x' * 8000}")
    target.requests_outside()
    repeat(statuses, clients, seconds, lambda: status_after(target.url, request))
    asked = target.requests_outside()
    assert not statuses[101], "a foreign page has a session"
    assert not asked, f"asked the internet {asked} times"


def send_messages(
    target: Target, statuses: Counts, sockets: int, times: int, kb: int, kind: str
) -> None:
    """{sockets} websockets run the page {times} × with {kb} kB of {kind}"""
    data, end = frame(rerun(**{kind: "x" * kb * 1000})) * times, time.monotonic() + 40
    tried = 0
    with ExitStack() as stack:
        while tried < sockets and time.monotonic() < end:
            tried += 1
            with suppress(OSError):
                wire = stack.enter_context(Wire(target.url, 5))
                wire.send(handshake(target.url))
                statuses[wire.reply().status] += 1
                wire.send(data)
        time.sleep(8)
    assert statuses[101] > tried / 2, f"{statuses[101]} of {tried} websockets were opened"


def unread_uploads(target: Target, statuses: Counts, sessions: int, mb: int) -> None:
    """8 files of {mb} MB for pages that never read them; pages: {sessions}"""
    with ExitStack() as stack:
        ids = [stack.enter_context(page_session(target.url))[0] for _ in range(sessions)]
        statuses.update(put_file(target.url, ids[i % sessions], mb * 2**20) for i in range(8))
    assert statuses[204], "none was taken"
    assert set(statuses) <= {204, 503}
    # Files left unread for seconds make room for the largest zip.
    with page_session(target.url) as (own, _):
        wait_until(lambda: put_file(target.url, own, 100 * 2**20) == 204, 15)
        assert put_file(target.url, own, 0, announced=101 * 2**20) == 413
        assert put_file(target.url, "nobody", 10) == 400


def metrics(target: Target, statuses: Counts) -> None:
    """Streamlit's metrics"""
    paths = ("/_stcore/metrics", "/_stcore/metrics/", "/_stcore/%6detrics")
    statuses.update(status_of(target.url + path) for path in paths)
    assert set(statuses) == {404}


def guess_owner(target: Target, statuses: Counts, clients: int, seconds: float) -> None:
    """{clients} clients guess the owner's key, link and cookie, or send photos, {seconds} s each"""

    def send(path: str, body: bytes | None, cookie: str = "") -> int:
        headers = {"Origin": target.url, "Cookie": f"{COOKIE_PREFIX}{cookie}" * 20}
        return ask(f"{target.url}/owner/{path}", body, headers)[0]

    keys = Counts()
    repeat(keys, clients, seconds, lambda: send("", uuid4().bytes))
    # Five a minute, and the run is shorter; the right one enters all the same.
    assert keys[403] == 5, f"{keys[403]} keys got no 429"
    assert set(keys) == {403, 429}
    assert send("", KEY.encode()) == 200, "the owner is kept out"
    repeat(statuses, clients, seconds, lambda: send(uuid4().hex, b""))
    repeat(statuses, clients, seconds, lambda: send("corrections.zip", None, f"1={uuid4()}.x; "))
    repeat(statuses, clients, seconds, lambda: send("photos/own", bytes(2**20)))
    assert set(statuses) == {403}
    statuses.update(keys)


LONG, SHORT = {"seconds": 10}, {"seconds": 2}
FOUR, ORIGINS, FEWER = {"clients": 4, **LONG}, {"clients": 20, **LONG}, {"sockets": 250}
FREED: dict[str, Any] = {"then_mb": 200}
PAGES: dict[str, Any] = {"pages": True, "then_mb": 250}
RERUN, QUERY = {"kb": 0, "kind": "query"}, {"times": 1, "kb": 1000, "kind": "query"}
FRESH: dict[str, Any] = {"seconds": 40}
NEW: dict[str, Any] = {"server": {"is_fresh": True}, "pages": True, "then_mb": 300}
OFFLINE, FEW = {"is_offline": True}, {"descriptors": 1024}
WITH_KEY = {"LOUPE_OWNER_KEY": KEY}
MANY = {"sockets": 700, "times": 4}
SILENT = {"nothing": b"", "a head": head(IDENTIFY, Content_Length=MAX_BYTES)}
ATTACKS = (
    # First, because a server that is shared keeps memory of the others' pages.
    Attack("metrics", metrics, is_slow=False, **PAGES),
    Attack("junk-1", post_photos, {"kind": JUNK, "clients": 1, **LONG}, is_tested=False, **FREED),
    Attack("junk-8", post_photos, {"kind": JUNK, "clients": 8, **LONG}, SHORT, 400, **FREED),
    Attack("png-2", post_photos, {"kind": "PNG", "clients": 2, **LONG}, is_tested=False, **FREED),
    Attack("png-4", post_photos, {"kind": "PNG", **FOUR}, SHORT, 460, **FREED),
    Attack("webp-4", post_photos, {"kind": "WEBP", **FOUR}, SHORT, **FREED),
    Attack("heif-4", post_photos, {"kind": "HEIF", **FOUR}, SHORT, **FREED),
    Attack("gif-4", post_photos, {"kind": "GIF", **FOUR}, SHORT, **FREED),
    Attack("fresh-1", fresh_app, {"clients": 1, **FRESH}, is_tested=False, **NEW),
    Attack("fresh-2", fresh_app, {"clients": 2, **FRESH}, is_tested=False, **NEW),
    Attack("fresh-4", fresh_app, {"clients": 4, **FRESH}, {"seconds": 15}, **NEW),
    Attack("slow-7", slow_bodies, {"sockets": 7}),
    Attack("slow-70", slow_bodies, {"sockets": 70}),
    Attack("unfinished", unfinished_bodies, {"sockets": 60}, {"sockets": 24}, 400, **PAGES),
    Attack("pipelined", pipelined, {"sockets": 1000, "requests": 1500}, {"sockets": 200}, **PAGES),
    Attack("endless-head", endless_head, is_slow=False),
    Attack("half-heads", half_heads, {"sockets": 100}),
    Attack("bodies", unsent_bodies, {"sockets": 300}, {"sockets": 50}, 250, **PAGES),
    Attack("idle", silent, {**MANY, "sent": "nothing"}, {"times": 1}, server=FEW, **PAGES),
    Attack("unsent", silent, {**MANY, "sent": "a head"}, {"times": 1}, server=FEW, **PAGES),
    Attack("malformed", malformed, {"seconds": 5}, SHORT, log_kb=10, is_slow=False),
    Attack("downloads", downloads, {"sockets": 400, "seconds": 70}, SHORT),
    Attack("origins", foreign_origins, ORIGINS, SHORT, log_kb=10, server=OFFLINE, **PAGES),
    Attack("owner", guess_owner, ORIGINS, SHORT, log_kb=10, server=WITH_KEY, **PAGES),
    Attack("reruns", send_messages, {"sockets": 10, "times": 300, **RERUN}, **PAGES),
    Attack("sockets", send_messages, {"sockets": 400, "times": 1, **RERUN}, server=FEW, **PAGES),
    Attack("query", send_messages, {"sockets": 500, **QUERY}, FEWER, then_seconds=60, **PAGES),
    Attack("widget", send_messages, {"sockets": 160, **QUERY, "kind": "widget"}, **PAGES),
    Attack("queries", send_messages, {"sockets": 60, **QUERY, "times": 10, "kb": 200}, **PAGES),
    Attack("upload", unread_uploads, {"sessions": 1, "mb": 95}, pages=True),
    Attack("uploads", unread_uploads, {"sessions": 8, "mb": 19}, pages=True),
)
