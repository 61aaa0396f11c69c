"""The API in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api import body_limits, dispatcher, telemetry
from api.app import build_application
from model.browser.cache import folder_maker
from tests.conftest import _forget

Serve = Callable[..., TestClient]


def forget() -> None:
    """Clear what the process caches by its settings."""
    for cached in (
        dispatcher.dispatcher,
        body_limits.memory_budget,
        telemetry.metrics,
        folder_maker,
    ):
        cached.cache_clear()


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of async tests, which have the mark ``anyio``."""
    return "asyncio"


@pytest.fixture
def serve(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start the routes with settings: ``serve(LOUPE_QUEUE="0")``."""
    clients: list[TestClient] = []

    def start(**environment: str) -> TestClient:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        _forget()
        forget()
        # A child process of seconds, for pages that these tests don't open.
        monkeypatch.setattr("api.lifecycle.compress_all", lambda: None)
        client = TestClient(build_application(), raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        return client

    forget()
    yield start
    for client in clients:
        client.__exit__(None, None, None)
    forget()


@pytest.fixture
def api(serve: Serve, tiny_bundle: Any) -> TestClient:
    """The API with the model of colours as its default."""
    return serve(LOUPE_MODEL="tiny")
