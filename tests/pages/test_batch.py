"""The Batch page, through the front door: files go in, a table comes out."""

import io
import struct
import threading
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from model.classifier import Classifier
from tests.photos import drawn, encoded
from ui.batch.table import csv_file, json_lines

APP = Path(__file__).resolve().parents[2] / "streamlit_app.py"
JPEG = encoded(drawn(300, 240))
PNG = encoded(drawn(64, 90, seed=2), "PNG")


@pytest.fixture
def page():
    at = AppTest.from_file(APP, default_timeout=60).run()
    at.switch_page("pages/batch.py").run()
    assert not at.exception
    yield at
    if "batch" in at.session_state:
        job = at.session_state["batch"]
        job.stop()
        assert job.wait(60)


def finished(at):
    """The page once its batch has ended."""
    assert at.session_state["batch"].wait(60)
    at.run()
    assert not at.exception
    return at


def send(at, *files):
    at.file_uploader[0].set_value([(name, data, "") for name, data in files]).run()
    assert not at.exception
    return at


def send_zip(at, *files, raw=None):
    at.segmented_control(key="from").set_value("Zip").run()
    at.file_uploader[0].set_value(("all.zip", raw or zipped(*files), "application/zip")).run()
    assert not at.exception
    return at


def zipped(*files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return file.getvalue()


def said(at):
    return " ".join(one.value for one in [*at.warning, *at.info])


def test_it_starts_with_the_ways_in(page):
    assert page.segmented_control(key="from").value == "Photos"
    assert "1,000 photos" in page.file_uploader[0].label
    assert page.file_uploader[0].accept_multiple_files
    page.segmented_control(key="from").set_value("Folder").run()
    assert page.file_uploader[0].accept_directory
    assert any("Most phones cannot send a folder" in one.value for one in page.caption)


def test_the_way_in_is_in_the_link():
    at = AppTest.from_file(APP, default_timeout=60).run()
    at.query_params["from"] = "Zip"
    at.switch_page("pages/batch.py").run()
    assert at.file_uploader[0].allowed_type == [".zip"]


def test_photos_become_rows_and_a_refused_one_does_not_stop_the_rest(page):
    send(page, ("one.jpg", JPEG), ("cut.jpg", JPEG[:2000]), ("two.png", PNG))
    finished(page)
    assert page.header[0].value == "2 of 3 answered"
    assert "1 photo could not be read" in said(page)
    rows = page.dataframe[0].value
    assert list(rows["photo"]) == ["one.jpg", "cut.jpg", "two.png"]
    assert rows["answer"][1].startswith("Refused: ")
    assert rows["probability"].notna().tolist() == [True, False, True]
    assert rows["picture"][0].startswith("data:image/jpeg;base64,")
    assert rows["picture"][1].startswith("data:image/png;base64,")
    assert [button.label for button in page.get("download_button")] == ["CSV", "JSON"]


def test_streamlit_lets_go_of_uploads(page):
    send(page, ("one.jpg", JPEG))
    finished(page)
    assert "batch-photos-0" not in page.session_state


def test_the_view_can_be_limited(page):
    send(page, ("one.jpg", JPEG), ("cut.jpg", JPEG[:2000]))
    finished(page)
    page.segmented_control(key="batch-view").set_value("Refused").run()
    assert list(page.dataframe[0].value["photo"]) == ["cut.jpg"]
    page.segmented_control(key="batch-view").set_value("All").run()
    label = page.session_state["batch"].results[0].prediction.answer
    if page.multiselect:
        page.multiselect[0].set_value([label]).run()
        assert list(page.dataframe[0].value["photo"]) == ["one.jpg"]


def test_folders_named_for_labels_are_measured(page):
    page.segmented_control(key="from").set_value("Folder").run()
    files = [("all/robin/a.jpg", JPEG), ("all/Goldfish/b.jpg", PNG), ("all/no such/c.jpg", PNG)]
    send(page, *files, ("all/.hidden/d.jpg", PNG), ("all/robin/._a.jpg", b"x"))
    finished(page)
    assert page.header[0].value == "3 of 3 answered"
    assert "Against the folders' names" in [one.value for one in page.subheader]
    assert any("of 2 photos" in one.value for one in page.markdown)
    assert "*no such*" in said(page)
    assert set(page.dataframe[1].value["Label"]) == {"robin", "goldfish"}


def test_a_zip_with_a_damaged_photo_and_a_name_that_climbs(page):
    send_zip(page, ("robin/a.jpg", JPEG), ("b.jpg", JPEG[:1500]), ("../../etc/c.jpg", PNG))
    finished(page)
    results = page.session_state["batch"].results
    assert [one.name for one in results] == ["robin/a.jpg", "b.jpg", "etc/c.jpg"]
    assert [bool(one.refused) for one in results] == [False, True, False]


def test_a_zip_bomb_is_refused(page):
    send_zip(page, ("a.jpg", b"\0" * (30 * 2**20)))
    assert "batch" not in page.session_state
    assert "hundred times" in said(page)
    # A proper one clears the refusal.
    page.file_uploader[0].set_value(("all.zip", zipped(("a.jpg", JPEG)), "")).run()
    finished(page)
    assert page.header[0].value == "1 of 1 answered"


def test_a_photo_that_unpacks_to_more_than_its_header_says_is_a_row(page):
    true = zlib.compress(b"\0" * (25 * 2**20), 9)[2:-4]
    raw = bytearray(zipped(("ok.jpg", JPEG), ("liar.jpg", b"x")))
    assert len(true) < 30_000
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("ok.jpg", JPEG)
        info = zipfile.ZipInfo("liar.jpg")
        archive.writestr(info, true)
    raw = bytearray(file.getvalue())
    for signature, method, size in ((b"PK\x03\x04", 8, 22), (b"PK\x01\x02", 10, 24)):
        at = raw.rfind(signature)
        raw[at + method : at + method + 2] = struct.pack("<H", zipfile.ZIP_DEFLATED)
        raw[at + size : at + size + 4] = struct.pack("<I", 1000)
    send_zip(page, raw=bytes(raw))
    finished(page)
    assert page.header[0].value == "1 of 2 answered"


@pytest.mark.parametrize("raw", [b"no zip", zipped(("a.txt", b"x"))])
def test_what_is_no_zip_of_photos_is_refused_in_words(page, raw):
    send_zip(page, raw=raw)
    assert "zip" in said(page)
    assert "batch" not in page.session_state


@pytest.fixture
def slow(monkeypatch):
    """A classifier that waits before each photo until it is let go."""
    go, here, identify_detailed = threading.Event(), threading.Event(), Classifier.identify_detailed

    def waiting(self, source, **options):
        here.set()
        go.wait(20)
        return identify_detailed(self, source, **options)

    monkeypatch.setattr(Classifier, "identify_detailed", waiting)
    yield go, here
    go.set()


def test_stop_keeps_what_is_done(page, slow):
    send(page, *[(f"{place}.jpg", JPEG) for place in range(60)])
    go, here = slow
    assert here.wait(30)
    page.run()
    assert page.get("progress")
    job = page.session_state["batch"]
    page.button(key="batch-stop").click().run()
    assert page.button(key="batch-stop").disabled
    go.set()
    finished(page)
    assert 0 < len(job.results) < 60
    assert page.header[0].value == f"{len(job.results)} of 60 answered"
    assert "were not looked at" in said(page)


def test_it_goes_on_during_a_page_change(page, slow):
    send(page, ("one.jpg", JPEG), ("two.jpg", PNG))
    page.switch_page("pages/about.py").run()
    slow[0].set()
    assert page.session_state["batch"].wait(30)
    page.switch_page("pages/batch.py").run()
    assert page.header[0].value == "2 of 2 answered"


def test_a_new_batch_begins_with_the_ways_in(page):
    send(page, ("one.jpg", JPEG))
    finished(page)
    page.button(key="batch-new").click().run()
    assert page.file_uploader
    assert "batch" not in page.session_state


def test_names_are_text_and_never_markdown_or_formulas(page):
    evil = "=1+1 [click](evil.example) :red[x].jpg"
    page.segmented_control(key="from").set_value("Folder").run()
    send(page, ("a/robin/" + evil, JPEG), ("a/**bold**/x.jpg", PNG), ("a/b\u202egpj.jpg", b"x"))
    finished(page)
    job = page.session_state["batch"]
    assert page.dataframe[0].value["photo"][0] == "'" + evil
    assert r"\*\*bold\*\*" in said(page)
    assert job.results[2].name == "a/bgpj.jpg"
    assert csv_file(job.results)
    assert json_lines(job.results).count(b"\n") == 3


def test_no_thread_stays(page):
    send(page, ("one.jpg", JPEG))
    finished(page)
    deadline = time.monotonic() + 5
    while any(thread.name == "batch" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
