"""``launch.serve`` (``make run``): a free port, addresses that a phone can open, Ctrl-C."""

import os
import re
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest

from deploy import client
from launch import serve
from launch.serve import first_model
from model.settings import ROOT, settings
from tests.api.raw import exchange, head
from tests.api.test_device_making import fake_npm
from tests.model.tiny import tiny
from tests.waiting import wait_until


def test_serve_exits_when_all_ports_are_in_use(monkeypatch):
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    with socket.create_server(("", 0)) as taken:
        monkeypatch.setattr(sys, "argv", ["serve", f"--port={taken.getsockname()[1]}"])
        with pytest.raises(SystemExit, match="in use. Try another: make run PORT=9000"):
            serve.main()


@pytest.mark.parametrize(
    ("local_address", "expected"), [("192.0.2.7", "192.0.2.7"), ("127.0.0.1", None), (None, None)]
)
def test_network_address_is_none_without_a_network(monkeypatch, local_address, expected):
    class RoutedSocket(socket.socket):
        def connect(self, address):
            if local_address is None:
                raise OSError("Network is unreachable")

        def getsockname(self):
            return local_address, 1

    monkeypatch.setattr(socket, "socket", RoutedSocket)
    assert serve.network_address() == expected


def test_first_model_is_named(models_dir, monkeypatch):
    assert first_model() == "A thousand everyday things (imagenet)"
    tiny(models_dir, "mushrooms", title="Mushrooms")
    assert first_model() == "Mushrooms (mushrooms)"
    monkeypatch.setenv("LOUPE_MODEL", "gone")
    settings.cache_clear()
    assert first_model().startswith("no model. No model named 'gone'. Available: ")
    monkeypatch.setenv("LOUPE_MODEL", "")
    monkeypatch.setenv("LOUPE_BUILTIN", "false")
    monkeypatch.setenv("LOUPE_DATA", str(models_dir / "empty"))
    settings.cache_clear()
    assert first_model().startswith("no model. There is no model. Import one (python -m model")


def test_invalid_setting_is_named_before_anything_starts(monkeypatch, capsys):
    monkeypatch.setenv("LOUPE_QUEUE", "-1")
    settings.cache_clear()
    monkeypatch.setattr(sys, "argv", ["serve"])
    with pytest.raises(SystemExit, match="^setting-refused: LOUPE_QUEUE: "):
        serve.main()
    assert not capsys.readouterr().out


@pytest.mark.parametrize("network", ["192.0.2.7", None])
def test_serve_prints_the_addresses_and_runs_the_server(monkeypatch, capsys, network):
    used = list[int]()
    monkeypatch.setenv("LOUPE_HOSTS", "localhost")
    settings.cache_clear()
    monkeypatch.setattr(serve, "network_address", lambda: network)
    monkeypatch.setattr(serve, "run_server", used.append)
    monkeypatch.setattr(os, "chdir", lambda path: None)
    monkeypatch.setattr(sys, "argv", ["serve", "--port", "8600"])
    serve.main()
    output = capsys.readouterr().out
    assert f"http://localhost:{used[0]}" in output
    assert "opens with:" in output
    assert (f"http://192.0.2.7:{used[0]}" in output) == bool(network)
    assert ("Scan this with your phone" in output) == bool(network)


@pytest.mark.slow
def test_server_runs_under_its_own_names_while_npm_hangs_until_ctrl_c(tmp_path):
    runs = fake_npm(tmp_path, "exec sleep 600")
    tiny(tmp_path / "data" / "models")
    command = [sys.executable, "-m", "launch.serve", f"--port={client.free_port()}"]
    environment = {"LOUPE_DATA": str(tmp_path / "data"), "LOUPE_NPM": "true"}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        address = re.search(
            r"http://localhost:\d+", process.stdout.readline() + process.stdout.readline()
        )
        try:
            wait_until(lambda: is_ready(address[0]), seconds=60)
            # This model needs what npm fetches, once its own files are made.
            asking = head("GET /device/models/tiny/model.json")
            wait_until(lambda: exchange(address[0], asking) and runs.exists(), seconds=60)
            for host, status in ((socket.gethostname(), 200), ("evil.example", 421)):
                assert exchange(address[0], head("GET /", host)).status == status
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            os.killpg(process.pid, signal.SIGKILL)
        output = process.stdout.read()
    assert "Aborted" not in output
    assert "Traceback" not in output


def is_ready(address):
    with urlopen(f"{address}/api/ready", timeout=5) as response:
        return response.status == 200
