"""The Models page: the parts of a card, drawn only when opened, with every text escaped."""

import re
import shutil

import pytest
from streamlit.testing.v1 import AppTest

from model import loading
from model.bundle import BUILTIN_DIR
from model.exporting.formats import export_models, keep_download
from model.model_store.follower import Follower
from model.settings import ROOT, settings
from tests.model.tiny import CALIBRATED, CARD, MEASURED, edit, tiny
from tests.pages.hostile import CARD_NAME, LABELS, publish_hostile
from ui import component, models_page

FIGURES = (
    "Mix-ups,Calibration,Label by label,None of these,Mistakes,Method,In browsers,Origin"
).split(",")


@pytest.fixture
def measured(models_dir):
    """The model of colours, calibrated and with a card."""
    return tiny(models_dir, confidence=CALIBRATED, card=CARD, metrics=MEASURED)


def opened(*parts, **chosen):
    """Return the page with these expanders open; AppTest closes them at the next run."""
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60).run()
    at.switch_page("pages/models.py").run()
    for part in parts:
        at.session_state[part] = True
    for key, value in chosen.items():
        at.session_state[key] = value
    at.run()
    assert not at.exception
    return at


def shown(name, figure, *parts, **chosen):
    """Return the page with one figure of a card."""
    return opened(f"more-{name}", *parts, **{f"figure-{name}": figure}, **chosen)


def texts(at):
    html = [one.proto.body for one in at.get("html")]
    return "\n".join([*html, *(one.value for one in [*at.markdown, *at.caption, *at.code])])


def drawings(at):
    """Return the number of charts but for the axes of accuracies, which are always drawn."""
    charts = [*at.get("arrow_vega_lite_chart"), *at.get("vega_lite_chart")]
    return sum("Accuracy: " not in chart.proto.spec for chart in charts)


def test_closed_card_draws_and_loads_nothing(measured):
    at = opened()
    assert "About 77 of 100 photos" in texts(at)
    assert "46 of 60 photos in testing. That counts the likeliest label; it calls 3 of" in texts(at)
    assert not at.dataframe
    assert not at.table
    assert not drawings(at)
    assert "Calibration error" not in texts(at)
    assert "tiny" not in {name for name, *_ in loading._loaded}


def test_reservation_about_the_photos_is_a_sentence(models_dir):
    by = "measured by Loupe; the model may have been trained on these photos"
    tiny(models_dir, metrics=[{**MEASURED[0], "by": by}])
    assert "in testing. The model may have been trained on these photos." in texts(opened())


def test_origin_appears_when_opened(measured):
    assert measured.version in str(shown("tiny", "Origin").table[0].value)


def test_model_without_a_card_shows_its_metrics_alone(models_dir):
    tiny(models_dir, metrics=MEASURED)
    at = opened()
    assert "Its percentages aren’t calibrated." in texts(at)
    assert at.expander[0].label == "Labels and origin"
    at = shown("tiny", "Method")
    for measure in ("Calibration error", "Known photos accepted"):
        assert f"**{measure} " in texts(at)


def test_published_estimated_and_unmeasured_figures_say_so(models_dir):
    tiny(models_dir)
    at = opened()
    assert "About 75 of 100 photos" in texts(at)
    assert "it calls 17 of them “none of these” (18 with a device’s small graph, whose" in texts(at)
    assert "50,000 photos, measured by its authors, not by Loupe." in texts(at)
    assert "Its percentages are estimated, because" in texts(at)
    assert "Not measured" in texts(at)
    assert "python -m model calibrate tiny FOLDER" in [one.value for one in at.code]
    assert "200 photos from ImageNet" in texts(shown("imagenet", "Calibration"))
    assert "https://github.com/tensorflow" in texts(shown("imagenet", "Method"))


def test_only_the_model_in_use_has_another_button_label(measured):
    labels = [link.proto.label for link in opened().get("page_link")]
    assert labels.count("Point it at something") == 1
    assert labels.count("Try this model") == len(labels) - 1 > 0


def test_threshold_of_a_model_with_several_labels_is_shown(models_dir):
    tiny(models_dir, multilabel=True, threshold=0.3)
    assert "names each label with a probability of at least 30.0%" in texts(opened())


def test_mix_ups_of_few_labels_are_a_chart(measured):
    at = shown("tiny", "Mix-ups")
    assert "**46 of 60 photos correct.** Most common mix-ups: black called blue (7)" in texts(at)
    assert drawings(at) == 1
    assert not at.dataframe


def test_mix_ups_of_many_labels_are_a_list(measured):
    labels = [f"label {place}" for place in range(30)]
    pairs = [[place, place, 4] for place in range(30)] + [[3, 4, 2], [7, 9, 5]]
    confidence = {**CALIBRATED, "plausible": {"coverage": 0.9, "floors": [0.2] * 30}}
    changes = {
        "labels": labels,
        "confidence": confidence,
        "card": {**CARD, "photos": 127, "confusion": pairs},
    }
    edit(measured, **changes)
    at = shown("tiny", "Mix-ups")
    assert not drawings(at)
    rows = at.dataframe[0].value
    assert rows["Actual"].tolist() == ["label 7", "label 3"]
    assert rows["Photos"].tolist() == [5, 2]
    at = shown("tiny", "Label by label")
    assert len(at.dataframe[0].value) == 30


def test_calibration_is_in_plain_words(measured):
    at = shown("tiny", "Calibration")
    assert "Of 18 answers at about 79% confidence, 78% were correct." in texts(at)
    assert "Before calibration: of 20 answers at about 83% confidence, 70%" in texts(at)
    assert "**Calibration error 1.9%**" in texts(at)
    assert "Before calibration: 10%" in texts(at)
    assert "**For 92% of photos, the right label is among its plausible ones**" in texts(at)
    assert drawings(at) == 1


def test_labels_have_recall_and_precision(measured):
    table = shown("tiny", "Label by label").dataframe[0].value
    assert table["Label"].tolist()[0] == "black"
    red = table[table["Label"] == "red"].iloc[0]
    assert (red["Photos"], red["Correct"], red["Recall"]) == (10, 8, 80)
    assert red["Interval"] == "49–94%"
    assert red["Precision"] == pytest.approx(100 * 8 / 9)
    assert red["Most confused with"] == "yellow (2)"
    # No photo was called black, so its precision is unknown.
    assert table["Precision"].isna().tolist() == [True] + [False] * 5


def test_none_of_these_shows_accept_rates(measured):
    at = shown("tiny", "None of these")
    assert "**It accepts 95%** of photos of things it knows" in texts(at)
    assert "**Colours between the six: it accepts 55%** of 40 photos" in texts(at)
    assert "(40–69%; AUROC 0.802)" in texts(at)


def test_method_names_seed_and_notes(measured):
    at = shown("tiny", "Method")
    assert "The seed is 7." in texts(at)
    assert r"The photos were drawn by code\." in texts(at)


def test_mistakes_are_listed_the_most_confident_first(measured):
    assert shown("tiny", "Mistakes").dataframe[0].value["Photo"].tolist() == [
        "sunset.png",
        "night.png",
        "lemon.png",
    ]


def test_searched_label_shows_how_well_it_is_known(measured):
    at = shown("tiny", "Label by label", **{"labels-tiny": "red"})
    words = "In testing it recognised 8 of 10. Right 8 of the 9 times it said this in tests."
    assert words in texts(at)


def test_model_removed_while_the_page_is_open_causes_no_error(measured):
    at = opened("more-tiny")
    shutil.rmtree(measured.folder.parent)
    at.run()
    assert not at.exception


@pytest.mark.parametrize("figure", FIGURES)
def test_every_text_of_a_card_is_escaped(models_dir, figure):
    with publish_hostile(models_dir):
        at = shown(CARD_NAME, figure, **{f"labels-{CARD_NAME}": LABELS[0]})
        tables = [str(value) for one in at.table for value in one.value.to_numpy().flat]
        # Code is shown as it is, and a data frame's cells know no Markdown.
        written = [one.value for one in [*at.markdown, *at.caption, *at.subheader]] + tables
        for mark in ("<img", "**bold", "$x", ":smile", "](", "~~z", "`code", "://evil", ":red["):
            bare = re.compile(r"(?<!\\)" + re.escape(mark))
            assert not [text for text in written if bare.search(text)], mark
        cells = [str(cell) for one in at.dataframe for cell in one.value.to_numpy().flat]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_many_models_load_none(models_dir):
    for place in range(12):
        tiny(models_dir, f"model-{place}", confidence=CALIBRATED, card=CARD, metrics=MEASURED)
    at = opened()
    assert len(at.subheader) == 12 + len(list(BUILTIN_DIR.iterdir()))
    assert {name for name, *_ in loading._loaded} <= {settings().model}


def test_blind_spots_are_named_where_other_photos_are_accepted(models_dir):
    noticed = {
        "name": "birds",
        "photos": 50,
        "auroc": 0.99,
        "let_in": 0.0,
        "low": 0.0,
        "high": 0.07,
    }
    missed = {"name": "hats", "photos": 40, "auroc": 0.6, "let_in": 0.75, "low": 0.6, "high": 0.86}
    tiny(models_dir, confidence=CALIBRATED, card={**CARD, "strangers": [noticed, missed]})
    sentence = "Hats: 30 of 40 photos got one of its six labels. Birds: none of 50 did."
    assert sentence in texts(opened())
    missed["name"] = "<b>hats</b>"
    tiny(models_dir, confidence=CALIBRATED, card={**CARD, "strangers": [missed]})
    assert "&lt;b&gt;hats&lt;/b&gt;: 30 of 40" in texts(opened())


@pytest.mark.parametrize("downloads", ["true", "false"])
def test_exports_are_links_unless_models_stay_here(models_dir, tmp_path, monkeypatch, downloads):
    monkeypatch.setenv("LOUPE_DOWNLOADS", downloads)
    settings.cache_clear()
    monkeypatch.setattr(component, "has_routes", lambda: True)
    bundle = tiny(models_dir)
    assert "Take it with you" not in texts(shown("tiny", "Origin"))
    export = export_models([bundle], "onnx", tmp_path / "out")
    keep_download(bundle, "onnx", tmp_path / "out", export.files)
    at = shown("tiny", "Origin")
    links = [link.proto.url for link in at.get("link_button")]
    expected = [f"api/v1/models/tiny/{bundle.version}/tiny-onnx.zip"]
    assert links == (expected if downloads == "true" else [])
    assert ("Take it with you" in texts(at)) == (downloads == "true")


def test_card_shows_only_samples_that_the_model_knows(models_dir):
    tiny(models_dir)
    at = opened()
    captions = [image.caption for one in at.image for image in one.proto.imgs]
    # Of the coffee, which clothing doesn't know, imagenet alone has a picture.
    assert captions.count("espresso") == 1
    assert {"shirt", "dress", "tripod"} <= set(captions)
    assert "And 997 more" in texts(at)
    assert "This model has no pictures." in texts(at)


def test_page_says_that_published_versions_are_missing(data_folder, monkeypatch):
    monkeypatch.setenv("LOUPE_DATABASE", "postgresql://loupe:known@127.0.0.1:1/none")
    follower = Follower()
    follower.compare()
    monkeypatch.setattr(models_page, "store_follower", lambda: follower)
    (warning,) = opened().warning
    assert "couldn’t update from the model store (database-unavailable)." in warning.value
