"""``make run``: the app with its addresses and a QR code for the phone."""

import argparse
import os
import socket
import sys

import segno

from deploy.ports import free_port
from model.settings import ROOT

__all__ = ["addresses", "main"]


def main() -> None:
    """Print where the app is, then become the server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8501, help="the first port to try")
    try:
        port = free_port(parser.parse_args().port)
    except OSError as error:
        raise SystemExit(f"{error} Try another: make run PORT=9000") from error
    local, network = addresses(port)
    print(f"\n  Loupe on this machine:  {local}")
    if network:
        print(f"  on the same network:    {network}\n")
        # Two modules a character: a phone reads it from a small terminal, too.
        segno.make(network, error="m").terminal(compact=True, border=2)
        print(
            "  Scan it with a phone. Over plain http a browser gives no live camera;\n"
            "  Upload opens the phone's own camera.\n"
        )
    sys.stdout.flush()
    os.chdir(ROOT)
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    command += [f"--server.port={port}", "--server.headless=true"]
    # Its own banner would print the same addresses again.
    os.execv(sys.executable, [*command, "--logger.hideWelcomeMessage=true"])  # noqa: S606


def addresses(port: int) -> tuple[str, str | None]:
    """This machine's address, and the network's where there is one."""
    network = _network_address()
    return f"http://localhost:{port}", f"http://{network}:{port}" if network else None


def _network_address() -> str | None:
    """The address that others on the network reach; no packet is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = str(probe.getsockname()[0])
        except OSError:
            return None
    return None if address.startswith("127.") else address


if __name__ == "__main__":
    main()
