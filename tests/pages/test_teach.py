"""A visitor's own model in Python: the page "Teach", and the address that names the model."""

import pytest

from model.settings import settings
from tests.pages.component import data
from tests.pages.test_viewfinder import bundle, checked, open_app, routes
from ui.component import base_path

__all__ = ["bundle", "routes"]

NAME = "taught-0123456789ab"


def test_teach_leads_to_identify_by_a_link(bundle):
    at = checked(open_app().switch_page("../pages/teach.py").run())
    assert data(at) == {"script": "/device/streamlit_teach.mjs", "base": base_path()}


def test_no_model_of_the_apps_is_in_use_while_the_visitors_own_is(bundle):
    at = open_app(model=NAME)
    # Batches still get the app's own model.
    assert data(at)["model"] == "tiny"
    assert not at.warning
    models = checked(at.switch_page("../pages/models.py").run())
    assert "Try this model" in [link.proto.label for link in models.get("page_link")]
    at = open_app(model=f"{NAME}0")
    models = checked(at.switch_page("../pages/models.py").run())
    assert "Point it at something" in [link.proto.label for link in models.get("page_link")]


@pytest.mark.parametrize("downloads", ["true", "false"])
def test_owners_model_is_hidden_and_builtin_ones_are_not(bundle, monkeypatch, downloads):
    monkeypatch.setenv("LOUPE_DOWNLOADS", downloads)
    settings.cache_clear()
    given = {model["name"]: model["downloads"] for model in data(open_app())["models"]}
    assert given == {"tiny": downloads == "true", "clothing": True, "imagenet": True}
