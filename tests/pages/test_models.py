"""The Models page: what a card shows, drawn only once it is opened, and nothing it should not."""

import re
import shutil

import pytest
from streamlit.testing.v1 import AppTest

from model import classifier
from model.bundle.bundle import BUILTIN_DIR
from model.settings import settings
from tests.model.tiny import CALIBRATED, CARD, MEASURED, edit, tiny
from tests.pages.hostile import CARD_NAME, LABELS, shelve
from tests.photos import drawn, encoded
from ui.navigation import ROOT

FIGURES = [
    "Mix-ups",
    "Its percentages",
    "Label by label",
    "None of these",
    "Mistakes",
    "How it was measured",
]


@pytest.fixture
def measured(shelf):
    """The model of colours, calibrated and with a card; a former version stands beside it."""
    tiny(shelf, confidence=CALIBRATED, title="The former")
    return tiny(shelf, confidence=CALIBRATED, card=CARD, metrics=MEASURED)


def opened(*parts, **chosen):
    """The page with these parts open. The test's client forgets them at the next run."""
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
    """The page with one figure of a card."""
    return opened(f"good-{name}", *parts, **{f"figure-{name}": figure}, **chosen)


def said(at):
    return "\n".join(one.value for one in [*at.markdown, *at.caption, *at.code])


def drawings(at):
    return len(at.get("arrow_vega_lite_chart")) + len(at.get("vega_lite_chart"))


def test_what_is_closed_is_neither_drawn_nor_loaded(measured):
    at = opened()
    assert "**Accuracy 76.7%**" in said(at)
    assert "Calibrated: it says how sure it is" in said(at)
    assert not at.dataframe
    assert not at.table
    assert not drawings(at)
    assert "Calibration error" not in said(at)
    assert "tiny" not in {name for name, *_ in classifier._loaded}


def test_facts_and_speed_are_there_once_asked_for(measured):
    at = opened("origin-tiny")
    assert measured.version in str(at.table[0].value)
    assert "tiny" in {name for name, *_ in classifier._loaded}


def test_a_model_without_a_card_has_its_figures_and_no_more(shelf):
    tiny(shelf, metrics=MEASURED)
    at = opened()
    for measure in ("Accuracy", "Calibration error", "Kept of what it knows"):
        assert f"**{measure} " in said(at)
    assert "Not calibrated" in said(at)
    parts = [one.label for one in at.expander]
    # Up to the parts of the next model.
    assert "How good is it?" not in parts[: parts.index("All labels", 1)]


def test_mix_ups(measured):
    at = shown("tiny", "Mix-ups")
    assert "Right for **46 of 60 photos**. It most often takes black for blue (7)" in said(at)
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
    assert rows["It is"].tolist() == ["label 7", "label 3"]
    assert rows["Photos"].tolist() == [5, 2]
    at = shown("tiny", "Label by label")
    assert len(at.dataframe[0].value) == 30
    at = shown("tiny", "Label by label", **{"search-tiny": "EL 7"})
    assert at.dataframe[0].value["Label"].tolist() == ["label 7"]
    assert not shown("tiny", "Label by label", **{"search-tiny": "nowhere"}).dataframe


def test_percentages(measured):
    at = shown("tiny", "Its percentages")
    assert "Of the 18 answers given with about 79%, 78% were right." in said(at)
    assert "Before it was calibrated: of the 20 answers given with about 83%, 70%" in said(at)
    assert "**Calibration error 1.9%**" in said(at)
    assert "Before it was calibrated: 10%" in said(at)
    assert "plausible for 92%" in said(at)
    assert drawings(at) == 1


def test_label_by_label(measured):
    table = shown("tiny", "Label by label").dataframe[0].value
    assert table["Label"].tolist()[0] == "black"
    red = table[table["Label"] == "red"].iloc[0]
    assert (red["Photos"], red["Right"], red["Found"]) == (10, 8, 80)
    assert red["Interval"] == "49% to 94%"
    assert red["Right when said"] == pytest.approx(100 * 8 / 9)
    assert red["Most confused with"] == "yellow (2)"
    # Nothing was called black, so there is no telling how often that is right.
    assert table["Right when said"].isna().tolist() == [True] + [False] * 5


def test_none_of_these(measured):
    at = shown("tiny", "None of these")
    assert "**It keeps 95%** of the photos of what it knows" in said(at)
    assert "**It lets in 55%** of 40 photos of *colours between the six*" in said(at)
    assert "(40% to 69%; AUROC 0.802)" in said(at)
    (table,) = at.table
    assert "**distance to the nearest colour** (used)" in str(table.value.to_dict())


def test_how_it_was_measured(measured):
    at = shown("tiny", "How it was measured")
    assert CARD["command"] in [one.value for one in at.code]
    assert "with seed 7" in said(at)
    assert r"The photos were drawn by code\." in said(at)


def test_photos_of_mistakes_are_seen_only_where_the_owner_set_a_folder(
    measured, tmp_path, monkeypatch
):
    assert not shown("tiny", "Mistakes").image
    folder = tmp_path / "held" / "black"
    folder.mkdir(parents=True)
    (folder / "night.png").write_bytes(encoded(drawn(300, 200), "PNG"))
    monkeypatch.setenv("LOUPE_PHOTOS", str(tmp_path / "held"))
    settings.cache_clear()
    at = shown("tiny", "Mistakes")
    assert len(at.image) == 1
    assert "black, called **blue** (88%)" in said(at)
    # All are in the table, the most confident first.
    assert at.dataframe[0].value["Photo"].tolist() == [
        "red/sunset.png",
        "black/night.png",
        "yellow/lemon.png",
    ]


def test_a_label_that_is_looked_for_says_how_well_it_is_known(measured):
    at = opened()
    at.selectbox(key="labels-tiny").set_value("red").run()
    assert "It recognised 8 of 10 held-out photos of it. Of 9 held-out photos that it" in said(at)


def test_versions_are_listed_and_no_visitor_can_move_them(measured):
    at = opened("versions-tiny")
    rows = str(at.table[0].value.to_dict())
    assert f"`{measured.version}` **current**" in rows
    assert "76.7%" in rows
    assert re.search(r"python -m model rollback tiny [0-9a-f]{12}", said(at))
    assert not at.button


def test_a_broken_current_version_shows_the_way_back(measured):
    (measured.folder / "bundle.json").write_text("{")
    at = opened("versions-tiny")
    assert "cannot be used" in str(at.table[0].value.to_dict())
    assert "rollback tiny" in said(at)


def test_a_model_that_is_taken_away_while_the_page_is_open(measured):
    at = opened("good-tiny")
    shutil.rmtree(measured.folder.parent)
    at.run()
    assert not at.exception


@pytest.mark.parametrize("figure", FIGURES)
def test_every_text_of_a_card_is_escaped(shelf, tmp_path, monkeypatch, figure):
    (tmp_path / "held").mkdir()
    monkeypatch.setenv("LOUPE_PHOTOS", str(tmp_path / "held"))
    with shelve(shelf):
        settings.cache_clear()
        others = [f"{part}-{CARD_NAME}" for part in ("origin", "versions", "all")]
        at = shown(CARD_NAME, figure, *others, **{f"labels-{CARD_NAME}": LABELS[0]})
        tables = [str(value) for one in at.table for value in one.value.to_numpy().flat]
        # Code is shown as it is, and a data frame's cells know no Markdown.
        written = [one.value for one in [*at.markdown, *at.caption, *at.subheader]] + tables
        for mark in ("<img", "**bold", "$x", ":smile", "](", "~~z", "`code", "://evil", ":red["):
            bare = re.compile(r"(?<!\\)" + re.escape(mark))
            assert not [text for text in written if bare.search(text)], mark
        cells = [str(cell) for one in at.dataframe for cell in one.value.to_numpy().flat]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
        assert not at.image


def test_many_models_load_none(shelf):
    for place in range(12):
        tiny(shelf, f"model-{place}", confidence=CALIBRATED, card=CARD, metrics=MEASURED)
    at = opened()
    assert len(at.subheader) == 12 + len(list(BUILTIN_DIR.iterdir()))
    assert {name for name, *_ in classifier._loaded} <= {settings().model}
