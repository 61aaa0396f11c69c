"""Metrics and logs, without photos, file names or visitors' addresses.

Metrics are in Prometheus format, at a path that is off by default (``LOUPE_METRICS``). With
``LOUPE_LOG=json`` the log is one JSON object per line.
"""

import logging
import math
import re
import sys
import time
from functools import lru_cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from pythonjsonlogger.json import JsonFormatter
from starlette.requests import Request
from starlette.responses import Response

from model.admission import admission_queue
from model.events import Event
from model.text import INVISIBLE

log = logging.getLogger("loupe.api")

SERVERS = ("asyncio", "loupe.sites", "streamlit", "uvicorn", "websockets")
"""Loggers whose lines contain what clients send."""

MAX_LINE = 500
"""Longest line that these log, in characters."""

TRACEBACK_SECONDS = 60.0
"""Time between two tracebacks from one place, in seconds; the other lines name the error alone."""

BUCKETS_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12)
"""Bounds of the histogram's buckets, in seconds: a prediction takes 10 ms to a few seconds."""


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        # Creation times of counters are not needed and would double the lines.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "loupe_answers",
            "Photos that were identified, by page, API, batch and command line.",
            ("model", "engine", "known"),
            registry=self.registry,
        )
        self.refusals = Counter(
            "loupe_refusals", "Photos that were rejected.", ("code",), registry=self.registry
        )
        self.seconds = Histogram(
            "loupe_answer_seconds",
            "From a photo's bytes to its prediction, without waiting.",
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.requests = Counter(
            "loupe_requests", "Requests to the API.", ("route", "status"), registry=self.registry
        )
        waiting = Gauge(
            "loupe_waiting",
            "Photos waiting in the admission queue.",
            ("where",),
            registry=self.registry,
        )
        waiting.labels("screen").set_function(lambda: admission_queue().waiting("screen"))
        waiting.labels("api").set_function(lambda: admission_queue().waiting("api"))
        active = Gauge("loupe_inside", "Photos being processed.", registry=self.registry)
        active.set_function(lambda: admission_queue().active)
        # Memory, CPU time and open files of the process, where the system reports them.
        ProcessCollector(registry=self.registry)

    def count(self, event: Event) -> None:
        """Count a photo; see ``model.events.subscribe``."""
        if event.code is not None:
            self.refusals.labels(event.code).inc()
            return
        known = {True: "yes", False: "no", None: "cannot tell"}[event.known]
        self.answers.labels(event.model, event.engine, known).inc()
        if event.seconds is not None:
            self.seconds.observe(event.seconds)


@lru_cache(maxsize=1)
def metrics() -> Metrics:
    """Return the metrics of this process."""
    return Metrics()


def exposition(_: Request) -> Response:
    """Respond with all metrics in Prometheus's text format."""
    return Response(
        generate_latest(metrics().registry),
        headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
    )


def log_event(event: Event) -> None:
    """Log a photo; see ``model.events.subscribe``."""
    fields = {"model": event.model, "engine": event.engine}
    if event.code is None:
        ms = round((event.seconds or 0) * 1000, 1)
        log.info("answer", extra={**fields, "ms": ms, "known": event.known})
    else:
        log.info("refusal", extra={**fields, "code": event.code})


class ServerLogFilter(logging.Filter):
    """Filter of what clients make servers log: one line per second per place, no addresses.

    A line says how many were left out before it. Control characters are escaped and long lines cut.
    """

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[tuple[str, int], tuple[float, int]] = {}
        """Time of each place's last line, in seconds, and how many were left out since."""
        self._tracebacks: dict[tuple[str, int], float] = {}
        """Time of each place's last traceback, in seconds."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is logged; see logging."""
        # Uvicorn logs a line with the visitor's address for each open page.
        if "WebSocket %s" in str(record.msg):
            return False
        place, now = (record.pathname, record.lineno), time.monotonic()
        last, left_out = self._places.get(place, (-math.inf, 0))
        if now - last < 1:
            self._places[place] = last, left_out + 1
            return False
        self._places[place] = now, 0
        text = INVISIBLE.sub(_escape, record.getMessage().rstrip())
        text = f"{text[:MAX_LINE]} …" if len(text) > MAX_LINE else text
        if record.exc_info and now - self._tracebacks.get(place, -math.inf) < TRACEBACK_SECONDS:
            text += f" ({type(record.exc_info[1]).__name__})"
            record.exc_info = record.exc_text = None
        elif record.exc_info:
            self._tracebacks[place] = now
        record.msg, record.args = f"{text} ({left_out} left out)" if left_out else text, None
        return True


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


_server_log_filter = ServerLogFilter()


def protect_log() -> None:
    """Keep visitors' addresses and texts out of the log, and let no client fill it."""
    # Streamlit gives each of its loggers a handler of its own.
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(SERVERS):
            logging.getLogger(name).addFilter(_server_log_filter)
    # A form that can't be parsed is rejected, counted and logged by its code.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def log_json() -> None:
    """Write the log of Loupe, the server and Streamlit as one JSON object per line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    # Not uvicorn.access, which logs visitors' addresses. Libraries use the root logger.
    logging.getLogger().handlers = [handler]
    for name in ("loupe", "uvicorn", "uvicorn.error", "streamlit"):
        logger = logging.getLogger(name)
        logger.handlers = [handler] if "." not in name else []
        logger.propagate = "." in name
    logging.getLogger("loupe").setLevel(logging.INFO)
