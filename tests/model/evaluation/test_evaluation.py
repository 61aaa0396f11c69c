"""Evaluation: figures from known counts, folders' names, and folders of photos."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import Classifier, Prediction, load
from model.errors import DataError
from model.evaluation import PhotoFailure, Proportion, Row, evaluate, match_folders, summarise
from model.evaluation.metrics import expected_calibration_error, wilson_interval
from model.events import Progress
from tests.model.tiny import colour, tiny

LABELS = ("a", "b", "c", "d", "e", "f", "g")


def predict(
    *order: str, sure: float = 0.5, known: bool | None = None, labels: Sequence[str] = LABELS
) -> Prediction:
    """Return a prediction that ranks ``order`` first."""
    probabilities = np.zeros(len(labels), np.float32)
    for place, label in enumerate(order):
        probabilities[labels.index(label)] = sure * 0.5**place
    return Prediction("m", "v", "compiled", tuple(labels), probabilities, in_distribution=known)


def save(folder: Path, label: str, name: str, fill: str | tuple[int, int, int]) -> None:
    (folder / label).mkdir(parents=True, exist_ok=True)
    colour(fill).save(folder / label / name)


# Figures


def test_summarise_computes_figures_from_counts() -> None:
    rows = [
        Row("1", "a", predict("a")),
        Row("2", "a", predict("a")),
        Row("3", "a", predict("b", "a")),
        Row("4", "b", predict("b")),
        Row("5", "b", predict("c", "d", "e", "f", "g")),
    ]
    figures = replace(summarise(LABELS, rows), seconds=2.0)
    assert (figures.model, figures.version, figures.engine) == ("m", "v", "compiled")
    assert figures.photos == 5
    assert figures.accuracy == Proportion(0.6, *wilson_interval(3, 5), 3, 5)
    assert figures.top5.right == 4
    assert figures.photos_per_second == 2.5
    a, b, c = figures.labels
    assert (a.label, a.support, a.predicted, a.right) == ("a", 3, 2, 2)
    assert (a.precision, a.f1) == (1.0, 0.8)
    assert a.recall == Proportion(2 / 3, *wilson_interval(2, 3), 2, 3)
    assert (b.precision, b.f1) == (0.5, 0.5)
    assert (c.support, c.recall, c.precision, c.f1) == (0, None, 0.0, 0.0)
    confusion = [(item.label, item.predicted, item.count) for item in figures.confusion]
    assert confusion == [("a", "a", 2), ("a", "b", 1), ("b", "b", 1), ("b", "c", 1)]
    assert [item.predicted for item in figures.mistakes] == ["b", "c"]
    assert [item.label for item in figures.worst_first] == ["b", "a"]


def test_none_of_these_counts_as_wrong_only_as_displayed() -> None:
    rows = [
        Row("1", "a", predict("a", known=False)),
        Row("2", "a", predict("a", sure=0.75, known=True)),
    ]
    figures = summarise(LABELS, rows)
    rights = [figures.accuracy.right, figures.answered.right, figures.unknown.right]
    assert rights == [2, 1, 1]
    assert figures.top5.right == 2
    assert [(item.label, item.predicted) for item in figures.mistakes] == [("a", None)]
    # Both are right, with 0.5 and 0.75.
    assert figures.calibration_error == pytest.approx(0.375)


def test_model_with_five_labels_has_no_top5() -> None:
    labels = LABELS[:5]
    assert summarise(labels, [Row("1", "a", predict("a", labels=labels))]).top5 is None


def test_summarise_without_rows_raises_with_the_reason() -> None:
    with pytest.raises(DataError, match="no photo"):
        summarise(LABELS, [])
    with pytest.raises(DataError, match=r"None of the 1 photos can be read.*cut short"):
        summarise(LABELS, [PhotoFailure("x.jpg", "damaged", "It is cut short.")])


def test_label_that_the_model_lacks_is_refused() -> None:
    with pytest.raises(DataError, match=r"x\.jpg .*'zebra'"):
        summarise(LABELS, [Row("x.jpg", "zebra", predict("a"))])


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS), st.booleans())))
def test_figures_of_random_rows_are_consistent(drawn: list[tuple[str, str, bool]]) -> None:
    rows = [Row("x", label, predict(first, known=known)) for label, first, known in drawn]
    if not rows:
        return
    figures = summarise(LABELS, rows)
    assert sum(score.right for score in figures.labels) == figures.answered.right
    assert sum(score.support for score in figures.labels) == figures.photos == len(rows)
    given = sum(score.predicted for score in figures.labels)
    assert given == figures.photos - figures.unknown.right
    assert sum(pair.count for pair in figures.mistakes) == figures.photos - figures.answered.right
    assert figures.answered.right <= figures.accuracy.right
    assert figures.accuracy.low <= figures.accuracy.value <= figures.accuracy.high
    assert figures.top5.right >= figures.accuracy.right


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # As R's binom::binom.wilson gives them.
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662), (0, 0, 0, 1)],
)
def test_wilson_interval_matches_r(right: int, count: int, low: float, high: float) -> None:
    assert wilson_interval(right, count) == pytest.approx((low, high), abs=5e-5)


def test_calibration_error_matches_a_hand_calculation() -> None:
    confidence = np.array([0.9, 0.9, 0.3, 1.0])
    right = np.array([True, False, False, True])
    # Two at 0.9 of which half are right, one at 0.3 wrong, one at 1.0 right.
    assert expected_calibration_error(confidence, right) == pytest.approx((2 * 0.4 + 0.3 + 0.0) / 4)
    assert expected_calibration_error(np.array([]), np.array([], bool)) == 0.0


# Folders' names


def test_folder_matches_its_label_loosely() -> None:
    for name in ("Egyptian cat", "egyptian CAT", "Egyptian_cat", "egyptian-cat", "Egyptian  cat"):
        assert match_folders([name], ["tabby", "Egyptian cat"]).labels == {name: "Egyptian cat"}
    assert match_folders(["u\u0308ber"], ["\u00fcber"]).labels == {"u\u0308ber": "\u00fcber"}


def test_exact_name_wins_and_ambiguous_name_is_left_out() -> None:
    match = match_folders(["t-shirt", "T_shirt"], ["t-shirt", "t shirt"])
    assert match.labels == {"t-shirt": "t-shirt"}
    assert match.unmatched == ("T_shirt",)


def test_unmatched_names_are_listed_with_similar_labels() -> None:
    message = r"'tabi' \(similar: tabby\), 'xyz'\. Name one folder per label"
    with pytest.raises(DataError, match=message):
        match_folders(["tabi", "xyz"], ["tabby", "espresso"])
    with pytest.raises(DataError, match="and 92 more"):
        match_folders([f"n{i:08}" for i in range(100)], ["tabby"])


# Folders


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """An empty folder for photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def test_evaluate_measures_folders_named_after_labels(colours: Classifier, photos: Path) -> None:
    save(photos, "Red", "1.png", "red")
    save(photos, "Red", "2.png", "blue")
    save(photos, "green/deeper", "3.png", "green")
    save(photos, "purple", "4.png", "red")
    save(photos, ".hidden", "5.png", "red")
    (photos / "Red" / "bad.jpg").write_bytes(b"no photo")
    colour("red").save(photos / "loose.png")
    steps: list[tuple[str, int, int]] = []

    class RecordedProgress(Progress):
        def update(self, *step: Any) -> None:
            steps.append(step)

    figures = evaluate(colours, photos, RecordedProgress())
    assert (figures.accuracy.right, figures.accuracy.count) == (2, 3)
    assert [(item.label, item.predicted) for item in figures.mistakes] == [("red", "blue")]
    assert [(item.photo, item.code) for item in figures.refused] == [
        (str(Path("Red", "bad.jpg")), "unsupported-format")
    ]
    assert figures.left_out == ("purple",)
    assert steps == [("Evaluating", done, 4) for done in range(5)]
    assert figures.photos_per_second is not None
    assert (figures.engine, figures.version) == ("compiled", colours.bundle.version)


def test_multilabel_model_is_refused(models_dir: Path, photos: Path) -> None:
    tiny(models_dir, "several", multilabel=True)
    save(photos, "red", "1.png", "red")
    with pytest.raises(DataError, match="several labels"):
        evaluate(load("several"), photos)


def test_folders_without_photos_are_refused(colours: Classifier, photos: Path) -> None:
    with pytest.raises(DataError, match="no folders"):
        evaluate(colours, photos)
    (photos / "red").mkdir()
    with pytest.raises(DataError, match="No photos found in the folders"):
        evaluate(colours, photos)
    with pytest.raises(DataError, match="can't be read: No such file"):
        evaluate(colours, photos / "nowhere")
