"""``ui.app_info``: the app's title and the sentence about it."""

import json
import re
from xml.etree import ElementTree as ET

import pytest

from model import settings as settings_module
from model.settings import ROOT, settings
from tests.model.tiny import tiny
from ui.app_info import DARK, LIGHT, app_description, app_title, default_bundle, header_logo

LONG = "a photograph of " * 40


@pytest.fixture
def configure(models_dir, monkeypatch):
    """Set settings: ``configure(LOUPE_TITLE="Mushrooms")``."""

    def set_all(**environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    return set_all


def test_title_is_the_models_unless_set(models_dir, configure):
    tiny(models_dir, title="Mushrooms")
    clothing = tiny(models_dir, "other", title="Clothes")
    configure(LOUPE_MODEL="tiny")
    assert app_title() == "Mushrooms"
    assert app_title(clothing) == "Clothes"
    configure(LOUPE_TITLE="  Fungi of\n the Alps ")
    assert app_title() == app_title(clothing) == "Fungi of the Alps"


def test_description_is_set_or_the_models_or_made_from_its_labels(models_dir, configure):
    tiny(models_dir, description="")
    configure(LOUPE_MODEL="tiny")
    assert app_description() == "Knows six things: red, green, blue and three more."
    described = tiny(models_dir, "described", description="Names\ncolours.")
    assert app_description(described) == "Names colours."
    configure(LOUPE_DESCRIPTION="What colour is it?")
    assert app_description() == app_description(described) == "What colour is it?"


def test_without_a_model_the_app_has_a_name_and_no_description(configure):
    configure(LOUPE_MODEL="gone")
    assert default_bundle() is None
    assert (app_title(), app_description()) == ("Loupe", "")


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        (LONG, LONG[:79] + "…"),
        ("x" * 500, "x" * 79 + "…"),
        ("🐻‍❄️ فطر", "🐻‍❄️ فطر"),
        ("\u202eevil\u202c \x1b[31mred\x00", "evil [31mred"),
        (" \u200f\u061c\n", "Colours"),
    ],
)
def test_title_is_one_line_cut_on_a_word(models_dir, configure, title, shown):
    tiny(models_dir, title="Colours")
    # The environment holds no null byte, but this file can.
    settings_module.SECRETS.write_text(f"LOUPE_TITLE = {json.dumps(title, ensure_ascii=False)}")
    configure(LOUPE_MODEL="tiny")
    assert app_title() == shown


@pytest.mark.parametrize(
    ("title", "lines"),
    [
        ("", ["Loupe"]),
        (LONG, ["a photograph", "of a…"]),
        ("<b>&amp;</b>", ["<b>&amp;</b>"]),
        ("x" * 500, ["x" * 14, "…"]),
        ("黒い森のきのことベリーの図鑑", ["黒い森のきのこ", "とベリーの図鑑"]),
    ],
)
def test_logo_fits_long_names_into_the_header(configure, title, lines):
    configure(LOUPE_TITLE=title)
    picture, width = header_logo()
    assert [text.text for text in ET.fromstring(picture).findall(".//{*}text")] == lines
    assert width <= 160


def test_long_description_ends_with_a_sentence_or_a_word(models_dir, configure):
    sentence = "Names colours in photos taken at home."
    for text, end in {f"{sentence} {LONG}": sentence, LONG: "…", "y" * 999: "…"}.items():
        configure(LOUPE_DESCRIPTION=text)
        assert app_description().endswith(end)
        assert len(app_description()) <= 160


def test_copied_colours_match_the_tokens():
    tokens = {*LIGHT.values(), *DARK.values()}
    for path in (ROOT / ".streamlit/config.toml", *(ROOT / "device").glob("*.[chw]*")):
        assert {*re.findall("#[0-9A-F]{6}", path.read_text(encoding="utf-8"))} <= tokens, path
