"""``python -m launch.share`` with a stand-in for cloudflared: Caddy, on a second loopback address.

The stand-in is a real reverse proxy with https, whose certificate this machine knows by
``SSL_CERT_FILE`` alone. What it prints is recorded output of cloudflared with its own address.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from deploy.client import free_port
from model.settings import ROOT
from tests.browser.server import add_compressed_files
from tests.launch.tunnel_output import CLOUDFLARED, CLOUDFLARED_ADDRESS
from tests.tools import require_tool

HOST = "127.0.0.2"
PATIENCE = 60

CADDYFILE = """\
{{
	admin off
	auto_https disable_redirects
	skip_install_trust
	storage file_system {folder}/caddy
}}
{address} {{
	bind {host}
	tls internal
	reverse_proxy {{$UPSTREAM}} {{
		{host_header}
	}}
}}
"""
STAND_IN = """\
#!/bin/sh
cat {folder}/output >&2
export UPSTREAM="${{4#http://}}" XDG_CONFIG_HOME={folder}/config XDG_DATA_HOME={folder}/data
exec {caddy} run --config {folder}/Caddyfile --adapter caddyfile
"""


class Sharing:
    """A run: its process, the address of its tunnel, and what it printed."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, log: Path) -> None:
        self.process, self.address, self._log = process, address, log

    def output(self) -> str:
        """Return all that was printed so far, by the app as well."""
        return self._log.read_text(errors="replace")

    def children(self) -> dict[str, psutil.Process]:
        """Return the running programs that it started, by name."""
        started = psutil.Process(self.process.pid).children(recursive=True)
        return {child.name(): child for child in started}

    def wait_for(self, text: str) -> None:
        """Wait until a text is printed."""
        end = time.monotonic() + PATIENCE
        while text not in self.output():
            running = self.process.poll() is None and time.monotonic() < end
            assert running, f"{text!r} is not printed:\n{self.output()}"
            time.sleep(0.05)

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal, by default that of Ctrl-C, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def remaining(processes: Iterable[psutil.Process]) -> list[str]:
    """Return the names of the processes that still run after a short wait."""
    _, alive = psutil.wait_procs(list(processes), timeout=5)
    names = []
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            # A zombie has ended; in a container, nothing may collect it.
            if process.status() != psutil.STATUS_ZOMBIE:
                names.append(process.name())
    return names


def program(folder: Path, name: str, script: str) -> None:
    """Write a program into the folder that comes first in PATH."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    path = folder / "bin" / name
    path.write_text(script)
    path.chmod(0o755)


def tunnel(folder: Path, host_header: str = "") -> str:
    """Write the stand-in under the name ``cloudflared``; return its address.

    Args:
        folder: a folder for all its files.
        host_header: what the app receives as Host; by default the public one.
    """
    caddy = require_tool("caddy")
    with socket.socket() as probe:
        # Not on every system is this an address of the machine.
        probe.bind((HOST, 0))
        address = f"https://{HOST}:{probe.getsockname()[1]}"
    (folder / "output").write_text(CLOUDFLARED.replace(CLOUDFLARED_ADDRESS, address))
    line = f"header_up Host {host_header}" if host_header else ""
    config = CADDYFILE.format(folder=folder, address=address, host=HOST, host_header=line)
    (folder / "Caddyfile").write_text(config)
    program(folder, "cloudflared", STAND_IN.format(folder=folder, caddy=caddy))
    return address


@contextlib.contextmanager
def sharing(
    folder: Path, *options: str, address: str = "", **environment: str
) -> Iterator[Sharing]:
    """Start ``python -m launch.share``; at the end nothing that it started may run."""
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    log = folder / "log"
    add_compressed_files(folder / "loupe")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "launch.share", f"--port={free_port()}", *options],
            cwd=ROOT,
            env={
                **clean,
                "PATH": os.pathsep.join([str(folder / "bin"), os.environ["PATH"]]),
                "SSL_CERT_FILE": str(folder / "caddy/pki/authorities/local/root.crt"),
                "LOUPE_DATA": str(folder / "loupe"),
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    children: list[psutil.Process] = []
    try:
        yield Sharing(process, address, log)
    finally:
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
        process.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
