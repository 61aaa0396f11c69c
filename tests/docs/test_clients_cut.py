"""What the clients say where no whole answer came: a typed error, never another."""

import json
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.browser.server import Server
from tests.docs.parts import CLIENTS, run
from tests.tools import require_tool


def cut_short(listening: socket.socket, line: bytes, *, chunked: bool) -> None:
    """A server that goes away after one answer of a batch."""
    connection, _ = listening.accept()
    with connection, connection.makefile("rb") as received:
        length = 0
        while (header := received.readline().lower()) != b"\r\n":
            if header.startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        received.read(length)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
        if chunked:
            head += b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(line)
            line += b"\r\n"
        else:
            head += b"Connection: close\r\n\r\n"
        connection.sendall(head + line)


@pytest.mark.parametrize("chunked", [True, False])
def test_a_batch_that_is_cut_short_is_no_whole_one(
    client: list[str], photos: Path, chunked: bool
) -> None:
    line = b'{"photo":"red.png","answer":"red"}\n{"photo":"bl'
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(
            target=cut_short, args=(listening, line), kwargs={"chunked": chunked}, daemon=True
        )
        serving.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        answers, errors, code = run(client, url, photos / "red.png", photos / "blue.png")
    assert [one["answer"] for one in answers] == ["red"]
    assert code == 1
    assert errors.splitlines()[-1].startswith("cut: ")


def refused_in_part(listening: socket.socket) -> None:
    """A server whose refusal breaks off, each time it is asked."""
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.recv(2**16)
            connection.sendall(b'HTTP/1.1 422 No\r\nContent-Length: 500\r\n\r\n{"code": "da')


def test_a_refusal_that_is_cut_short_is_typed_too(client: list[str], photos: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=refused_in_part, args=(listening,), daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        answers, errors, code = run(client, url, photos / "red.png")
    assert (answers, code) == ([], 1)
    assert errors.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in errors


def test_a_server_that_is_not_there_is_typed_too(client: list[str], photos: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    for names in (["red.png"], ["red.png", "blue.png"]):
        answers, errors, code = run(client, url, *(photos / name for name in names))
        assert (answers, code) == ([], 1)
        assert errors.splitlines() == [errors.strip()]
        assert errors.startswith(f"unreachable: No answer from {url}/api/v1: ")


def test_more_than_a_batch_may_have_is_not_even_sent(client: list[str], tmp_path: Path) -> None:
    for number in range(6):
        with (tmp_path / f"{number}.jpg").open("wb") as file:
            file.truncate(18 * 2**20)
    answers, errors, code = run(client, "http://127.0.0.1:9", *sorted(tmp_path.iterdir()))
    assert (answers, code) == ([], 1)
    assert errors.startswith("too-large: ")


IN_NODE = """
import { Loupe } from %(client)s;
const photo = new File(["no photo"], "a.jpg");
const files = { length: 1, 0: photo, *[Symbol.iterator]() { yield photo; } };
for await (const answer of new Loupe(%(server)s).batch(files)) console.log(answer.error.code);
"""


def test_javascript_takes_the_files_of_a_form_and_starts_through_a_link(
    server: Server, photos: Path, tmp_path: Path
) -> None:
    """A FileList can be gone through, and is no array."""
    node = require_tool("node")
    given = {"client": CLIENTS / "javascript.mjs", "server": server.url}
    (tmp_path / "form.mjs").write_text(IN_NODE % {k: json.dumps(str(v)) for k, v in given.items()})
    done = subprocess.run(
        [node, str(tmp_path / "form.mjs")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "unsupported-format\n"
    (tmp_path / "link.mjs").symlink_to(CLIENTS / "javascript.mjs")
    (answer,), _, code = run([node, str(tmp_path / "link.mjs")], server.url, photos / "red.png")
    assert (answer["answer"], code) == ("red", 0)
