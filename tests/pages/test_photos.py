"""The owner's pages of photos and runs: what they say, with hostile labels and little memory."""

from streamlit.testing.v1 import AppTest

from model.settings import ROOT, settings
from model.training.config import TrainingConfig
from model.training.photo_sets import (
    change_photos,
    get_photo_set,
    photos_by_label,
    read_changes,
)
from model.training.run_record import create_run
from tests.model.training.pictures import folder_of
from tests.pages.component import trigger
from tests.pages.hostile import LABELS
from ui.phrasing import escape_markdown


def text(at):
    return "\n".join(
        element.value for element in [*at.header, *at.subheader, *at.markdown, *at.caption]
    )


def test_visitors_see_a_notice_instead_of_the_pages(own_corrections):
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60).run()
    for name in ("photos", "runs"):
        at.switch_page(f"pages/{name}.py").run()
        assert "belongs to the owner" in text(at)
        assert not at.button


def test_pages_without_photos_or_runs_say_so(own_corrections, open_owner_page):
    assert "No photos yet" in text(open_owner_page("photos"))
    assert "Nothing has been trained yet." in text(open_owner_page("runs"))


def test_counts_and_kept_corrections_are_shown(own_corrections, open_owner_page):
    folder_of(settings().data / "photos" / "forms", 4)
    folder_of(settings().data / "corrections" / "forms", 2)
    at = open_owner_page("photos")
    assert "8 photos of two labels" in text(at)
    assert "Rarest label: disc, 4 photos." in text(at)
    assert any(box.label == "With 4 kept corrections" for box in at.checkbox)
    assert [button.label for button in at.button if button.label == "Train"]


def test_undo_restores_what_was_and_belongs_to_its_set(own_corrections, open_owner_page):
    for name in ("forms", "other"):
        folder_of(settings().data / "photos" / name, 4)
    at = open_owner_page("photos")
    at.session_state["shown-forms"] = ("label", "disc")
    at.run()
    file = get_photo_set("forms").changes_file
    names = photos_by_label(get_photo_set("forms")).by_label["disc"][:2]
    trigger(at, act={"name": "relabel", "label": "ring", "ids": names[:1]})
    trigger(at, act={"name": "relabel", "label": "a/b", "ids": names})
    assert "valid folder name" in text(at)
    change_photos(get_photo_set("forms"), {names[1]: "cone"})
    at.session_state["shown-forms"] = ("label", "cone")
    at.run()
    trigger(at, act={"name": "leave out", "label": None, "ids": names[1:]})
    assert read_changes(file) == {names[0]: "ring", names[1]: None}
    at.selectbox(key="photo-set").set_value("other").run()
    assert not [button for button in at.button if button.label == "Undo"]
    at.selectbox(key="photo-set").set_value("forms").run()
    next(button for button in at.button if button.label == "Undo").click().run()
    assert read_changes(file) == {names[0]: "ring", names[1]: "cone"}


def test_host_that_cannot_train_says_so(own_corrections, open_owner_page, monkeypatch):
    folder_of(settings().data / "photos" / "forms", 4)
    monkeypatch.setenv("LOUPE_MEMORY_MB", "600")
    settings.cache_clear()
    at = open_owner_page("photos")
    assert "Training beside the app needs 3,072 MB of memory; this host gives 600 MB." in text(at)
    assert not [button for button in at.button if button.label == "Train"]


def test_hostile_texts_of_a_run_are_escaped(own_corrections, open_owner_page):
    run = create_run(TrainingConfig.create(folder=ROOT, name="forms"))
    run.notes, run.error, run.state = [*LABELS], LABELS[0], "failed"
    run.save()
    shown = text(open_owner_page("runs"))
    assert [label for label in LABELS if escape_markdown(label) not in shown] == []
