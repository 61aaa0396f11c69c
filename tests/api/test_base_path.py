"""The API below ``server.baseUrlPath``, where a proxy leaves the path as it is."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from api.app import ROOTS, routes
from api.paths import BasePathMiddleware
from tests.model.tiny import colour
from tests.photos import encoded

BASE = "/some/prefix/~/+"


@pytest.fixture
def prefixed(tiny_bundle: object, data_folder: Path) -> TestClient:
    middleware = [Middleware(BasePathMiddleware, base_path=BASE, roots=ROOTS)]
    return TestClient(Starlette(routes=routes(), middleware=middleware))


@pytest.mark.parametrize("base", ["", BASE])
def test_api_is_at_the_root_and_below_the_base_path(prefixed: TestClient, base: str) -> None:
    assert prefixed.get(f"{base}/api/live").json() == {"status": "live"}
    answer = prefixed.post(
        f"{base}/api/v1/identify", content=encoded(colour("red"), "PNG"), params={"model": "tiny"}
    )
    assert answer.json()["candidates"][0]["label"] == "red"
    # The documentation asks for the schema where it is itself.
    assert f"{base}/api/v1/openapi.json" in prefixed.get(f"{base}/api/v1/docs").text
    missing = prefixed.get(f"{base}/api/none")
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
