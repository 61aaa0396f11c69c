"""``make share``: the app under a public https address, through an installed tunnel program.

The tunnel starts first, because the app has to know its address. Both end together.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPException

from deploy.client import explain_failure, free_port, send
from deploy.spec import APP
from model.answer.share_link import ensure_secret
from model.errors import SettingRefused
from model.settings import settings
from ui.app_info import app_title

from .serve import print_qr_code, server_arguments
from .tunnels import TUNNELS, Output, Process, Tunnel, running

ADDRESS_SECONDS = 300
"""Longest wait for the address: Tailscale waits until its owner allows Funnel."""
QUIET_SECONDS = 5
"""Time after which a tunnel without an address is quoted."""
READY_SECONDS = 120
"""Longest wait for the app."""
TUNNEL_SECONDS = 60
"""Longest wait for an answer through the tunnel."""
REQUEST_SECONDS, TUNNEL_STOP_SECONDS = 5, 10


class ShareError(Exception):
    """The app can't be shared, or no longer; the message says why and what to do."""


def main() -> None:
    """Share the app until Ctrl-C, then exit with 0; exit with 1 if sharing fails or ends."""
    parser = argparse.ArgumentParser(prog="python -m launch.share", description=__doc__)
    parser.add_argument("--port", type=int, default=8501, help="first local port to try")
    parser.add_argument(
        "--with", dest="program", choices=TUNNELS, help="by default the first that is installed"
    )
    arguments = parser.parse_args()
    stopping = threading.Event()
    # An event, since an exception could interrupt a program's start. SIGHUP as well, where
    # the parent ignores it: an app that outlived its terminal would stay public unseen.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            # In a thread: the event may be locked by what the signal interrupts.
            signal.signal(
                getattr(signal, name), lambda *_: threading.Thread(target=stopping.set).start()
            )
    try:
        share(choose_tunnel(arguments.program), free_port(arguments.port), stopping)
    except SettingRefused as error:
        raise SystemExit(f"{error.code}: {error}") from None
    except (OSError, ShareError) as error:
        raise SystemExit(str(error)) from None


def choose_tunnel(name: str | None = None) -> Tunnel:
    """Return the tunnel of that name, by default the first that is installed.

    Raises:
        ShareError: no such program is installed; the message says where to get one.
    """
    candidates = list(TUNNELS.values()) if name is None else [TUNNELS[name]]
    for tunnel in candidates:
        if tunnel.command(0):
            return tunnel
    listed = "\n".join(f"  {tunnel.name:<12} {tunnel.hint}" for tunnel in candidates)
    missing = "No tunnel program is" if name is None else f"{name} isn't"
    raise ShareError(f"{missing} installed. Install one and try again:\n{listed}")


def share(tunnel: Tunnel, port: int, stopping: threading.Event) -> None:
    """Publish the app, on this port of the machine, until ``stopping`` is set.

    Raises:
        ShareError: the tunnel gives no address, the app does not start, or one of them ends.
        SettingRefused: a setting is invalid.
    """
    # Where the data folder can't keep a secret, links are signed with one for this run.
    secret = {} if ensure_secret() else {"LOUPE_SECRET": secrets.token_urlsafe(32)}
    command = tunnel.command(port)
    if command is None:
        raise ShareError(f"{tunnel.name} is no longer installed.")
    print(f"Asking {tunnel.name} for an address …", flush=True)
    # The tunnel needs neither the app's settings nor its secrets.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("LOUPE_")}
    with running(
        command, inherited, signal.SIGINT, TUNNEL_STOP_SECONDS, subprocess.PIPE
    ) as process:
        output = Output(process)
        address = _wait_for_address(tunnel, process, output, stopping)
        if address is None:
            return
        environment = {**os.environ, **secret, "LOUPE_URL": address}
        # Only the tunnel has to reach the app.
        arguments = [*server_arguments(port), "--server.address=127.0.0.1"]
        command = [sys.executable, "-m", "streamlit", *arguments]
        with running(command, environment, signal.SIGTERM, APP.stop_seconds) as app:

            def check() -> None:
                _check_running("The app", app)
                _check_running(tunnel.name, process, f" Its last lines:\n{output.quote()}")

            local = f"http://127.0.0.1:{port}"
            if problem := _wait_until_ready(local, READY_SECONDS, check, stopping):
                raise ShareError(f"The app isn't ready after {READY_SECONDS} s: {problem}.")
            problem = _wait_until_ready(address, TUNNEL_SECONDS, check, stopping)
            if not stopping.is_set():
                _announce(tunnel, address, local, has_secret=not secret)
            if problem:
                print(
                    f"  The link doesn't answer from this machine yet: {problem}. A new name can "
                    "take some\n  minutes to be known everywhere. Try it on your phone. "
                    f"{tunnel.name}'s last lines:\n{output.quote()}\n",
                    flush=True,
                )
            while not stopping.wait(0.2):
                check()
            print("\nEnding the app and the tunnel …", flush=True)


def _wait_for_address(
    tunnel: Tunnel, process: Process, output: Output, stopping: threading.Event
) -> str | None:
    """Return the public address, or None if ``stopping`` was set."""
    began, is_quoted = time.monotonic(), False
    while not stopping.wait(0.1):
        exit_code = process.poll()
        if address := tunnel.find_address(output.lines):
            return address
        seconds = time.monotonic() - began
        if exit_code is not None or seconds > ADDRESS_SECONDS:
            reason = f"in {ADDRESS_SECONDS} s" if exit_code is None else f"(exit code {exit_code})"
            others = " or ".join(name for name in TUNNELS if name != tunnel.name)
            raise ShareError(
                f"{tunnel.name} gave no address {reason}. Its last lines:\n{output.quote()}\n"
                f"Do what it asks, or name another program: --with {others}"
            )
        if seconds > QUIET_SECONDS and not is_quoted:
            is_quoted = True
            print(f"No address yet. {tunnel.name} says:\n{output.quote()}", flush=True)
    return None


def _check_running(name: str, process: Process, more: str = "") -> None:
    if (code := process.poll()) is not None:
        raise ShareError(f"{name} ended (exit code {code}), so sharing has stopped.{more}")


def _wait_until_ready(
    url: str, seconds: float, check: Callable[[], None], stopping: threading.Event
) -> str | None:
    """Return None as soon as the app is ready or ``stopping`` is set, else the last problem."""
    deadline, pause = time.monotonic() + seconds, 0.25
    while not stopping.is_set():
        check()
        problem = _ask(f"{url}{APP.ready_path}")
        if problem is None or time.monotonic() > deadline:
            return problem
        # Back off, because resolvers cache that a new name did not exist.
        stopping.wait(pause)
        pause = min(2 * pause, 8)
    return None


def _ask(url: str) -> str | None:
    """Return None if the app is ready, else the problem."""
    try:
        reply = send(url, REQUEST_SECONDS)
    except (OSError, HTTPException, ValueError) as error:
        return explain_failure(error, REQUEST_SECONDS)[0]
    if reply.status != 200:
        return f"status {reply.status}"
    # The tunnel's provider may answer with a page of its own.
    return None if reply.document.get("status") == "ready" else "the answer is not the app's"


def _announce(tunnel: Tunnel, address: str, local: str, *, has_secret: bool) -> None:
    """Print the address, its QR code and what becomes public."""
    print(f"\n  Loupe on the internet:  {address}")
    print(f"  on this machine:        {local}")
    print(f"  opens with:             {app_title()}\n")
    print_qr_code(address)
    print(
        "  Until you press Ctrl+C, anyone with this link can use every page of the app\n"
        "  and save corrections."
    )
    if settings().downloads:
        print(
            "  They can also download your models: LOUPE_DOWNLOADS=false keeps the files private."
        )
    if settings().metrics:
        print(f"  They can also read the metrics at {settings().metrics} (LOUPE_METRICS).")
    if not has_secret:
        print("  Links to answers work for this run only: the data folder can't keep a secret.")
    print(f"  {tunnel.passage}\n", flush=True)


if __name__ == "__main__":
    main()
