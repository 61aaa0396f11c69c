"""The start of the app as each host does it: command, settings, readiness, end."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.comparison import CheckResult, State
from deploy.errors import DeployError
from deploy.hosts import HOSTS
from deploy.start import StartPlan, peak_memory_mb, plan_start, start_app
from model.settings import ROOT

STUBBORN = """
import http.server, os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
NEVER = STUBBORN.replace("200", "503").replace('b"{}"', 'b\'{"code": "golden-mismatch"}\'')
MUTE = """
import os, socket, time
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))):
    time.sleep(60)
"""


def start(folder: Path, *command: str, **changes: object) -> CheckResult:
    """Start a command, wait until it is ready and stop it; return the result."""
    plan = StartPlan(command, {}, "PORT", memory_mb=512, timeout_seconds=20, stop_seconds=1)
    app = start_app(replace(plan, **changes), folder)  # type: ignore[arg-type]
    try:
        result, _ = app.wait_until_ready("/api/ready")
    finally:
        app.stop()
    assert app.process.returncode is not None
    return result


@pytest.mark.parametrize(
    ("name", "command", "port_variable", "memory_mb"),
    [
        ("render", ("deploy/entrypoint.sh", "app"), "PORT", 512),
        ("spaces", ("deploy/entrypoint.sh", "app"), "PORT", 16384),
        ("sagemaker", ("deploy/entrypoint.sh", "serve"), "SAGEMAKER_BIND_TO_PORT", 8192),
        ("vertex", ("deploy/entrypoint.sh", "app"), "AIP_HTTP_PORT", 7680),
        ("vps-compose", ("deploy/entrypoint.sh", "app"), "PORT", 1024),
        ("cloud-init", ("deploy/entrypoint.sh", "app"), "PORT", 1024),
    ],
)
def test_plan_follows_the_files(
    name: str, command: tuple[str, ...], port_variable: str, memory_mb: int, tmp_path: Path
) -> None:
    host = HOSTS[name]
    plan = plan_start(host, host.make_files(), tmp_path)
    assert plan.command == (str(ROOT / command[0]), *command[1:])
    assert plan.port_variable == port_variable
    assert plan.memory_mb == memory_mb
    assert plan.environment["LOUPE_MEMORY_MB"] == str(memory_mb)


def test_memory_in_the_files_that_is_no_number_is_refused(tmp_path: Path) -> None:
    texts = {"render.yaml": "- key: LOUPE_MEMORY_MB\n  value: much"}
    with pytest.raises(DeployError, match="'much' in the files, not a number"):
        plan_start(HOSTS["render"], texts, tmp_path)


@pytest.mark.parametrize("name", ["render", "community-cloud"])
def test_plan_runs_the_folder_if_it_is_a_repository(name: str, tmp_path: Path) -> None:
    host, folder = HOSTS[name], tmp_path / "My Code"
    assert plan_start(host, {}, folder).root == ROOT
    for file in ("streamlit_app.py", "deploy/entrypoint.sh", "model/__init__.py"):
        (folder / file).parent.mkdir(exist_ok=True, parents=True)
        (folder / file).touch()
    plan = plan_start(host, {}, folder)
    assert (plan.root, plan.bundles) == (folder, folder / "bundles")
    entrypoint = str(folder / "deploy/entrypoint.sh")
    assert plan.command[0] == (entrypoint if name == "render" else "streamlit")


def test_start_fails_with_the_output_of_a_command_that_exits(tmp_path: Path) -> None:
    started = start(tmp_path, "sh", "-c", "echo no such thing; exit 3")
    assert started.state is State.FAILED
    assert "exited with 3" in started.message
    assert "no such thing" in started.fix


@pytest.mark.parametrize("command", [("sleep", "60"), (sys.executable, "-c", MUTE)])
def test_start_fails_when_the_app_never_responds(command: tuple[str, ...], tmp_path: Path) -> None:
    started = start(tmp_path, *command, timeout_seconds=1)
    assert "not ready in 1 s" in started.message


def test_start_fails_early_when_no_model_can_be_loaded(tmp_path: Path) -> None:
    started = start(tmp_path, sys.executable, "-c", NEVER)
    assert started.state is State.FAILED
    assert "never ready: golden-mismatch" in started.message


def test_start_fails_when_the_command_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="can't be run: No such file"):
        start(tmp_path, "/nowhere/entrypoint.sh")


def test_app_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    assert start(tmp_path, sys.executable, "-c", STUBBORN).state is State.OK


def test_start_hides_the_settings_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOUPE_MODEL", "mine")
    monkeypatch.setenv("AIP_HTTP_PORT", "1")
    output = tmp_path / "environment"
    start(tmp_path, "sh", "-c", f"env > {output}; exit 1")
    names = dict(line.split("=", 1) for line in output.read_text().splitlines() if "=" in line)
    assert not {"LOUPE_MODEL", "AIP_HTTP_PORT"} & set(names)
    assert names["LOUPE_DATA"] == str(tmp_path / "data")
    assert names["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_start_hides_the_secrets_of_the_folder(tmp_path: Path) -> None:
    secrets = tmp_path / ".streamlit" / "secrets.toml"
    secrets.parent.mkdir()
    secrets.write_text('LOUPE_MODEL = "mine"\nLOUPE_DATABASE = "sqlite://"\nLOUPE_BATCH = 3\nA = 1')
    output = tmp_path / "environment"
    environment = {"LOUPE_MODEL": "theirs"}
    command = ("sh", "-c", f"env > {output}; exit 1")
    start(tmp_path, *command, root=tmp_path, environment=environment)
    lines = output.read_text().splitlines()
    assert {"LOUPE_MODEL=theirs", "LOUPE_DATABASE=", "LOUPE_BATCH=1000"} <= set(lines)


def test_peak_memory_of_a_process() -> None:
    assert peak_memory_mb(os.getpid()) > 20
    assert peak_memory_mb(2**22 - 1) == 0
