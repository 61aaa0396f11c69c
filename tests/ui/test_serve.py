"""``ui.serve`` (``make run``): a free port, and addresses that a phone can open."""

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


def test_addresses_name_this_machine_and_the_network(monkeypatch):
    local, network = addresses(8501)
    assert local == "http://localhost:8501"
    assert network is None or re.fullmatch(r"http://[\d.]+:8501", network)
    monkeypatch.setattr(serve, "_network_address", lambda: "192.0.2.7")
    assert addresses(80) == ("http://localhost:80", "http://192.0.2.7:80")
    monkeypatch.setattr(serve, "_network_address", lambda: None)
    assert addresses(80) == ("http://localhost:80", None)


class RoutedSocket(socket.socket):
    """A socket with a given local address, None for a machine without a network."""

    local_address: str | None = None

    def connect(self, address):
        if self.local_address is None:
            raise OSError("Network is unreachable")

    def getsockname(self):
        return self.local_address, 1


@pytest.mark.parametrize(
    ("local_address", "expected"),
    [("192.0.2.7", "192.0.2.7"), ("127.0.0.1", None), (None, None)],
)
def test_network_address_is_none_without_a_network(monkeypatch, local_address, expected):
    monkeypatch.setattr(RoutedSocket, "local_address", local_address)
    monkeypatch.setattr(serve.socket, "socket", RoutedSocket)
    assert serve._network_address() == expected


@pytest.mark.parametrize("network", ["192.0.2.7", None])
def test_serve_prints_the_addresses_and_becomes_the_server(monkeypatch, capsys, network):
    processes = []
    monkeypatch.setattr(serve, "_network_address", lambda: network)
    monkeypatch.setattr(serve.os, "execv", lambda path, command: processes.append((path, command)))
    monkeypatch.setattr(serve.os, "chdir", lambda path: None)
    monkeypatch.setattr(sys, "argv", ["serve", "--port", "8600"])
    serve.main()
    output = capsys.readouterr().out
    ((path, command),) = processes
    port = re.search(r"--server.port=(\d+)", " ".join(command)).group(1)
    assert path == sys.executable
    assert command[1:5] == ["-m", "streamlit", "run", "streamlit_app.py"]
    assert f"http://localhost:{port}" in output
    assert (
        ("http://192.0.2.7" in output) == ("Scan this with your phone" in output) == bool(network)
    )
