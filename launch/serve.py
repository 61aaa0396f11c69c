"""``make run``: the app with its addresses and a QR code for the phone."""

import argparse
import os
import re
import socket
import sys
from contextlib import suppress

import click
import segno

from api.lifecycle import STORE_SECONDS
from deploy.client import free_port
from model import LoupeError, load
from model.cli.owner import link_for
from model.cli.terminal import use_utf8
from model.errors import SettingRefused
from model.model_store import store_follower
from model.resources import configure_malloc
from model.settings import ROOT, settings
from ui.app_info import app_title


def main() -> None:
    """Print the app's addresses, then run the server until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8501, help="first port to try")
    arguments = parser.parse_args()
    try:
        settings()
    except SettingRefused as error:
        raise SystemExit(f"{error.code}: {error}") from None
    try:
        port = free_port(arguments.port)
    except OSError as error:
        raise SystemExit(f"{error} Try another: make run PORT=9000") from error
    check_hosts()
    if port != arguments.port:
        print(f"\n  Port {arguments.port} is in use by another program.")
    print(f"\n  Loupe on this machine:  http://localhost:{port}")
    print(f"  opens with:             {first_model()}")
    if sys.stdout.isatty():
        with suppress(LoupeError):
            print(f"  the owner's workshop:   {link_for(f'http://localhost:{port}')}")
    if host := network_address():
        network = f"http://{host}:{port}"
        print(f"  on the same network:    {network}\n")
        print_qr_code(network)
        print(
            "  Scan this with your phone. Over plain HTTP browsers block the live camera;\n"
            "  your phone's own camera app works. 'make share' gives an https address.\n"
        )
    sys.stdout.flush()
    os.chdir(ROOT)
    run_server(port)


def check_hosts() -> None:
    """Have the app refuse names other than this machine's, unless its settings name some."""
    if not settings().host_names:
        own = socket.gethostname()
        # FRITZ!Box routers use this suffix; local suffixes such as .lan are allowed anyway.
        names = [own, socket.getfqdn(), f"{own}.fritz.box"]
        usable = [name for name in names if re.fullmatch(r"[\w.-]+", name, re.ASCII)]
        os.environ["LOUPE_HOSTS"] = ",".join(dict.fromkeys(usable)) or "localhost"
        settings.cache_clear()


def run_server(port: int, *options: str) -> None:
    """Run Streamlit with more ``options`` until Ctrl-C, which counts as success."""
    with suppress(KeyboardInterrupt, click.Abort):
        from streamlit.web.cli import main as streamlit

        # As a program it would print "Aborted!" and exit with 1.
        streamlit([*server_arguments(port), *options], standalone_mode=False)


def server_arguments(port: int) -> list[str]:
    """Return Streamlit's arguments that run the app, in ``ROOT``."""
    return ["run", "streamlit_app.py", f"--server.port={port}", "--server.headless=true"]


def print_qr_code(url: str) -> None:
    """Print a QR code that a phone can read from a small terminal: two modules per character."""
    use_utf8()
    segno.make(url, error="m").terminal(compact=True, border=2)


def first_model() -> str:
    """Load the model that opens first; return its title and name, or the reason for having none.

    The server runs in this process and then has it loaded. Models that can't be used are
    skipped with a line in the log.
    """
    configure_malloc()
    if follower := store_follower():
        follower.compared.wait(STORE_SECONDS)
    try:
        bundle = load().bundle
    except LoupeError as error:
        return f"no model. {error}"
    return f"{app_title(bundle)} ({bundle.name})"


def network_address() -> str | None:
    """Return this machine's address on its network, without sending a packet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = str(probe.getsockname()[0])
        except OSError:
            return None
    return None if address.startswith("127.") else address


if __name__ == "__main__":
    main()
