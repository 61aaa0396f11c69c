"""``CsrfMiddleware``: pages of other sites are rejected, programs and own pages pass."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.v1.test_identify import RED, is_problem

ROUTES = ("identify", "identify/batch", "corrections?label=x")
EVIL = "https://evil.example"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://other.testserver", "Sec-Fetch-Site": "same-site"},
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "http://testserver:8501"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_page_of_another_site_is_rejected(api: TestClient, headers: dict[str, str]) -> None:
    for route in ROUTES:
        response = api.post(f"/api/v1/{route}", files={"photo": ("a.png", RED)}, headers=headers)
        is_problem(response, 403, "cross-site")
        assert "access-control-allow-origin" not in response.headers
    # Reading is left to CORS.
    assert api.get("/api/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://testserver"},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"},
        # Behind a proxy that changes Host, the browser's Sec-Fetch-Site counts.
        {"Origin": "https://loupe.example.org", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        # A proxy may add the default port, which browsers leave out.
        {"Origin": "http://testserver", "Host": "testserver:80"},
        {"Origin": "https://testserver", "Host": "testserver:443"},
    ],
)
def test_programs_and_own_pages_pass(api: TestClient, headers: dict[str, str]) -> None:
    assert api.post("/api/v1/identify", content=RED, headers=headers).status_code == 200


def test_allowed_site_passes_and_may_send_conditional_requests(
    serve: Any, tiny_bundle: Any
) -> None:
    client = serve(LOUPE_MODEL="tiny", LOUPE_CORS=f"{EVIL}, https://b.example/")
    headers = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    response = client.post("/api/v1/identify", content=RED, headers=headers)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == EVIL
    refused = client.post("/api/v1/identify", content=b"", headers={"Origin": "https://b.example"})
    assert refused.headers["access-control-allow-origin"] == "https://b.example"
    preflight = {"Access-Control-Request-Method": "GET"}
    preflight["Access-Control-Request-Headers"] = "if-none-match"
    response = client.options("/api/v1/models/tiny", headers=headers | preflight)
    assert response.status_code == 200
    other = {"Origin": "https://c.example", "Sec-Fetch-Site": "cross-site"}
    is_problem(client.post("/api/v1/identify", content=RED, headers=other), 403, "cross-site")


def test_star_allows_every_site(serve: Any, tiny_bundle: Any) -> None:
    client = serve(LOUPE_MODEL="tiny", LOUPE_CORS="*")
    headers = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    assert client.post("/api/v1/identify", content=RED, headers=headers).status_code == 200
