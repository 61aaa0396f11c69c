"""``entrypoint.sh``: its command, port and user; and the container's health check.

A stand-in for Python prints how it was called.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from deploy import health
from deploy.client import free_port
from model.settings import ROOT
from tests.http_server import Handler, http_server

ENTRYPOINT = ROOT / "deploy/entrypoint.sh"
XSRF = "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION"
FAKE_PYTHON = """#!{python}
import json, os, sys
names = ("LOUPE_SAGEMAKER", "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION")
print(json.dumps({{"arguments": sys.argv[1:], "cwd": os.getcwd(), "pid": os.getpid(),
                  **{{name: os.environ.get(name) for name in names}}}}))
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH whose python prints its arguments and environment."""
    fake = tmp_path / "python"
    fake.write_text(FAKE_PYTHON.format(python=sys.executable))
    fake.chmod(0o755)
    return f"{tmp_path}:/usr/bin:/bin"


def run(command: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, check=False
    )


def call(path: str, *arguments: str, **environment: str) -> dict[str, Any]:
    done = run([str(ENTRYPOINT), *arguments], PATH=path, **environment)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def option(called: dict[str, Any], name: str) -> str:
    prefix = f"--server.{name}="
    (value,) = [word for word in called["arguments"] if word.startswith(prefix)]
    return str(value.removeprefix(prefix))


@pytest.mark.parametrize(
    ("environment", "arguments", "port"),
    [
        ({}, (), "8501"),
        ({}, ("app",), "8501"),
        ({"PORT": "10000"}, (), "10000"),
        ({"PORT": ""}, (), "8501"),
        ({"PORT": "10000", "AIP_HTTP_PORT": "8080"}, ("app",), "8080"),
        ({"PORT": "10000"}, ("serve",), "8080"),
        ({"SAGEMAKER_BIND_TO_PORT": "9090"}, ("serve",), "9090"),
    ],
)
def test_entrypoint_listens_on_the_port_of_the_host(
    path: str,
    environment: dict[str, str],
    arguments: tuple[str, ...],
    port: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called = call(path, *arguments, **environment)
    for name in ("PORT", "AIP_HTTP_PORT"):
        monkeypatch.setenv(name, environment.get(name, ""))
    assert arguments == ("serve",) or health.get_port() == port
    assert option(called, "port") == port
    assert option(called, "address") == "0.0.0.0"
    assert called["arguments"][:4] == ["-m", "streamlit", "run", "streamlit_app.py"]
    assert called["cwd"] == str(ROOT)
    assert called["LOUPE_SAGEMAKER"] == ("1" if arguments == ("serve",) else None)


def test_entrypoint_refuses_a_port_that_is_not_a_number(path: str) -> None:
    done = run([str(ENTRYPOINT)], PATH=path, PORT="http")
    assert done.returncode == 64
    assert done.stderr == "The port 'http' is not a number. Set PORT to a number or unset it.\n"


def test_entrypoint_passes_options_on_and_runs_commands(path: str) -> None:
    assert option(call(path, "--server.baseUrlPath=loupe"), "baseUrlPath") == "loupe"
    assert call(path, "python", "-m", "model", "list")["arguments"] == ["-m", "model", "list"]
    # A narrower address.
    assert option(call(path, STREAMLIT_SERVER_ADDRESS="127.0.0.1"), "address") == "127.0.0.1"


def test_entrypoint_turns_xsrf_protection_off_in_a_space(path: str) -> None:
    assert call(path)[XSRF] is None
    assert call(path, SPACE_ID="you/loupe")[XSRF] == "false"
    assert call(path, SPACE_ID="you/loupe", **{XSRF: "true"})[XSRF] == "true"


def test_entrypoint_becomes_the_app(path: str) -> None:
    """The host's SIGTERM must reach the app, so no shell may stay in between."""
    with subprocess.Popen(
        [str(ENTRYPOINT)], env={"PATH": path}, stdout=subprocess.PIPE, text=True
    ) as process:
        output, _ = process.communicate(timeout=20)
    assert json.loads(output)["pid"] == process.pid


def test_entrypoint_drops_root_after_handing_over_the_data_folder(
    path: str, tmp_path: Path
) -> None:
    """Stand-ins for ``id``, ``chown`` and ``setpriv`` log how they are called."""
    log, folder = tmp_path / "log", Path(path.split(":", 1)[0])
    bodies = {"id": '[ "$1" = loupe ] || echo 0', "chown": "", "setpriv": ""}
    for name, body in bodies.items():
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n{body}\n')
        (folder / name).chmod(0o755)
    environment = {"PATH": path, "LOUPE_DATA": "/data", "LOUPE_SAGEMAKER": "False"}
    assert run([str(ENTRYPOINT)], **environment).returncode == 0
    lines = log.read_text().splitlines()
    assert "chown loupe /data" in lines
    assert lines[-1].startswith("setpriv --reuid=loupe --regid=loupe --init-groups")
    assert "python -m streamlit run" in lines[-1]
    log.unlink()
    # SageMaker requires root, so privileges are kept there.
    assert call(path, "serve", LOUPE_DATA="/data")["LOUPE_SAGEMAKER"] == "1"
    assert "setpriv" not in log.read_text()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (None, 1)])
def test_health_check_exits_with_the_readiness_of_the_app(status: int | None, code: int) -> None:
    class App(Handler):
        def do_GET(self) -> None:
            assert self.path == "/api/ready"
            self.respond(status or 500)

    with http_server(App) as address:
        port = free_port() if status is None else address.rpartition(":")[2]
        environment = {**os.environ, "PORT": str(port), "PYTHONPATH": str(ROOT)}
        done = run([sys.executable, "-m", "deploy.health"], **environment)
    assert done.returncode == code
    assert ("Not ready: " in done.stderr) == bool(code)
    assert "Traceback" not in done.stderr
