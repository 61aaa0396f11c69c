"""Pages as Streamlit alone runs them; a test of the viewfinder asks for the app's routes."""

import pytest

from ui import component


@pytest.fixture(autouse=True)
def no_routes(monkeypatch):
    """Hide the routes that other tests of this process may have loaded."""
    monkeypatch.setattr(component, "has_routes", lambda: False)
