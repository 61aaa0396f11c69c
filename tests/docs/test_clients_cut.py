"""The clients in ``docs/clients`` without a complete response: always a typed error."""

import json
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.browser.server import Server
from tests.docs.client_runner import CLIENTS, run
from tests.tools import require_tool


def serve_incomplete_batch(listening: socket.socket, line: bytes, *, chunked: bool) -> None:
    """Serve one result of a batch, then close the connection."""
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
def test_incomplete_batch_raises_cut(client: list[str], photos: Path, chunked: bool) -> None:
    line = b'{"photo":"red.png","answer":"red"}\n{"photo":"bl'
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(
            target=serve_incomplete_batch,
            args=(listening, line),
            kwargs={"chunked": chunked},
            daemon=True,
        )
        serving.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        answers, errors, code = run(client, url, photos / "red.png", photos / "blue.png")
    assert [answer["answer"] for answer in answers] == ["red"]
    assert code == 1
    assert errors.splitlines()[-1].startswith("cut: ")


def serve_incomplete_errors(listening: socket.socket) -> None:
    """Respond to each request with an incomplete error."""
    while True:
        connection, _ = listening.accept()
        with connection:
            connection.recv(2**16)
            connection.sendall(b'HTTP/1.1 422 No\r\nContent-Length: 500\r\n\r\n{"code": "da')


def test_incomplete_error_is_still_typed(client: list[str], photos: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve_incomplete_errors, args=(listening,), daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        answers, errors, code = run(client, url, photos / "red.png")
    assert (answers, code) == ([], 1)
    assert errors.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in errors


def test_missing_server_raises_unreachable(client: list[str], photos: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    for names in (["red.png"], ["red.png", "blue.png"]):
        answers, errors, code = run(client, url, *(photos / name for name in names))
        assert (answers, code) == ([], 1)
        assert errors.splitlines() == [errors.strip()]
        assert errors.startswith(f"unreachable: No response from {url}/api/v1: ")


def test_too_large_batch_is_not_sent(client: list[str], tmp_path: Path) -> None:
    for number in range(6):
        with (tmp_path / f"{number}.jpg").open("wb") as file:
            file.truncate(18 * 2**20)
    answers, errors, code = run(client, "http://127.0.0.1:9", *sorted(tmp_path.iterdir()))
    assert (answers, code) == ([], 1)
    assert errors.startswith("too-large: ")


def test_client_without_arguments_prints_usage(client: list[str]) -> None:
    for arguments in ([], ["http://127.0.0.1:9"]):
        answers, errors, code = run(client, *arguments)
        assert (answers, code) == ([], 2)
        usage, example = errors.splitlines()
        assert usage.startswith("Usage: ")
        assert example.startswith("Example: ")


IN_NODE = """
import { Loupe } from %(client)s;
const photo = Object.assign(new Blob(["no photo"]), { name: "a.jpg" });
const files = { length: 1, 0: photo, *[Symbol.iterator]() { yield photo; } };
for await (const answer of new Loupe(%(server)s).batch(files)) console.log(answer.error.code);
"""


def test_javascript_accepts_a_file_list_and_runs_through_a_symlink(
    server: Server, photos: Path, tmp_path: Path
) -> None:
    """A FileList is iterable and not an array."""
    node = require_tool("node")
    values = {"client": CLIENTS / "javascript.mjs", "server": server.url}
    (tmp_path / "form.mjs").write_text(IN_NODE % {k: json.dumps(str(v)) for k, v in values.items()})
    completed = subprocess.run(
        [node, str(tmp_path / "form.mjs")], capture_output=True, text=True, check=True
    )
    assert completed.stdout == "unsupported-format\n"
    (tmp_path / "link.mjs").symlink_to(CLIENTS / "javascript.mjs")
    (answer,), _, code = run([node, str(tmp_path / "link.mjs")], server.url, photos / "red.png")
    assert (answer["answer"], code) == ("red", 0)
