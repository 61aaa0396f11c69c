"""What the entry point starts, on which port; a stand-in for Python writes down what it is told."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy import health
from deploy.ports import free_port
from model.settings import ROOT

ENTRYPOINT = ROOT / "deploy/entrypoint.sh"
NOTES = """#!{python}
import json, os, sys
names = ("LOUPE_SAGEMAKER", "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION")
print(json.dumps({{"words": sys.argv[1:], "cwd": os.getcwd(), "pid": os.getpid(),
                  **{{name: os.environ.get(name) for name in names}}}}))
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH whose python says what it was asked to run."""
    fake = tmp_path / "python"
    fake.write_text(NOTES.format(python=sys.executable))
    fake.chmod(0o755)
    return f"{tmp_path}:/usr/bin:/bin"


def called(path: str, *arguments: str, **environment: str) -> dict[str, object]:
    done = subprocess.run(
        [str(ENTRYPOINT), *arguments],
        env={"PATH": path, **environment},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def option(said: dict[str, object], name: str) -> str:
    words = said["words"]
    assert isinstance(words, list)
    return str(next(word for word in words if word.startswith(f"--server.{name}=")).split("=")[1])


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
def test_the_port_is_the_hosts(
    path: str, environment: dict[str, str], arguments: tuple[str, ...], port: str
) -> None:
    said = called(path, *arguments, **environment)
    assert option(said, "port") == port
    assert option(said, "address") == "0.0.0.0"
    assert said["words"][:4] == ["-m", "streamlit", "run", "streamlit_app.py"]  # type: ignore[index]
    assert said["cwd"] == str(ROOT)
    assert said["LOUPE_SAGEMAKER"] == ("1" if arguments == ("serve",) else None)


@pytest.mark.parametrize(
    "environment",
    [{}, {"PORT": "10000"}, {"PORT": ""}, {"PORT": "1", "AIP_HTTP_PORT": "8080"}],
)
def test_the_health_check_asks_on_the_same_port(
    path: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PORT", "AIP_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert health.port() == option(called(path, **environment), "port")


def test_a_port_that_is_no_number_is_refused(path: str) -> None:
    done = subprocess.run(
        [str(ENTRYPOINT)], env={"PATH": path, "PORT": "http"}, capture_output=True, check=False
    )
    assert done.returncode == 64
    assert (
        done.stderr
        == b"The port is 'http', which is no number. Set PORT to one, or leave it unset.\n"
    )


def test_options_go_to_streamlit_and_commands_run_instead(path: str) -> None:
    assert option(called(path, "--server.baseUrlPath=loupe"), "baseUrlPath") == "loupe"
    assert called(path, "python", "-m", "model", "list")["words"] == ["-m", "model", "list"]


def test_the_address_can_be_narrowed(path: str) -> None:
    said = called(path, STREAMLIT_SERVER_ADDRESS="127.0.0.1")
    assert option(said, "address") == "127.0.0.1"


def test_in_a_space_xsrf_protection_is_off_unless_asked_for(path: str) -> None:
    name = "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION"
    assert called(path)[name] is None
    assert called(path, SPACE_ID="you/loupe")[name] == "false"
    assert called(path, SPACE_ID="you/loupe", **{name: "true"})[name] == "true"


def test_it_becomes_the_app(path: str) -> None:
    """No shell stays between: the host's SIGTERM goes to the app."""
    with subprocess.Popen(
        [str(ENTRYPOINT)], env={"PATH": path}, stdout=subprocess.PIPE, text=True
    ) as process:
        output, _ = process.communicate(timeout=20)
    assert json.loads(output)["pid"] == process.pid


def test_started_as_root_in_the_image_it_hands_the_data_over_and_steps_down(
    path: str, tmp_path: Path
) -> None:
    """``id``, ``chown`` and ``setpriv`` write down how they are called."""
    log, folder = tmp_path / "log", Path(path.split(":", 1)[0])
    answers = {"id": '[ "$1" = loupe ] || echo 0', "chown": "", "setpriv": ""}
    for name, answer in answers.items():
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n{answer}\n')
        (folder / name).chmod(0o755)
    environment = {"PATH": path, "LOUPE_DATA": "/data"}
    subprocess.run([str(ENTRYPOINT)], env=environment, check=True)
    lines = log.read_text().splitlines()
    assert "chown loupe /data" in lines
    assert lines[-1].startswith("setpriv --reuid=loupe --regid=loupe --init-groups")
    assert "python -m streamlit run" in lines[-1]
    log.unlink()
    said = subprocess.run(
        [str(ENTRYPOINT), "serve"], env=environment, capture_output=True, text=True, check=True
    )
    # SageMaker wants root: nothing steps down there.
    assert json.loads(said.stdout)["LOUPE_SAGEMAKER"] == "1"
    assert "setpriv" not in log.read_text()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (None, 1)])
def test_the_health_check_ends_with_what_the_app_says(status: int | None, code: int) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/api/ready"
            self.send_response(status or 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        port = server.server_port
        if status is not None:
            threading.Thread(target=server.handle_request, daemon=True).start()
        else:
            port = free_port()
        done = subprocess.run(
            [sys.executable, "-m", "deploy.health"],
            cwd=ROOT,
            env={**os.environ, "PORT": str(port)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == code
    assert ("Not ready: " in done.stderr) == bool(code)
    assert "Traceback" not in done.stderr
