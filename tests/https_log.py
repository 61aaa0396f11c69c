"""A proxy that logs the https requests of processes, and passes none on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import psutil
import pytest


@contextmanager
def https_log() -> Iterator[list[str]]:
    """Log the https requests of processes that start meanwhile; they get no further.

    Ray may report its usage each second.
    """
    requests: list[str] = []

    class Log(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            own = {connection.laddr.port for connection in psutil.Process().net_connections()}
            if self.client_address[1] not in own:
                requests.append(self.path)
            self.send_error(403)

    with HTTPServer(("127.0.0.1", 0), Log) as server, pytest.MonkeyPatch.context() as patch:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_port}")
        for name in ("ORT_DISABLE_TELEMETRY", "RAY_USAGE_STATS_REPORT_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("RAY_USAGE_STATS_REPORT_INTERVAL_S", "1")
        yield requests
        server.shutdown()
