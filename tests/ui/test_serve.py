"""``make run``: a port that is free, and addresses that a phone can open."""

import re
import socket
import sys

import pytest

from deploy import ports
from ui import serve
from ui.serve import addresses


def test_serve_exits_when_all_ports_are_in_use(monkeypatch):
    monkeypatch.setattr(ports, "ATTEMPTS", 1)
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        monkeypatch.setattr(sys, "argv", ["serve", f"--port={taken.getsockname()[1]}"])
        with pytest.raises(SystemExit, match="in use. Try another: make run PORT=9000"):
            serve.main()


def test_addresses(monkeypatch):
    local, network = addresses(8501)
    assert local == "http://localhost:8501"
    assert network is None or re.fullmatch(r"http://[\d.]+:8501", network)
    monkeypatch.setattr(serve, "_network_address", lambda: "192.0.2.7")
    assert addresses(80) == ("http://localhost:80", "http://192.0.2.7:80")
    monkeypatch.setattr(serve, "_network_address", lambda: None)
    assert addresses(80) == ("http://localhost:80", None)


class Probe(socket.socket):
    """A socket that says which way it would go."""

    way: str | None = None

    def connect(self, address):
        if self.way is None:
            raise OSError("Network is unreachable")

    def getsockname(self):
        return self.way, 1


@pytest.mark.parametrize(
    ("way", "found"), [("192.0.2.7", "192.0.2.7"), ("127.0.0.1", None), (None, None)]
)
def test_the_network_address(monkeypatch, way, found):
    monkeypatch.setattr(Probe, "way", way)
    monkeypatch.setattr(serve.socket, "socket", Probe)
    assert serve._network_address() == found


@pytest.mark.parametrize("network", ["192.0.2.7", None])
def test_it_prints_the_addresses_and_becomes_the_server(monkeypatch, capsys, network):
    became = []
    monkeypatch.setattr(serve, "_network_address", lambda: network)
    monkeypatch.setattr(serve.os, "execv", lambda path, command: became.append((path, command)))
    monkeypatch.setattr(serve.os, "chdir", lambda path: None)
    monkeypatch.setattr(sys, "argv", ["serve", "--port", "8600"])
    serve.main()
    said = capsys.readouterr().out
    ((path, command),) = became
    port = re.search(r"--server.port=(\d+)", " ".join(command)).group(1)
    assert path == sys.executable
    assert command[1:5] == ["-m", "streamlit", "run", "streamlit_app.py"]
    assert f"http://localhost:{port}" in said
    assert ("http://192.0.2.7" in said) == ("Scan it with a phone" in said) == bool(network)
