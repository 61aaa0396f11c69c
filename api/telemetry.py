"""Counting and logging, without photos, names of files or addresses of people.

Metrics are Prometheus's, at a path that is off by default (``LOUPE_METRICS``). The log
is one JSON object a line with ``LOUPE_LOG=json``.
"""

import logging
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
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.admission import admission_queue
from model.events import Event

__all__ = [
    "Metrics",
    "TelemetryMiddleware",
    "discreet",
    "exposition",
    "log_json",
    "metrics",
    "note",
]

log = logging.getLogger("loupe.api")

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12)
"""Bounds of the histogram's buckets, s: an answer takes 10 ms to a few seconds."""


class Metrics:
    """What is counted in this process."""

    def __init__(self) -> None:
        # When each was first counted is of use to nobody, and doubles the lines.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "loupe_answers",
            "Photos that were answered, at any door.",
            ("model", "engine", "known"),
            registry=self.registry,
        )
        self.refusals = Counter(
            "loupe_refusals", "Photos that were refused.", ("code",), registry=self.registry
        )
        self.seconds = Histogram(
            "loupe_answer_seconds",
            "From a photo's bytes to its answer, without waiting.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.requests = Counter(
            "loupe_requests", "Requests to the API.", ("route", "status"), registry=self.registry
        )
        waiting = Gauge(
            "loupe_waiting", "Photos that wait for their turn.", ("where",), registry=self.registry
        )
        waiting.labels("screen").set_function(lambda: admission_queue().waiting("screen"))
        waiting.labels("api").set_function(lambda: admission_queue().waiting("api"))
        inside = Gauge("loupe_inside", "Photos that are looked at now.", registry=self.registry)
        inside.set_function(lambda: admission_queue().active)
        # Memory, CPU time and open files of the process, where the system tells them.
        ProcessCollector(registry=self.registry)

    def count(self, event: Event) -> None:
        """Count an answer or a refusal; see ``model.events.listen``."""
        if event.code is not None:
            self.refusals.labels(event.code).inc()
            return
        known = {True: "yes", False: "no", None: "cannot tell"}[event.known]
        self.answers.labels(event.model, event.engine, known).inc()
        if event.seconds is not None:
            self.seconds.observe(event.seconds)


@lru_cache(maxsize=1)
def metrics() -> Metrics:
    """The metrics of this process."""
    return Metrics()


def exposition(_: Request) -> Response:
    """All metrics in Prometheus's text format."""
    return Response(
        generate_latest(metrics().registry),
        headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
    )


def note(event: Event) -> None:
    """Log an answer or a refusal; see ``model.events.listen``."""
    said = {"model": event.model, "engine": event.engine}
    if event.code is None:
        took = round((event.seconds or 0) * 1000, 1)
        log.info("answer", extra={**said, "ms": took, "known": event.known})
    else:
        log.info("refusal", extra={**said, "code": event.code})


class TelemetryMiddleware:
    """ASGI middleware: counts and logs each request, by its route and not by its address.

    And no answer is to be taken for another kind than it says, or kept on its way.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if scope["method"] == "POST":
                    # What a photo shows is for whoever sent it.
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            # What a stranger wrote into the address is not a name to count or log by.
            route = getattr(scope.get("route"), "path_format", "none")
            metrics().requests.labels(route, str(status)).inc()
            took = round((time.perf_counter() - began) * 1000, 1)
            said = {"method": scope["method"], "route": route, "status": status, "ms": took}
            log.info("request", extra=said)


def discreet() -> None:
    """Nothing of a stranger in the log: neither his address nor what he wrote."""
    # Each open page is a line with its visitor's address.
    logging.getLogger("uvicorn.error").addFilter(_no_address)
    # A form that does not parse is refused, counted and logged by its code.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def _no_address(record: logging.LogRecord) -> bool:
    return "WebSocket %s" not in str(record.msg)


def log_json() -> None:
    """Write the log as JSON, one object a line: ours, the server's and Streamlit's."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    # Not uvicorn.access: it would name the addresses of people. The root's is for libraries.
    logging.getLogger().handlers = [handler]
    for name in ("loupe", "uvicorn", "uvicorn.error", "streamlit"):
        logger = logging.getLogger(name)
        logger.handlers = [handler] if "." not in name else []
        logger.propagate = "." in name
    logging.getLogger("loupe").setLevel(logging.INFO)
