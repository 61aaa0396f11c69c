"""A proxy that logs the https requests of processes, and passes none on."""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.http_server import Handler, http_server


@contextmanager
def https_log() -> Iterator[list[str]]:
    """Log the https requests of processes that start meanwhile; they get no further.

    Ray may report its usage each second.
    """
    requests: list[str] = []

    class Log(Handler):
        def do_CONNECT(self) -> None:
            own = {connection.laddr.port for connection in psutil.Process().net_connections()}
            if self.client_address[1] not in own:
                requests.append(self.path)
            self.send_error(403)

    with http_server(Log) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", address)
        for name in ("ORT_DISABLE_TELEMETRY", "RAY_USAGE_STATS_REPORT_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("RAY_USAGE_STATS_REPORT_INTERVAL_S", "1")
        yield requests
