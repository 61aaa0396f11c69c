"""The owner's pages: what they say, with hostile texts, little memory, and to others."""

import pytest

from model import Photo, load
from model.corrections import correction_store
from model.settings import ROOT, settings
from model.text import clean
from model.training.config import TrainingConfig
from model.training.photo_sets import (
    change_photos,
    get_photo_set,
    photos_by_label,
    read_changes,
)
from model.training.run_record import create_run
from model.training.training_job import get_run_dir
from tests.model.tiny import COLOURS, colour, tiny
from tests.model.training.pictures import folder_of
from tests.pages.component import trigger
from tests.pages.hostile import LABELS
from ui.phrasing import escape_markdown

pytestmark = pytest.mark.usefixtures("own_corrections")


def text(at):
    elements = [*at.header, *at.subheader, *at.markdown, *at.caption, *at.code]
    return "\n".join(element.value for element in elements)


def button_labels(at):
    return [button.label for button in at.button]


def unescaped(labels, at):
    """Return the labels that a page doesn't show, escaped."""
    return [label for label in labels if escape_markdown(label) not in text(at)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("corrections", "Nobody has corrected an answer yet"),
        ("photos", "No photos yet"),
        ("runs", "Nothing has been trained yet."),
    ],
)
def test_empty_page_says_so(open_owner_page, name, words):
    assert words in text(open_owner_page(name))


def test_typed_labels_are_escaped_and_a_flood_is_named(tiny_bundle, open_owner_page):
    red = load("tiny").identify(colour("red"))
    photo = Photo.from_image(colour("red")).to_jpeg()
    labels = [clean(label)[:200] for label in LABELS if clean(label)]
    for label in labels:
        correction_store().add_correction(red, label, photo, visit="one")
    for _ in range(7):
        correction_store().add_correction(red, labels[0], photo, visit="two")
    correction_store().review(range(1, len(labels) + 1), "kept")
    at = open_owner_page("corrections")
    assert f"{len(labels) + 7} corrections from 2 visits." in text(at)
    name = escape_markdown(labels[0])
    assert f"One visit sent 7 of {name}; only five of them are counted." in text(at)
    assert unescaped(labels, at) == []


def test_hostile_texts_of_a_run_are_escaped(open_owner_page):
    run = create_run(TrainingConfig.create(folder=ROOT, name="forms"))
    run.notes, run.error, run.state = [*LABELS], LABELS[0], "failed"
    run.save()
    assert unescaped(LABELS, open_owner_page("runs")) == []


@pytest.mark.parametrize(
    ("state", "why"), [("stopped", "You stopped it."), ("running", "Its process ended.")]
)
def test_unfinished_run_says_why_it_stopped_and_continues(open_owner_page, state, why):
    folder = folder_of(settings().data / "photos" / "forms", 4)
    config = TrainingConfig.create(folder=folder, name="forms")
    create_run(config).model_copy(update={"state": state}).save()
    get_run_dir("forms").mkdir(parents=True)
    config.model_copy(update={"run": 1}).save(get_run_dir("forms"))
    at = open_owner_page("photos")
    assert why in text(at)
    assert "Continue" in button_labels(at)


def test_photos_and_kept_corrections_are_counted_unless_the_host_cannot_train(
    open_owner_page, monkeypatch
):
    folder_of(settings().data / "photos" / "forms", 4)
    folder_of(settings().data / "corrections" / "forms", 2)
    at = open_owner_page("photos")
    assert "8 photos of two labels" in text(at)
    assert "Rarest label: disc, 4 photos." in text(at)
    assert any(box.label == "With 4 kept corrections" for box in at.checkbox)
    assert "Train" in button_labels(at)
    monkeypatch.setenv("LOUPE_MEMORY_MB", "600")
    settings.cache_clear()
    at.run()
    assert "Training beside the app needs 3,072 MB of memory; this host gives 600 MB." in text(at)
    assert "Train" not in button_labels(at)


def test_undo_restores_the_previous_changes_of_its_set(open_owner_page):
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
    assert "Undo" not in button_labels(at)
    at.selectbox(key="photo-set").set_value("forms").run()
    next(button for button in at.button if button.label == "Undo").click().run()
    assert read_changes(file) == {names[0]: "ring", names[1]: "cone"}


def test_versions_and_models_of_the_same_labels_can_be_compared(
    models_dir, open_owner_page, monkeypatch
):
    monkeypatch.setenv("LOUPE_BUILTIN", "false")
    tiny(models_dir)
    assert "train PHOTOS --name tiny --candidate" in text(open_owner_page("publish"))
    tiny(models_dir, "other", labels=["rot", *list(COLOURS)[1:]])
    same = tiny(models_dir, "same", labels=[*reversed([*COLOURS])])
    new = tiny(models_dir, corner=True, is_candidate=True)
    at = open_owner_page("publish")
    assert at.selectbox[0].value == "tiny"
    assert at.selectbox[1].options == [f"tiny {new.version}", f"same {same.version}"]
    assert button_labels(at) == [f"Publish {new.version}", "Add"]
    at.selectbox[1].select_index(1).run()
    assert "This is another model, so it can’t be published" in text(at)
    assert button_labels(at) == ["Add"]
    # A small host publishes only.
    monkeypatch.setenv("LOUPE_MEMORY_MB", "512")
    settings.cache_clear()
    at = open_owner_page("publish")
    assert text(at).count("1,024 MB of memory, more than this host gives") == 2
    assert not at.file_uploader
    at.checkbox[0].check().run()
    at.button[0].click().run()
    assert f"Published: tiny {new.version}." in at.success[0].value
