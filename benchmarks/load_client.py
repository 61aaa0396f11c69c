"""A load generator for the API: many connections on one thread, so that it uses little CPU."""

import selectors
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from .figure import NotMeasured

TIMEOUT_SECONDS = 60
"""Longest wait for any response, in seconds."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Latencies of a load run.

    Attributes:
        seconds: the whole run.
        latencies: seconds from each request to its complete response, sorted.
        errors: responses with a status other than 200.
    """

    seconds: float
    latencies: tuple[float, ...]
    errors: int

    def quantile(self, share: float) -> float:
        """Return the latency that ``share`` of the responses did not exceed, in seconds."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def run_load(url: str, photos: Sequence[bytes], clients: int) -> LoadResult:
    """Post each photo once over ``clients`` keep-alive connections.

    Raises:
        NotMeasured: the server doesn't respond.
    """
    address = urlsplit(url)
    left, latencies, errors = list(photos), list[float](), 0

    def send(connection: HTTPConnection) -> None:
        headers = {"Content-Type": "image/jpeg"}
        sent_at = time.perf_counter()
        connection.request("POST", f"{address.path}?{address.query}", left.pop(), headers)
        selector.register(connection.sock, selectors.EVENT_READ, (connection, sent_at))

    with selectors.DefaultSelector() as selector:
        started = time.perf_counter()
        for _ in range(min(clients, len(left))):
            send(HTTPConnection(address.hostname or "127.0.0.1", address.port, TIMEOUT_SECONDS))
        while selector.get_map():
            ready = selector.select(TIMEOUT_SECONDS)
            if not ready:
                raise NotMeasured(f"the API did not respond in {TIMEOUT_SECONDS} s")
            for key, _ in ready:
                selector.unregister(key.fileobj)
                connection, sent_at = key.data
                response = connection.getresponse()
                response.read()
                latencies.append(time.perf_counter() - sent_at)
                errors += response.status != 200
                if left:
                    # Connects again if the server has closed the connection.
                    send(connection)
                else:
                    connection.close()
        return LoadResult(time.perf_counter() - started, tuple(sorted(latencies)), errors)
