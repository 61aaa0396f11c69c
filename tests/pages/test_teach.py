"""A visitor's own model in Python: the page "Teach", and the address that names the model."""

import pytest

from model.settings import settings
from tests.pages.component import data, send, trigger
from tests.pages.test_viewfinder import answer, bundle, checked, open_app, routes
from ui.component import base_path

__all__ = ["bundle", "routes"]

NAME = "taught-0123456789ab"


def test_use_it_leads_to_identify_with_the_visitors_model(bundle):
    at = checked(open_app().switch_page("../pages/teach.py").run())
    assert data(at) == {"script": "/device/streamlit_teach.mjs", "base": base_path()}
    for refused in ("tiny", f"{NAME}0", ["taught-"], None):
        assert trigger(at, used=refused)
        assert data(at)["script"] == "/device/streamlit_teach.mjs"
    trigger(at, used=NAME)
    assert (data(at)["taught"], at.query_params["model"]) == (NAME, NAME)


def test_visitors_model_is_in_the_address_until_another_is_chosen(bundle):
    at = open_app(model=NAME)
    # The app's own model stays the one that uploads and batches get.
    assert (data(at)["taught"], data(at)["model"]) == (NAME, "tiny")
    assert not at.warning
    assert data(checked(at.run()))["taught"] == NAME
    assert data(send(at, model="tiny"))["taught"] is None
    assert "model" not in at.query_params
    assert data(send(at, model=NAME))["taught"] == at.query_params["model"] == NAME
    # The answer of a model of the app's.
    assert data(send(at, opened=answer()))["taught"] is None
    send(at, model=NAME, opened=None)
    assert (data(at)["taught"], data(at)["open"]) == (NAME, None)
    assert "answer" not in at.query_params
    assert data(open_app(model=f"{NAME}0"))["taught"] is None


def test_no_model_of_the_apps_is_in_use_while_the_visitors_own_is(bundle):
    at = open_app(model=NAME)
    models = checked(at.switch_page("../pages/models.py").run())
    assert "Try this model" in models.button(key="try-tiny").label
    assert data(checked(models.switch_page("../pages/identify.py").run()))["taught"] == NAME
    assert data(checked(send(at, model="tiny")))["taught"] is None
    models = checked(at.switch_page("../pages/models.py").run())
    assert "Point it at something" in models.button(key="try-tiny").label


@pytest.mark.parametrize("downloads", ["true", "false"])
def test_owners_model_is_hidden_and_builtin_ones_are_not(bundle, monkeypatch, downloads):
    monkeypatch.setenv("LOUPE_DOWNLOADS", downloads)
    settings.cache_clear()
    given = {model["name"]: model["downloads"] for model in data(open_app())["models"]}
    assert given == {"tiny": downloads == "true", "clothing": True, "imagenet": True}
