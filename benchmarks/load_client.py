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
        latencies: of the responses with status 200, in seconds, sorted: each from its request, or
            from the time when it was due, to its last byte.
        errors: responses with another status.
    """

    seconds: float
    latencies: tuple[float, ...]
    errors: int

    def quantile(self, share: float) -> float:
        """Return the latency that ``share`` of the responses did not exceed, in seconds."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def run_load(
    url: str, photos: Sequence[bytes], clients: int, due: Sequence[float] = ()
) -> LoadResult:
    """Post each photo once over at most ``clients`` keep-alive connections.

    Args:
        url: of the API's route.
        photos: what to post.
        clients: the number of connections.
        due: seconds from the start at which each photo is posted, ascending; by default, as soon
            as a connection is free.

    Raises:
        NotMeasured: the server doesn't respond.
    """
    address = urlsplit(url)
    left = list(zip(due or [0.0] * len(photos), photos, strict=True))[::-1]
    latencies, errors = list[float](), 0
    idle = [
        HTTPConnection(address.hostname or "127.0.0.1", address.port, TIMEOUT_SECONDS)
        for _ in range(min(clients, len(left)))
    ]
    started = time.perf_counter()

    def seconds() -> float:
        return time.perf_counter() - started

    with selectors.DefaultSelector() as selector:
        while left or selector.get_map():
            while left and idle and left[-1][0] <= seconds():
                connection, (due_at, photo) = idle.pop(), left.pop()
                sent_at = due_at if due else seconds()
                headers = {"Content-Type": "image/jpeg"}
                # Connects again if the server has closed the connection.
                connection.request("POST", f"{address.path}?{address.query}", photo, headers)
                selector.register(connection.sock, selectors.EVENT_READ, (connection, sent_at))
            is_waiting = left and idle
            pause = max(0.0, left[-1][0] - seconds()) if is_waiting else TIMEOUT_SECONDS
            ready = selector.select(pause)
            if not ready and not is_waiting:
                raise NotMeasured(f"the API did not respond in {TIMEOUT_SECONDS} s")
            for key, _ in ready:
                selector.unregister(key.fileobj)
                connection, sent_at = key.data
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    latencies.append(seconds() - sent_at)
                else:
                    errors += 1
                idle.append(connection)
        elapsed = seconds()
    for connection in idle:
        connection.close()
    return LoadResult(elapsed, tuple(sorted(latencies)), errors)
