"""Versions behind a route that redirects, never ends or sends byte by byte; and the commands."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from model import Bundle
from model.cli import main
from model.model_store import publications
from model.model_store.publications import Publications
from model.settings import settings
from model.storage.addresses import StorageUnavailable
from model.storage.disk import hash_file
from tests.http_server import Handler, http_server
from tests.model.tiny import tiny

from .conftest import Replica

Respond = Callable[[Handler], None]


def redirect(request: Handler) -> None:
    if request.path == "/elsewhere":
        request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nwhat must not be read")
    else:
        request.wfile.write(b"HTTP/1.0 302 Found\r\nLocation: /elsewhere\r\n\r\n")


def never_end(request: Handler) -> None:
    request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        request.wfile.write(bytes(2**20))


def drip(request: Handler) -> None:
    request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        request.wfile.write(b"!")
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("respond", "message"),
    [
        (redirect, "answered 302 for .*without a redirect"),
        (never_end, "has more than 1,000 bytes, or took longer than 0.2 s"),
        (drip, "has more than 1,000 bytes, or took longer than 0.2 s"),
    ],
)
def test_hostile_route_is_refused(
    replica: Replica,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    respond: Respond,
    message: str,
) -> None:
    class Route(Handler):
        def do_GET(self) -> None:
            paths.append(self.path)
            with suppress(OSError):
                respond(self)

    paths: list[str] = []
    monkeypatch.setattr(publications, "FILE_SECONDS", 0.2)
    with http_server(Route) as address:
        monkeypatch.setenv("LOUPE_STORE", f"{address}/loupe")
        settings.cache_clear()
        with pytest.raises(StorageUnavailable, match=message):
            publications.copy_file("tiny/0/graph.onnx", tmp_path / "graph", 1000)
    assert paths == ["/loupe/api/v1/models/tiny/0/graph.onnx"]


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == code, result.output
    return result.output


def test_commands_publish_and_roll_back(replica: Replica, first: Bundle) -> None:
    one, two = tiny(replica.models, title="First"), tiny(replica.models, title="Two")
    assert "golden outputs match" in run("publish", "tiny", one.version)
    assert f"tiny {two.version} is published." in run("publish", "tiny")
    printed = run("rollback", "tiny", one.version)
    assert f"To undo: python -m model rollback tiny {two.version}" in printed
    (current,) = Publications(settings().database_url).list_current()
    assert current.sha256 == hash_file(first.folder / "bundle.json")
    rows = [line.split()[:-2] for line in run("published").splitlines()[1:]]
    assert rows == [["current", "tiny", one.version], ["tiny", two.version], ["tiny", one.version]]
    assert "no version 'x'" in run("publish", "tiny", "x", code=2)
    refusal = run("rollback", "tiny", "x", code=2)
    assert "tiny 'x' was never published. Published: " in refusal
    assert all(bundle.version in refusal for bundle in (one, two))


def test_command_publishes_nothing_that_fails_its_golden_test(replica: Replica) -> None:
    tiny(replica.models, golden_change=lambda arrays: arrays["pixels"].fill(0))
    assert "[golden-mismatch]" in run("publish", "tiny", code=2)
    assert Publications(settings().database_url).list_current() == []
