"""The Models page: the parts of a card, drawn only when opened, with every text escaped."""

import re
import shutil

import pytest

from model import loading
from model.exporting.formats import export_models, keep_download
from model.model_store.follower import Follower
from model.settings import settings
from tests.model.tiny import CALIBRATED, CARD, MEASURED, edit, tiny
from tests.pages.component import open_page
from tests.pages.hostile import CARD_NAME, LABELS, publish_hostile
from ui import component, models_page

FIGURES = "Mix-ups,Calibration,By label,None of these,Mistakes,Method,In browsers,Origin".split(",")


@pytest.fixture
def measured(models_dir):
    """The model of colours, calibrated and with a card."""
    return tiny(models_dir, confidence=CALIBRATED, card=CARD, metrics=MEASURED)


def opened(*parts, **chosen):
    """Return the page with these expanders open; AppTest closes them at the next run."""
    at = open_page("models")
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
    assert not [*at.dataframe, *at.table]
    assert not drawings(at)
    assert "Calibration error" not in texts(at)
    assert "tiny" not in {name for name, *_ in loading._loaded}
    labels = [link.proto.label for link in at.get("page_link")]
    assert labels.count("Point it at something") == 1
    assert labels.count("Try this model") == len(labels) - 1 > 0


@pytest.mark.parametrize(
    ("figure", "charts", "words"),
    [
        (
            "Mix-ups",
            1,
            ["**46 of 60 photos correct.** Most common mix-ups: black called blue (7)"],
        ),
        (
            "Calibration",
            1,
            [
                "Of 18 answers at about 79% confidence, 78% were correct.",
                "Before calibration: of 20 answers at about 83% confidence, 70%",
                "**Calibration error 1.9%**",
                "Before calibration: 10%",
                "**For 92% of photos, the right label is among its plausible ones**",
            ],
        ),
        (
            "By label",
            0,
            ["In testing it recognised 8 of 10. Right 8 of the 9 times it said this in testing."],
        ),
        (
            "None of these",
            0,
            [
                "**It accepts 95%** of photos of things it knows",
                "**Colours between the six: it accepts 55%** of 40 photos",
                "(40–69%; AUROC 0.802)",
            ],
        ),
        ("Method", 0, ["The seed is 7.", r"The photos were drawn by code\."]),
        ("Mistakes", 0, ["Its most confident mistakes:"]),
        ("Origin", 0, ["million parameters"]),
    ],
)
def test_figures_of_a_measured_model(measured, figure, charts, words):
    at = shown("tiny", figure, **{"labels-tiny": "red"})
    written = texts(at) + "".join(str(table.value) for table in at.table)
    assert [text for text in words if text not in written] == []
    assert drawings(at) == charts
    if figure == "Mistakes":
        photos = at.dataframe[0].value["Photo"].tolist()
        assert photos == ["sunset.png", "night.png", "lemon.png"]
    else:
        assert len(at.dataframe) == (figure == "By label")
    if figure == "Origin":
        assert measured.version in written


def test_models_without_a_card_show_what_is_known(models_dir):
    tiny(models_dir, metrics=MEASURED)
    at = opened()
    assert "Its percentages aren’t calibrated." in texts(at)
    assert at.expander[0].label == "Labels and origin"
    method = texts(shown("tiny", "Method"))
    assert "**Calibration error " in method
    assert "**Known photos accepted " in method
    by = "measured by Loupe; the model may have been trained on these photos"
    tiny(models_dir, metrics=[{**MEASURED[0], "by": by}])
    assert "in testing. The model may have been trained on these photos." in texts(opened())
    tiny(models_dir, multilabel=True, threshold=0.3)
    assert "names each label with a probability of at least 30.0%" in texts(opened())


def test_published_estimated_and_unmeasured_figures_say_so(models_dir):
    tiny(models_dir)
    at = opened()
    written = texts(at)
    assert "About 75 of 100 photos" in written
    assert "it calls 17 of them “none of these” (18 with a device’s small graph, whose" in written
    assert "50,000 photos, measured by its authors, not by Loupe." in written
    assert "Its percentages are estimated, since" in written
    assert "Not measured" in written
    assert "python -m model calibrate tiny FOLDER" in [one.value for one in at.code]
    # Of the coffee, which clothing doesn't know, imagenet alone has a picture.
    captions = [image.caption for one in at.image for image in one.proto.imgs]
    assert captions.count("espresso") == 1
    assert {"shirt", "dress", "tripod"} <= set(captions)
    assert "And 997 more" in written
    assert "This model has no pictures." in written
    assert "200 photos from ImageNet" in texts(shown("imagenet", "Calibration"))
    assert "https://github.com/tensorflow" in texts(shown("imagenet", "Method"))


def test_mix_ups_of_many_labels_are_a_list(measured):
    pairs = [[place, place, 4] for place in range(30)] + [[3, 4, 2], [7, 9, 5]]
    plausible = {"coverage": 0.9, "floors": [0.2] * 30}
    edit(
        measured,
        labels=[f"label {place}" for place in range(30)],
        confidence={**CALIBRATED, "plausible": plausible},
        card={**CARD, "photos": 127, "confusion": pairs},
    )
    at = shown("tiny", "Mix-ups")
    assert not drawings(at)
    rows = at.dataframe[0].value
    assert rows["Actual"].tolist() == ["label 7", "label 3"]
    assert rows["Photos"].tolist() == [5, 2]
    assert len(shown("tiny", "By label").dataframe[0].value) == 30


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


def test_blind_spots_are_named_where_other_photos_are_accepted(models_dir):
    noticed = {"name": "birds", "photos": 50, "auroc": 0.99, "let_in": 0.0, "low": 0.0}
    noticed["high"] = 0.07
    missed = {"name": "hats", "photos": 40, "auroc": 0.6, "let_in": 0.75, "low": 0.6, "high": 0.86}
    tiny(models_dir, confidence=CALIBRATED, card={**CARD, "strangers": [noticed, missed]})
    sentence = "Hats: 30 of 40 photos got one of its six labels. Birds: none of 50 did."
    assert sentence in texts(opened())
    missed["name"] = "<b>hats</b>"
    tiny(models_dir, confidence=CALIBRATED, card={**CARD, "strangers": [missed]})
    assert "&lt;b&gt;hats&lt;/b&gt;: 30 of 40" in texts(opened())


@pytest.mark.parametrize("downloads", ["true", "false"])
def test_exports_are_links_unless_downloads_are_off(models_dir, tmp_path, monkeypatch, downloads):
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


def test_page_says_that_published_versions_are_missing(data_folder, monkeypatch):
    monkeypatch.setenv("LOUPE_DATABASE", "postgresql://loupe:known@127.0.0.1:1/none")
    follower = Follower()
    follower.compare()
    monkeypatch.setattr(models_page, "store_follower", lambda: follower)
    (warning,) = opened().warning
    assert "couldn’t update from the model store (database-unavailable)." in warning.value
