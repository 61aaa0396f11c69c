"""The owner's Corrections page: what it says, with labels that visitors typed to attack it."""

from streamlit.testing.v1 import AppTest

from model import Photo, load
from model.corrections import correction_store
from model.settings import ROOT
from model.text import clean
from tests.model.tiny import colour
from tests.pages.hostile import LABELS
from ui.phrasing import escape_markdown


def text(at):
    return "\n".join(element.value for element in [*at.markdown, *at.caption, *at.code])


def test_others_are_told_whose_page_it_is(own_corrections, open_owner_page):
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60).run()
    at.switch_page("pages/corrections.py").run()
    assert "belongs to the owner" in text(at)
    assert not at.button
    assert "Nobody has corrected an answer yet" in text(open_owner_page("corrections"))


def test_typed_labels_are_escaped_and_a_flood_is_named(
    tiny_bundle, own_corrections, open_owner_page
):
    red = load("tiny").identify(colour("red"))
    photo = Photo.from_image(colour("red")).to_jpeg()
    labels = [clean(label)[:200] for label in LABELS if clean(label)]
    for label in labels:
        correction_store().add_correction(red, label, photo, visit="one")
    for _ in range(7):
        correction_store().add_correction(red, labels[0], photo, visit="two")
    correction_store().review(range(1, len(labels) + 1), "kept")
    shown = text(open_owner_page("corrections"))
    assert f"{len(labels) + 7} corrections from 2 visits." in shown
    assert f"One visit sent 7 of {escape_markdown(labels[0])}: five of them count." in shown
    assert [label for label in labels if escape_markdown(label) not in shown] == []
