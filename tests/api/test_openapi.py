"""The OpenAPI document against the API, by requests generated from it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from api.app import build_application
from model import loading
from tests.api.conftest import forget
from tests.conftest import _forget
from tests.model.tiny import CALIBRATED, tiny

load_all_checks()
CHECKS = [
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
OPERATIONS = {
    ("post", "/identify"),
    ("post", "/identify/batch"),
    ("get", "/answers"),
    ("get", "/models"),
    ("get", "/models/{name}"),
    ("get", "/models/{name}/{version}/{file}"),
    ("post", "/corrections"),
    ("delete", "/corrections/{id}"),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ASGIApp]:
    """The application, shared by all examples."""
    folder = tmp_path_factory.mktemp("openapi")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("DATA", str(folder)), ("MODEL", "tiny")):
            patch.setenv(f"LOUPE_{name}", value)
        patch.setattr(loading, "_loaded", {})
        patch.setattr(loading, "_by_fingerprint", {})
        _forget()
        forget()
        # A child process of seconds, for pages that these tests don't open.
        patch.setattr("api.lifecycle.compress_all", lambda: None)
        tiny(folder / "models", confidence=CALIBRATED)
        yield build_application()
    _forget()
    forget()


@pytest.fixture(autouse=True)
def _accepting(app: ASGIApp) -> None:
    """Accept photos again: schemathesis stops the application at the end of each test."""
    forget()


@pytest.fixture(scope="module")
def document(app: ASGIApp) -> schemathesis.BaseSchema:
    """The OpenAPI document as a client receives it."""
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), sorted(OPERATIONS))
def test_responses_match_the_openapi_document(
    document: schemathesis.BaseSchema, method: str, path: str, mode: GenerationMode
) -> None:
    """Generated requests are valid (positive) or invalid (negative)."""

    @given(case=document[path][method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=20,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Case) -> None:
        response = case.call()
        # 503 is documented, and correct as long as Retry-After is set.
        assert response.status_code < 500 or "retry-after" in response.headers
        # Form fields are text, so a value that is no string in JSON Schema is a valid label.
        form = "multipart" in (case.media_type or "")
        checks = [one for one in CHECKS if not (form and one is negative_data_rejection)]
        case.validate_response(response, checks=checks)

    if (method, path, mode) == ("get", "/models", GenerationMode.NEGATIVE):
        pytest.skip("it takes nothing that could be wrong")
    ask()


def test_document_describes_every_route(app: ASGIApp) -> None:
    paths = TestClient(app).get("/api/v1/openapi.json").json()["paths"]
    operations = {
        (method, path): one for path, methods in paths.items() for method, one in methods.items()
    }
    assert operations.keys() == OPERATIONS
    for operation in operations.values():
        assert operation["summary"]
        assert operation["description"]
        errors = {key: one for key, one in operation["responses"].items() if key >= "4"}
        for response in errors.values():
            assert [*response.get("content", {})] in ([], ["application/problem+json"])
        # Otherwise the documentation page fills in a text generated from the pattern.
        form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data")
        fields = form["schema"]["properties"].values() if form else []
        assert all("example" in field for field in fields if "default" in field)
        if "requestBody" in operation:
            assert {"400", "413", "422", "503"} <= errors.keys()


def test_docs_page_loads_nothing_from_another_site_and_names_no_machine(app: ASGIApp) -> None:
    client = TestClient(app)
    assert client.head("/api/v1/docs").status_code == 200
    page = client.get("/api/v1/docs")
    addresses = re.findall(r"(?:src|href|url)(?:=|: )[\"']([^\"']+)", page.text)
    assert len(addresses) >= 3
    for address in addresses:
        assert address.startswith("/api/v1/")
        assert client.get(address).status_code == 200
    document = client.get("/api/v1/openapi.json").text
    assert not [
        word for word in (str(Path.cwd()), str(Path.home()), "localhost") if word in document
    ]
