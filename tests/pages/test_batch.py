"""The Batch page as a visitor uses it: uploads, chart, table, batches by address."""

import io
import threading
import zipfile
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from model import load
from model.answer.phrases import shared_words
from model.bundle import read_samples
from model.classifier import Classifier
from model.settings import settings
from tests.photos import drawn, encoded
from ui.batch.jobs import Job, job_cache
from ui.batch.result_table import to_csv, to_json_lines
from ui.phrasing import to_markdown

APP = Path(__file__).resolve().parents[2] / "streamlit_app.py"
JPEG = encoded(drawn(300, 240))
PNG = encoded(drawn(64, 90, seed=2), "PNG")


@pytest.fixture
def page():
    at = open_batch_page()
    yield at
    if job := shown_job(at):
        job.stop()
        assert job.wait(60)


def open_batch_page(**query):
    at = AppTest.from_file(APP, default_timeout=60).run()
    for key, value in query.items():
        at.query_params[key] = value
    at.switch_page("pages/batch.py").run()
    assert not at.exception
    return at


def address(at):
    """The key of the batch in the page's address, or nothing."""
    keys = at.query_params.get("batch", [""])
    return keys if isinstance(keys, str) else keys[0]


def shown_job(at):
    return job_cache.get(address(at))


def finish(at):
    """Wait for the batch on the page, then draw the page again."""
    assert shown_job(at).wait(60)
    at.run()
    assert not at.exception
    return at


def send(at, *files):
    at.file_uploader[0].set_value([(name, data, "") for name, data in files]).run()
    assert not at.exception
    return at


def send_zip(at, *files):
    at.segmented_control(key="from").set_value("Zip").run()
    at.file_uploader[0].set_value(("all.zip", zipped(*files), "application/zip")).run()
    assert not at.exception
    return at


def zipped(*files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return file.getvalue()


def messages(at):
    return " ".join(message.value for message in [*at.warning, *at.info])


def button_keys(at):
    return {button.key for button in at.button}


def test_batches_share_the_memory_for_uploads(page):
    other = Job([], upload_bytes=settings().upload_mb * 2**20)
    job_cache.add(other)
    try:
        send_zip(page, ("a.jpg", JPEG))
        assert "Other batches are using all the upload memory" in messages(page)
    finally:
        assert other.start().wait(10)
    send_zip(page, ("a.jpg", JPEG))
    assert shown_job(page)


@pytest.mark.parametrize("engine", ["compiled", "none"])
def test_samples_show_the_models_own_answers_or_nothing(data_folder, monkeypatch, engine):
    monkeypatch.setenv("LOUPE_MODEL", "clothing")
    monkeypatch.setattr("ui.batch.uploads.DEFAULT_ENGINE", engine)
    st.cache_data.clear()
    page, classifier, expected = open_batch_page(), load("clothing"), []
    for sample in read_samples(classifier.bundle)[:3]:
        words, percent = shared_words(classifier.identify(sample.photo))
        expected += [to_markdown(words), f"**{percent}**"]
    shown = [text.value for text in page.markdown[1:]]
    assert shown == ([] if engine == "none" else [*expected, ":orange[none of these]"])
    assert page.file_uploader


def test_photos_become_rows_and_a_failure_does_not_stop_the_rest(page):
    assert page.segmented_control(key="from").value == "Photos"
    assert "1,000 photos" in page.file_uploader[0].label
    assert any("until “A thousand everyday things” has" in text.value for text in page.caption)
    assert page.file_uploader[0].accept_multiple_files
    assert "batch-last-open" not in button_keys(page)
    # A photo without a suffix is read by its content.
    send(page, ("one", JPEG), ("letter.pdf", b"%PDF-1.4"), ("two.png", PNG))
    finish(page)
    # Streamlit has released the uploads.
    assert "batch-photos-0" not in page.session_state
    assert page.header[0].value == "2 of 3 photos identified"
    assert "1 photo couldn’t be read: This file type" in messages(page)
    rows = page.dataframe[0].value
    assert list(rows["photo"]) == ["one", "letter.pdf", "two.png"]
    assert rows["answer"][1].startswith("Couldn’t read: ")
    assert rows["probability"].notna().tolist() == [True, False, True]
    assert rows["picture"][0].startswith("data:image/jpeg;base64,")
    assert len(rows["picture"][0]) < 8000
    assert [button.label for button in page.get("download_button")] == ["CSV", "JSON Lines"]
    page.segmented_control(key="batch-view").set_value("Couldn’t read").run()
    assert list(page.dataframe[0].value["photo"]) == ["letter.pdf"]
    page.button(key="batch-new").click().run()
    assert page.file_uploader
    assert not address(page)
    page.button(key="batch-last-open").click().run()
    assert page.header[0].value == "2 of 3 photos identified"


def test_folders_get_an_accuracy_and_their_names_stay_text(page):
    page.segmented_control(key="from").set_value("Folder").run()
    assert page.file_uploader[0].accept_directory
    assert any("Most phones can’t upload a folder" in caption.value for caption in page.caption)
    evil = "=1+1 [click](evil.example) :red[x].jpg"
    files = [("a/robin/" + evil, JPEG), ("a/Goldfish/b.jpg", PNG), ("a/**bold**/x.jpg", PNG)]
    hidden = [("a/.hidden/d.jpg", PNG), ("a/robin/._a.jpg", b"x")]
    send(page, *files, ("a/b\u202egpj.jpg", b"x"), *hidden)
    finish(page)
    assert page.header[0].value == "3 of 4 photos identified"
    assert "Accuracy by folder" in [heading.value for heading in page.subheader]
    assert any("of 2 photos correct" in text.value for text in page.markdown)
    assert {"robin", "goldfish"} <= set(page.dataframe[1].value["Label"])
    assert r"\*\*bold\*\*" in messages(page)
    assert page.dataframe[0].value["photo"][0] == "'" + evil
    job = shown_job(page)
    assert job.results[3].name == "a/bgpj.jpg"
    assert to_csv(job.results)
    assert to_json_lines(job.results).count(b"\n") == 4


@pytest.fixture
def slow_classifier(monkeypatch):
    """Let the classifier wait before each photo; return the events "go" and "reached"."""
    go, reached = threading.Event(), threading.Event()
    identify_detailed = Classifier.identify_detailed

    def wait_and_identify(self, source, **options):
        reached.set()
        go.wait(20)
        return identify_detailed(self, source, **options)

    monkeypatch.setattr(Classifier, "identify_detailed", wait_and_identify)
    yield go, reached
    go.set()


def test_stop_keeps_results(page, slow_classifier):
    send(page, *[(f"{index}.jpg", JPEG) for index in range(60)])
    go, reached = slow_classifier
    assert reached.wait(30)
    page.run()
    assert page.get("progress")
    job = shown_job(page)
    page.button(key="batch-stop").click().run()
    assert page.button(key="batch-stop").disabled
    go.set()
    finish(page)
    assert 0 < len(job.results) < 60
    assert page.header[0].value == f"{len(job.results)} of 60 photos identified"
    assert "Stopped before" in messages(page)


def test_new_upload_stops_the_sessions_running_batch(page, slow_classifier):
    send(page, *[(f"{index}.jpg", JPEG) for index in range(60)])
    first = shown_job(page)
    page.query_params.clear()
    page.run()
    assert "batch-last-open" in button_keys(page)
    send(page, ("one.jpg", JPEG))
    assert first.stopping
    slow_classifier[0].set()
    assert first.wait(60)
    finish(page)
    assert page.header[0].value == "1 of 1 photo identified"


def test_photos_beyond_the_limit_are_left_out(page, data_folder, monkeypatch):
    monkeypatch.setenv("LOUPE_BATCH", "2")
    settings.cache_clear()
    send(page, *[(f"{index}.jpg", JPEG) for index in range(3)])
    finish(page)
    assert "A batch holds up to 2 photos, so 1 was left out." in messages(page)


@pytest.mark.parametrize("key", ["guess", "x" * 5000], ids=["unknown", "long"])
def test_unknown_batch_is_reported_as_expired(key):
    at = open_batch_page(batch=key)
    assert "Upload the photos again" in messages(at)
    assert at.file_uploader
    # The next batch has an address of its own.
    send(at, ("one.jpg", JPEG))
    finish(at)
    assert not messages(at)
