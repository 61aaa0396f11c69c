"""What a batch counts, writes and measures, without a screen."""

import csv
import io
import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from model.errors import BundleNotFound, Busy, DamagedPhoto, DataError
from model.evaluation import PhotoFailure
from model.prediction import Candidate, Prediction
from tests.photos import drawn, encoded
from ui.batch import job
from ui.batch.evaluation import (
    MOST,
    confusion_chart,
    confusion_frame,
    label_frame,
    measured,
    unmatched,
)
from ui.batch.job import Item, Job, Result
from ui.batch.table import (
    NONE,
    cell,
    counted,
    csv_file,
    frame,
    json_lines,
    names,
    time_left,
    unsure,
)

LABELS = ("shirt", "hat", "shoes")


def prediction(index=0, share=0.9, labels=LABELS, **fields):
    rest = (1 - share) / (len(labels) - 1)
    numbers = np.full(len(labels), rest, np.float32)
    numbers[index] = share
    start = Prediction("clothing", "0123456789ab", "compiled", labels, numbers, None)
    return replace(start, **fields)


def result(index=0, name="a.jpg", folder=None, **fields):
    return Result(name, folder, prediction(index, **fields), thumbnail=b"jpeg")


def refused(name="bad.jpg", folder=None):
    return Result(name, folder, refused=PhotoFailure(name, "damaged", "It is cut short."))


@pytest.mark.parametrize(
    ("done", "total", "seconds", "words"),
    [
        (0, 200, 3, "0 of 200"),
        (12, 200, 1.3, "12 of 200, about 20 s left"),
        (190, 200, 20, "190 of 200, a few seconds left"),
        (10, 2000, 10, "10 of 2,000, about 33 min left"),
        (10, 20, 56, "10 of 20, about 1 min left"),
        (200, 200, 9, "200 of 200"),
    ],
)
def test_the_time_left_in_words(done, total, seconds, words):
    assert time_left(done, total, seconds) == words


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "  =x", "＝x"])
def test_no_cell_is_a_formula(text):
    assert cell(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a=b", "photo-1.jpg", "…/x.jpg", "'quoted"])
def test_other_cells_stay(text):
    assert cell(text) == text


def test_csv_has_a_row_a_photo_and_no_formula():
    rows = [
        result(1, "=cmd|' /C calc'!A0.jpg", "-hats"),
        refused("@bad.jpg"),
        result(known=False),
        result(labels=("a", "b")),
    ]
    text = csv_file(rows).decode("utf-8-sig")
    read = list(csv.DictReader(io.StringIO(text)))
    assert read[0]["photo"].startswith("'=")
    assert read[0]["folder"] == "'-hats"
    assert read[0]["answer"] == read[0]["label_1"] == "hat"
    assert float(read[0]["probability_1"]) == pytest.approx(0.9)
    assert (read[1]["photo"], read[1]["error"]) == ("'@bad.jpg", "damaged")
    assert (read[2]["answer"], read[2]["known"]) == ("", "no")
    assert (read[3]["label_3"], read[3]["model"]) == ("", "clothing")
    assert all(None not in row for row in read)


def test_json_is_one_object_a_line_as_everywhere():
    lines = json_lines([result(name="ü\n.jpg"), refused()]).decode().splitlines()
    assert json.loads(lines[0]) == prediction().to_dict("ü\n.jpg")
    assert json.loads(lines[1]) == {
        "photo": "bad.jpg",
        "error": {"code": "damaged", "message": "It is cut short."},
    }


def test_the_table_shows_answers_and_refusals():
    shown = frame([result(2, "a/b/c.jpg", "b"), refused()])
    assert shown["answer"].tolist() == ["shoes", "Refused: It is cut short."]
    assert shown["photo"].tolist() == ["c.jpg", "bad.jpg"]
    assert shown["probability"][0] == pytest.approx(90)
    assert shown["picture"][1].startswith("data:image/png;base64,")


def test_labels_are_counted_and_the_rest_summed():
    labels = tuple(f"label {place:02}" for place in range(20))
    rows = [result(place, labels=labels) for place in range(20)] + [result(7, labels=labels)]
    counts, left = counted([*rows, refused()], most=15)
    assert counts[0] == ("label 07", 2)
    assert counts[-1] == ("5 other labels", 5)
    assert left == 5
    assert sum(count for _, count in counts) == 21
    assert counted([result(), result(known=False)]) == ([(NONE, 1), ("shirt", 1)], 0)


def test_names_of_several_labels_and_of_none():
    assert names(prediction(multilabel=True)) == ["shirt"]
    assert names(prediction(multilabel=True, share=0.4)) == [NONE]
    assert names(prediction(known=False)) == [NONE]


def test_unsure_is_what_a_person_should_look_at():
    one, two = Candidate(0, "shirt", 0.9), Candidate(1, "hat", 0.05)
    assert not unsure(prediction(calibrated=True, plausible=(one,)))
    assert unsure(prediction(calibrated=True, plausible=(one, two)))
    assert unsure(prediction(calibrated=True, plausible=(one,), known=False))
    assert not unsure(prediction())
    assert unsure(prediction(share=0.4))


ROWS = [
    result(0, folder="Shirt"),
    result(1, folder="Shirt"),
    result(1, folder="hat"),
    result(0, folder="hat", known=False),
    result(2, folder="holiday"),
    result(2),
    refused(folder="hat"),
]


def test_folders_are_compared_with_the_answers():
    found = measured(ROWS, LABELS)
    assert found is not None
    assert (found.accuracy.right, found.accuracy.count) == (2, 4)
    assert unmatched(ROWS, LABELS) == ["holiday"]
    assert set(label_frame(found)["Label"]) == {"shirt", "hat"}
    cells = confusion_frame(found).set_index(["label", "said"])
    assert cells.loc[("hat", "none of these"), "share"] == 0.5
    assert bool(cells.loc[("shirt", "shirt"), "right"])
    spec = confusion_chart(found, "#000", "#111", "#222").to_dict()
    assert "2 of 4 right" in spec["description"]


def test_without_folders_for_labels_nothing_is_measured():
    assert measured([result(folder="x"), refused(folder="hat")], LABELS) is None
    assert measured([result(), refused()], LABELS) is None
    assert unmatched([result()], LABELS) == []


def test_several_labels_a_photo_are_not_measured():
    with pytest.raises(DataError):
        measured([result(folder="hat", multilabel=True)], LABELS)


def test_the_confusion_chart_is_limited():
    labels = tuple(f"label {place}" for place in range(40))
    rows = [result(place, folder=label, labels=labels) for place, label in enumerate(labels)]
    rows.append(result(39, folder="label 0", labels=labels))
    found = measured(rows, labels)
    assert found is not None
    cells = confusion_frame(found)
    assert cells["label"].nunique() == MOST
    assert "another label" in set(cells["said"])


class Slow:
    """Stands for a classifier: answers once it is let go."""

    def __init__(self):
        self.go, self.here = threading.Event(), threading.Event()
        self.bundle, self.seen = self, 0
        self.labels = LABELS

    def identify_detailed(self, data, *, patient):
        assert patient
        self.here.set()
        assert self.go.wait(10)
        self.seen += 1
        if data == b"bug":
            raise ZeroDivisionError
        if data == b"busy" and self.seen == 1:
            raise Busy("Try again.")
        if data == b"bad":
            raise DamagedPhoto("Broken.")
        return self

    prediction = prediction()

    @property
    def photo(self):
        return self

    def to_jpeg(self, side, quality):
        return b"jpeg"


@pytest.fixture
def slow(monkeypatch):
    classifier = Slow()
    monkeypatch.setattr(job, "load", lambda model, engine: classifier)
    yield classifier
    classifier.go.set()


def items(*data):
    return [Item(f"{place}.jpg", None, lambda one=one: one) for place, one in enumerate(data)]


def test_every_photo_is_a_result_in_order_whatever_happens(slow, caplog):
    def missing():
        raise DamagedPhoto("Damaged inside the zip.")

    slow.go.set()
    work = [*items(b"busy", b"bad", b"bug"), Item("zip.jpg", "f", missing), *items(b"ok")]
    job = Job(work).start()
    assert job.wait(10)
    codes = [one.refused and one.refused.code for one in job.results]
    assert codes == [None, "damaged", "error", "damaged", None]
    assert job.ended
    assert not job.failure
    assert job.seconds == job.seconds


def test_stop_takes_no_further_photo_and_keeps_the_rest(slow):
    job = Job(items(*[b"ok"] * 500)).start()
    assert slow.here.wait(10)
    assert not job.ended
    job.stop()
    slow.go.set()
    assert job.wait(10)
    assert 0 < len(job.results) < 500


def test_it_stops_by_itself_once_the_visitor_is_long_gone(slow):
    slow.go.set()
    job = Job(items(*[b"ok"] * 500), alive=lambda: False, patience=-1).start()
    assert job.wait(10)
    assert job.stopping
    assert not job.results


def test_a_sleeping_phone_does_not_stop_it(slow):
    slow.go.set()
    job = Job(items(*[b"ok"] * 50), alive=lambda: False, patience=60).start()
    assert job.wait(10)
    assert len(job.results) == 50


def test_a_model_that_is_refused_is_said(monkeypatch):
    def gone(model, engine):
        raise BundleNotFound("There is no model named 'x'.")

    monkeypatch.setattr("ui.batch.job.load", gone)
    failing = Job(items(b"ok"), "x").start()
    assert failing.wait(10)
    assert "no model" in failing.failure
    assert failing.results == []


def test_a_real_photo_gets_a_small_thumbnail():
    job = Job([Item("a.jpg", None, lambda: encoded(drawn(400, 300)))]).start()
    assert job.wait(60)
    assert job.results[0].prediction is not None
    assert 0 < len(job.results[0].thumbnail) < 6000
