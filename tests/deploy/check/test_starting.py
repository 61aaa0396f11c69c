"""The app really starts by each distinct command that a host's files name; the watch can fail."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.check.asking import best
from deploy.check.checking import CheckResult, State
from deploy.check.memory import tree_mb
from deploy.check.running import check_start
from deploy.check.starting import Start, start_of
from deploy.host import Host
from deploy.hosts import get_host, hosts
from model.settings import ROOT

DISTINCT = {start_of(host).key: host for host in reversed(hosts().values())}
"""One host for each way in which the app is started."""

STUBBORN = """
import http.server, os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Yes(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"])); self.do_GET()
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Yes).serve_forever()
"""


def start(*command: str, **changes: object) -> Start:
    first = Start(command, {}, "PORT", memory_mb=512, seconds=20, stop_seconds=5)
    return replace(first, **changes)  # type: ignore[arg-type]


def said(lines: list[CheckResult]) -> dict[str, tuple[State, str]]:
    return {line.what: (line.state, line.said) for line in lines}


@pytest.mark.parametrize("host", DISTINCT.values(), ids=lambda host: host.name)
def test_the_app_starts_answers_and_ends(host: Host) -> None:
    lines = check_start(host)
    assert [line for line in lines if line.state is not State.OK] == []
    assert [line.what for line in lines] == ["start", "first answer", "memory while running", "end"]
    assert "espresso" in said(lines)["first answer"][1]


def test_every_kind_of_start_is_among_them() -> None:
    names = {host.name for host in DISTINCT.values()}
    assert {"community-cloud", "spaces", "sagemaker", "vertex"} <= names
    assert {host.starts for host in DISTINCT.values()} == {"image", "unit", "streamlit"}


@pytest.mark.parametrize(
    ("name", "command", "variable"),
    [
        ("render", ("deploy/entrypoint.sh", "app"), "PORT"),
        ("sagemaker", ("deploy/entrypoint.sh", "serve"), "SAGEMAKER_BIND_TO_PORT"),
        ("vertex", ("deploy/entrypoint.sh", "app"), "AIP_HTTP_PORT"),
        ("vps-systemd", ("deploy/entrypoint.sh",), "PORT"),
    ],
)
def test_a_start_is_what_the_files_say(name: str, command: tuple[str, ...], variable: str) -> None:
    found = start_of(get_host(name))
    assert found.command == (str(ROOT / command[0]), *command[1:])
    assert found.port_variable == variable
    assert found.environment["LOUPE_LOG"] == "json"


def test_the_memory_that_a_manifest_grants_is_the_limit() -> None:
    assert start_of(get_host("vps-compose")).memory_mb == 1024
    assert start_of(get_host("render")).memory_mb == 512


def test_more_memory_than_the_host_has_fails() -> None:
    lines = said(
        check_start(get_host("render"), replace(start_of(get_host("render")), memory_mb=60))
    )
    assert lines["memory while running"][0] is State.FAILED
    assert lines["memory while running"][1].endswith(" MB of 60 MB")
    assert lines["end"][0] is State.OK


def test_a_command_that_ends_fails_with_what_it_wrote() -> None:
    lines = check_start(get_host("render"), start("sh", "-c", "echo no such thing; exit 3"))
    assert [line.what for line in lines] == ["start"]
    assert lines[0].state is State.FAILED
    assert "ended with 3" in lines[0].said
    assert "no such thing" in lines[0].todo


def test_a_command_that_never_listens_fails() -> None:
    lines = check_start(get_host("render"), start("sleep", "60", seconds=1))
    assert "not ready in 1 s" in said(lines)["start"][1]


MUTE = """
import os, socket, time
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))):
    time.sleep(60)
"""


def test_an_open_port_that_says_nothing_is_no_start() -> None:
    lines = check_start(get_host("render"), start(sys.executable, "-c", MUTE, seconds=2))
    assert "not ready in 2 s" in said(lines)["start"][1]


def test_a_command_that_is_not_there_fails() -> None:
    lines = check_start(get_host("render"), start("/nowhere/entrypoint.sh"))
    assert "cannot be run: No such file" in said(lines)["start"][1]


def test_a_server_that_does_not_answer_and_does_not_end_fails_and_is_gone() -> None:
    command = start(sys.executable, "-c", STUBBORN, stop_seconds=1)
    lines = said(check_start(get_host("render"), command))
    assert lines["start"][0] is State.OK
    assert lines["first answer"] == (State.FAILED, "/api/v1/identify: 200 {}")
    assert lines["end"] == (State.FAILED, "still runs 1 s after SIGTERM")


def test_settings_of_this_machine_do_not_reach_the_app(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOUPE_MODEL", "mine")
    monkeypatch.setenv("AIP_HTTP_PORT", "1")
    seen = tmp_path / "seen"
    check_start(get_host("render"), start("sh", "-c", f"env > {seen}; exit 1"))
    names = dict(line.split("=", 1) for line in seen.read_text().splitlines() if "=" in line)
    assert "LOUPE_MODEL" not in names
    assert "AIP_HTTP_PORT" not in names
    assert Path(names["LOUPE_DATA"]).name == "data"
    assert names["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_memory_counts_children() -> None:
    assert tree_mb(os.getpid()) > 20
    assert tree_mb(2**22 - 1) == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"candidates": [{"label": "a", "probability": 0.5}]}', ("a", 0.5)),
        ('{"predictions": [{"candidates": [{"label": "a", "probability": 1}]}]}', ("a", 1.0)),
        ('{"candidates": []}', None),
        ("[]", None),
        ("<html>", None),
        ('{"predictions": []}', None),
    ],
)
def test_a_first_candidate_is_found_in_each_form(
    text: str, found: tuple[str, float] | None
) -> None:
    assert best(text) == found
