"""Clients of the app, as attackers and visitors use them."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit
from urllib.request import urlopen
from uuid import uuid4

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Origin

from model.samples import samples
from tests.api.raw import exchange, file_part, form, head
from tests.operating.parts import ask
from tests.waiting import in_threads

PHOTO = samples()[0].read()
IDENTIFY = "POST /api/v1/identify"
TOKEN = re.compile(rb'"session": ?"([\w-]{43})"')
"""The page's token for the API, in what it sends the viewfinder."""


def handshake(url: str, host: str = "", origin: str = "") -> bytes:
    """Return the request for a page's websocket, by default as that page sends it."""
    key = {"Sec_WebSocket_Version": 13, "Sec_WebSocket_Key": f"{'A' * 22}=="}
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": origin or url}
    return head("GET /_stcore/stream", host or urlsplit(url).netloc, **upgrade, **key)


def frame(message: bytes) -> bytes:
    """Return a websocket's frame, with a mask that changes nothing."""
    size = len(message)
    start = bytes([0x82, 0x80 | size]) if size < 126 else b"\x82\xff" + size.to_bytes(8)
    return start + bytes(4) + message


def rerun(query: str = "", widget: str = "") -> bytes:
    """Return a page's message that runs its script, optionally with an unknown widget's state."""
    message = BackMsg()
    message.rerun_script.query_string = query
    if widget:
        message.rerun_script.widget_states.widgets.add(id="x", string_value=widget)
    return bytes(message.SerializeToString())


def post(url: str, path: str, photo: bytes = PHOTO, token: str = "") -> int:
    """Post a photo; return the status."""
    headers = {"Content-Type": "image/jpeg"} | ({"Loupe-Session": token} if token else {})
    return ask(url + path, photo, headers)[0]


def status_of(address: str) -> int:
    """Return the status of a response, 0 if there is none."""
    return ask(address)[0]


def status_after(url: str, request: bytes) -> int:
    """Send bytes on a new connection; return the status of the response, 0 if there is none."""
    with suppress(OSError):
        return exchange(url, request).status
    return 0


def repeat(statuses: Counter[int], clients: int, seconds: float, action: Callable[[], int]) -> None:
    """Let clients repeat an action; add its statuses."""
    end, results = time.monotonic() + seconds, list[int]()

    def run() -> None:
        while time.monotonic() < end:
            results.append(action())
            time.sleep(0 if results[-1] else 0.1)

    with in_threads(threading.Event(), *[run] * clients):
        pass
    statuses.update(results)


@contextmanager
def page_session(url: str) -> Iterator[tuple[str, str]]:
    """Open a page as a browser does; yield the id of its session, and its token for the API."""
    address, session_id = f"{url.replace('http', 'ws', 1)}/_stcore/stream", ""
    with connect(address, origin=Origin(url), max_size=None, close_timeout=0) as stream:
        stream.send(rerun())
        while not (found := TOKEN.search(data := stream.recv(30, decode=False))):
            message = ForwardMsg.FromString(data)
            if message.WhichOneof("type") == "new_session":
                session_id = message.new_session.initialize.session_id
        yield session_id, found[1].decode()


def put_file(url: str, session_id: str, size: int, announced: int | None = None) -> int:
    """Send a file as Streamlit's widgets do; return the status, 0 if the connection was reset."""
    with urlopen(f"{url}/_stcore/health", timeout=30) as response:
        cookie = response.headers["Set-Cookie"].partition(";")[0]
    body = form(file_part("f", "f.zip", bytes(size)))
    headers = {
        "Cookie": cookie,
        "X_Xsrftoken": cookie.partition("=")[2],
        "Content_Type": "multipart/form-data; boundary=x",
        "Content_Length": announced or len(body),
    }
    path = f"PUT /_stcore/upload_file/{session_id}/{uuid4()}"
    return status_after(url, head(path, **headers) + body)
