"""Pages as Streamlit alone runs them; a test of the viewfinder asks for the app's routes."""

from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner

from model.sign_ins import SignIn
from tests.pages.component import open_page
from ui import component, navigation


@pytest.fixture(scope="package", autouse=True)
def manifests():
    """Look for components once: each new ``AppTest`` would read the metadata of all packages."""
    scan = cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture(autouse=True)
def no_routes(monkeypatch):
    """Hide the routes that other tests of this process may have loaded."""
    monkeypatch.setattr(component, "has_routes", lambda: False)


@pytest.fixture
def open_owner_page(monkeypatch):
    """Open a page of the owner, signed in."""

    def open_owner_page(name):
        owner = SignIn("token", "http://localhost:8501")
        monkeypatch.setattr(navigation, "open_workshop", lambda: owner)
        return open_page(name)

    return open_owner_page
