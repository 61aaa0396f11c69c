"""The start of the app as each host does it, and the failures that it reports."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.check import CheckResult, State
from deploy.errors import DeployError, Unreadable
from deploy.files import make_files
from deploy.host import Host
from deploy.hosts import get_host, hosts
from deploy.startup import StartPlan, check_start, peak_memory_mb, plan_start, run_plan
from model.settings import ROOT


def start_key(host: Host) -> tuple[object, ...]:
    """Return what makes a host's start distinct: all but the memory."""
    plan = plan_start(host)
    variables = {k: v for k, v in plan.environment.items() if k != "LOUPE_MEMORY_MB"}
    return (plan.command, plan.port_variable, *sorted(variables.items()))


DISTINCT = {start_key(host): host for host in reversed(hosts().values())}
"""One host for each distinct start."""

STUBBORN = """
import http.server, os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"])); self.do_GET()
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
MUTE = """
import os, socket, time
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))):
    time.sleep(60)
"""


def run(*command: str, **changes: int) -> dict[str, CheckResult]:
    """Start a command as Render does; return the results by subject."""
    plan = StartPlan(command, {}, "PORT", memory_mb=512, timeout_seconds=20, stop_seconds=5)
    results = run_plan(get_host("render"), replace(plan, **changes))  # type: ignore[arg-type]
    return {result.subject: result for result in results}


@pytest.mark.slow
@pytest.mark.parametrize("host", DISTINCT.values(), ids=lambda host: host.name)
def test_app_starts_answers_and_ends(host: Host) -> None:
    results = {result.subject: result for result in check_start(host)}
    assert list(results) == ["start", "first answer", "memory in use", "end"]
    assert {result.state for result in results.values()} == {State.OK}
    assert "espresso" in results["first answer"].message


def test_distinct_starts_cover_every_runner_and_protocol() -> None:
    assert {"community-cloud", "spaces", "sagemaker", "vertex"} <= {
        host.name for host in DISTINCT.values()
    }
    assert {host.start.runner for host in DISTINCT.values()} == {"image", "unit", "streamlit"}


@pytest.mark.parametrize(
    ("name", "command", "port_variable", "memory_mb"),
    [
        ("render", ("deploy/entrypoint.sh", "app"), "PORT", 512),
        ("sagemaker", ("deploy/entrypoint.sh", "serve"), "SAGEMAKER_BIND_TO_PORT", 8192),
        ("vertex", ("deploy/entrypoint.sh", "app"), "AIP_HTTP_PORT", 7680),
        ("vps-systemd", ("deploy/entrypoint.sh",), "PORT", 1024),
        ("cloud-init", ("deploy/entrypoint.sh",), "PORT", 1024),
        ("vps-compose", ("deploy/entrypoint.sh", "app"), "PORT", 1024),
    ],
)
def test_plan_follows_the_files(
    name: str, command: tuple[str, ...], port_variable: str, memory_mb: int
) -> None:
    plan = plan_start(get_host(name))
    assert plan.command == (str(ROOT / command[0]), *command[1:])
    assert plan.port_variable == port_variable
    assert plan.memory_mb == memory_mb
    assert plan.environment["LOUPE_LOG"] == "json"


def test_plan_refuses_a_unit_without_a_command() -> None:
    host = get_host("vps-systemd")
    texts = {path: text.replace("ExecStart", "ExecStop") for path, text in make_files(host).items()}
    with pytest.raises(Unreadable, match="The unit has no ExecStart= line"):
        plan_start(host, texts)
    (result,) = check_start(host, texts)
    assert result.state is State.FAILED


@pytest.mark.slow
def test_start_fails_when_the_app_exceeds_the_memory() -> None:
    plan = replace(plan_start(get_host("render")), memory_mb=60)
    results = {result.subject: result for result in run_plan(get_host("render"), plan)}
    assert results["memory in use"].state is State.FAILED
    assert results["memory in use"].message.endswith(" MB of 60 MB")
    assert results["end"].state is State.OK


def test_start_fails_with_the_output_of_a_command_that_exits() -> None:
    results = run("sh", "-c", "echo no such thing; exit 3")
    assert list(results) == ["start"]
    assert results["start"].state is State.FAILED
    assert "exited with 3" in results["start"].message
    assert "no such thing" in results["start"].fix


@pytest.mark.parametrize("command", [("sleep", "60"), (sys.executable, "-c", MUTE)])
def test_start_fails_when_the_app_never_responds(command: tuple[str, ...]) -> None:
    assert "not ready in 1 s" in run(*command, timeout_seconds=1)["start"].message


def test_start_fails_when_the_command_does_not_exist() -> None:
    with pytest.raises(DeployError, match="can't be run: No such file"):
        run("/nowhere/entrypoint.sh")


def test_start_kills_an_app_that_ignores_sigterm() -> None:
    results = run(sys.executable, "-c", STUBBORN, stop_seconds=1)
    assert results["start"].state is State.OK
    assert results["first answer"].state is State.FAILED
    assert results["first answer"].message == "/api/v1/identify: 200 {}"
    assert results["end"].state is State.FAILED
    assert results["end"].message == "still running 1 s after SIGTERM"


def test_start_hides_the_settings_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOUPE_MODEL", "mine")
    monkeypatch.setenv("AIP_HTTP_PORT", "1")
    output = tmp_path / "environment"
    run("sh", "-c", f"env > {output}; exit 1")
    names = dict(line.split("=", 1) for line in output.read_text().splitlines() if "=" in line)
    assert not {"LOUPE_MODEL", "AIP_HTTP_PORT"} & set(names)
    assert Path(names["LOUPE_DATA"]).name == "data"
    assert names["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_peak_memory_of_a_process() -> None:
    assert peak_memory_mb(os.getpid()) > 20
    assert peak_memory_mb(2**22 - 1) == 0
