"""A model measured: by counts that are known, and on folders of photos."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import Bundle, Classifier, Prediction, load
from model.classifier import Classifier as PlainClassifier
from model.engines import start
from model.errors import DataError
from model.evaluation import PhotoFailure, Proportion, Row, evaluate, match, summarise
from model.evaluation.metrics import expected_calibration_error, wilson_interval
from model.prediction import Milliseconds
from tests.model.tiny import COLOURS, colour, tiny

LABELS = ("a", "b", "c", "d", "e", "f", "g")


def said(
    *order: str, sure: float = 0.5, known: bool | None = None, labels: Sequence[str] = LABELS
) -> Prediction:
    """An answer that ranks ``order`` first."""
    shares = np.zeros(len(labels), np.float32)
    for place, label in enumerate(order):
        shares[labels.index(label)] = sure * 0.5**place
    return Prediction(
        "m", "v", "compiled", tuple(labels), shares, Milliseconds(1, 1, 1, 3), in_distribution=known
    )


def save(folder: Path, label: str, name: str, fill: str | tuple[int, int, int]) -> None:
    (folder / label).mkdir(parents=True, exist_ok=True)
    colour(fill).save(folder / label / name)


# Figures


def test_counts_become_figures() -> None:
    rows = [
        Row("1", "a", said("a")),
        Row("2", "a", said("a")),
        Row("3", "a", said("b", "a")),
        Row("4", "b", said("b")),
        Row("5", "b", said("c", "d", "e", "f", "g")),
    ]
    found = summarise(LABELS, rows, seconds=2.0)
    assert (found.model, found.version, found.engine) == ("m", "v", "compiled")
    assert found.photos == 5
    assert found.accuracy == Proportion(0.6, *wilson_interval(3, 5), 3, 5)
    assert found.top5 is not None
    assert found.top5.right == 4
    assert found.photos_per_second == 2.5
    a, b, c = found.labels
    assert (a.label, a.support, a.predicted, a.right) == ("a", 3, 2, 2)
    assert (a.precision, a.f1) == (1.0, 0.8)
    assert a.recall == Proportion(2 / 3, *wilson_interval(2, 3), 2, 3)
    assert (b.precision, b.f1) == (0.5, 0.5)
    assert (c.support, c.recall, c.precision, c.f1) == (0, None, 0.0, 0.0)
    assert [(one.label, one.predicted, one.count) for one in found.confusion] == [
        ("a", "a", 2),
        ("a", "b", 1),
        ("b", "b", 1),
        ("b", "c", 1),
    ]
    assert [one.predicted for one in found.mistakes] == ["b", "c"]
    assert [one.label for one in found.worst_first] == ["b", "a"]


def test_none_of_these_is_a_wrong_answer_but_leaves_the_first_label() -> None:
    rows = [Row("1", "a", said("a", known=False)), Row("2", "a", said("a", sure=0.75, known=True))]
    found = summarise(LABELS, rows)
    assert (found.accuracy.right, found.answered.right, found.unknown.right) == (2, 1, 1)
    assert found.top5 is not None
    assert found.top5.right == 2
    assert [(one.label, one.predicted) for one in found.mistakes] == [("a", None)]
    # Both are right, with 0.5 and 0.75.
    assert found.calibration_error == pytest.approx(0.375)


def test_where_all_are_unknown_nothing_is_precise() -> None:
    found = summarise(LABELS, [Row("1", "a", said("a", known=False))])
    assert found.labels[0].precision is None


def test_five_labels_have_no_top5() -> None:
    labels = LABELS[:5]
    assert summarise(labels, [Row("1", "a", said("a", labels=labels))]).top5 is None


def test_without_rows_it_says_why() -> None:
    with pytest.raises(DataError, match="no photo"):
        summarise(LABELS, [])
    with pytest.raises(DataError, match=r"None of the 1 photos can be read.*cut short"):
        summarise(LABELS, [], [PhotoFailure("x.jpg", "damaged", "It is cut short.")])


def test_a_label_that_the_model_lacks_is_refused() -> None:
    with pytest.raises(DataError, match=r"'zebra'.*x\.jpg"):
        summarise(LABELS, [Row("x.jpg", "zebra", said("a"))])


def test_all_of_it_is_json() -> None:
    found = summarise(
        LABELS, [Row("1", "a", said("b"))], [PhotoFailure("x", "damaged", "No.")], 0.5
    )
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["photos_per_second"] == 4.0
    assert values["refused"] == [{"photo": "x", "code": "damaged", "message": "No."}]
    assert values["labels"][0]["recall"]["right"] == 0


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS), st.booleans())))
def test_the_figures_agree_with_each_other(drawn: list[tuple[str, str, bool]]) -> None:
    rows = [Row("x", label, said(first, known=known)) for label, first, known in drawn]
    if not rows:
        return
    found = summarise(LABELS, rows)
    assert sum(score.right for score in found.labels) == found.answered.right
    assert sum(score.support for score in found.labels) == found.photos == len(rows)
    assert sum(score.predicted for score in found.labels) == found.photos - found.unknown.right
    assert sum(pair.count for pair in found.mistakes) == found.photos - found.answered.right
    assert found.answered.right <= found.accuracy.right
    assert found.top5 is not None
    assert found.accuracy.low <= found.accuracy.value <= found.accuracy.high
    assert found.top5.right >= found.accuracy.right


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # As R's binom::binom.wilson gives them.
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662), (0, 0, 0, 1)],
)
def test_wilson(right: int, count: int, low: float, high: float) -> None:
    assert wilson_interval(right, count) == pytest.approx((low, high), abs=5e-5)


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.9, 0.9, 0.3, 1.0])
    right = np.array([True, False, False, True])
    # Two at 0.9 of which half are right, one at 0.3 wrong, one at 1.0 right.
    assert expected_calibration_error(confidence, right) == pytest.approx((2 * 0.4 + 0.3 + 0.0) / 4)
    assert expected_calibration_error(np.array([]), np.array([], bool)) == 0.0


# Folders' names


@pytest.mark.parametrize(
    "name", ["Egyptian cat", "egyptian CAT", "Egyptian_cat", "egyptian-cat", "Egyptian  cat"]
)
def test_a_folder_is_found_by_its_label(name: str) -> None:
    assert match([name], ["tabby", "Egyptian cat"]).found == {name: "Egyptian cat"}


def test_accents_match_however_they_are_composed() -> None:
    assert match(["u\u0308ber"], ["\u00fcber"]).found == {"u\u0308ber": "\u00fcber"}


def test_an_exact_name_wins_and_an_ambiguous_one_is_left_out() -> None:
    matched = match(["t-shirt", "T_shirt"], ["t-shirt", "t shirt"])
    assert matched.found == {"t-shirt": "t-shirt"}
    assert matched.left_out == ("T_shirt",)


def test_unmatched_names_are_listed_with_near_labels() -> None:
    with pytest.raises(DataError, match=r"'tabi' \(near: tabby\), 'xyz'\.") as caught:
        match(["tabi", "xyz"], ["tabby", "espresso"])
    assert "Name one folder per label" in str(caught.value)


def test_of_many_unmatched_names_a_few_are_listed() -> None:
    with pytest.raises(DataError, match="and 92 more"):
        match([f"n{i:08}" for i in range(100)], ["tabby"])


# Folders


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """An empty folder for photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def test_a_folder_a_label_is_measured(colours: Classifier, photos: Path) -> None:
    save(photos, "Red", "1.png", "red")
    save(photos, "Red", "2.png", "blue")
    save(photos, "green/deeper", "3.png", "green")
    save(photos, "purple", "4.png", "red")
    save(photos, ".hidden", "5.png", "red")
    (photos / "Red" / "bad.jpg").write_bytes(b"no photo")
    colour("red").save(photos / "loose.png")
    steps: list[tuple[int, int]] = []
    found = evaluate(colours, photos, lambda done, total: steps.append((done, total)))
    assert (found.accuracy.right, found.accuracy.count) == (2, 3)
    assert [(one.label, one.predicted) for one in found.mistakes] == [("red", "blue")]
    assert [(one.photo, one.code) for one in found.refused] == [
        (str(Path("Red", "bad.jpg")), "unsupported-format")
    ]
    assert found.left_out == ("purple",)
    assert steps == [(done, 4) for done in range(5)]
    assert found.photos_per_second is not None
    assert (found.engine, found.version) == ("compiled", colours.bundle.version)


def test_unknown_photos_count(calibrated_bundle: Bundle, photos: Path) -> None:
    save(photos, "red", "1.png", "red")
    save(photos, "red", "2.png", (128, 128, 128))
    found = evaluate(load(calibrated_bundle.name), photos)
    assert (found.answered.right, found.unknown.right, found.photos) == (1, 1, 2)


def test_a_model_of_several_labels_is_refused(shelf: Path, photos: Path) -> None:
    tiny(shelf, "several", multilabel=True)
    save(photos, "red", "1.png", "red")
    with pytest.raises(DataError, match="several labels"):
        evaluate(load("several"), photos)


def test_folders_without_photos_are_refused(colours: Classifier, photos: Path) -> None:
    with pytest.raises(DataError, match="no folders"):
        evaluate(colours, photos)
    (photos / "red").mkdir()
    with pytest.raises(DataError, match="no photo in the folders"):
        evaluate(colours, photos)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        evaluate(colours, photos / "nowhere")


def test_what_progress_raises_stops_the_work(colours: Classifier, photos: Path) -> None:
    for number in range(50):
        save(photos, "red", f"{number}.png", "red")

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(colours, photos, stop)


def test_the_model_that_ships_is_measured(imagenet: Classifier, photos: Path) -> None:
    classifier = PlainClassifier(imagenet.bundle, start(imagenet.bundle, "fake"))
    for number, name in enumerate(COLOURS):
        label = classifier.identify(colour(name)).answer
        assert isinstance(label, str)
        save(photos, label.replace(" ", "_").upper(), f"{number}.png", name)
    found = evaluate(classifier, photos)
    assert found.accuracy.right == found.photos == len(COLOURS)
    assert found.left_out == ()
