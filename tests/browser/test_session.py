"""Sessions in the browser: separate visitors, corrections, *Why?* and memory."""

import io
from contextlib import closing

import psutil
import pytest
from PIL import Image
from playwright.sync_api import expect

from model.corrections import CorrectionStore
from tests.browser.drive import UPLOAD, attach, headline, photo, pick, sample, wait_for_answer
from tests.photos import drawn, encoded


def test_two_visitors_see_nothing_of_each_other(visitor):
    mine, theirs = visitor(), visitor()
    answers = {}
    for page in (mine, theirs):
        page.goto(UPLOAD)
    for place, names in enumerate([("coffee", "cat"), ("rocket", "camera")]):
        for page, name in zip((mine, theirs), names, strict=True):
            attach(page, sample(name).read(), f"{name}.png")
        for page, name in zip((mine, theirs), names, strict=True):
            expect(page.locator(".vf-recent")).to_have_count(place + 1)
            answers[page, name] = (wait_for_answer(page), photo(page).get_attribute("src"))
    assert len({words for words, _ in answers.values()}) == 4
    for page in (mine, theirs):
        content, text = page.content(), page.inner_text("body")
        for (other, _), (words, source) in answers.items():
            if other is not page:
                assert source not in content
                assert words.removeprefix("My best guess: ") not in text


@pytest.mark.slow
def test_correction_is_saved_and_its_photo_only_if_the_box_is_ticked(page, server):
    page.goto("/?way=Sample")
    pick(page, "Coffee")
    wait_for_answer(page)
    correct(page, "teapot", keep_photo=False)
    correct(page, "my own word", keep_photo=True)
    with closing(CorrectionStore(f"sqlite:///{server.data / 'records.sqlite'}")) as store:
        # Other tests may have saved corrections on the same server.
        *_, first, second = store.iter_corrections()
        assert (first.label, first.known, first.has_photo) == ("teapot", True, False)
        assert (second.label, second.known, second.has_photo) == ("my own word", False, True)
        assert first.predicted == "espresso"
        assert store.get_photo(first.id) is None
        with Image.open(io.BytesIO(store.get_photo(second.id))) as image:
            assert (image.format, image.size) == ("JPEG", (600, 400))
            assert not image.getexif()


def correct(page, label, *, keep_photo):
    """Save a correction: a label of the model, or another word."""
    page.get_by_role("button", name="Wrong?").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What is it?").fill(label)
    if keep_photo:
        dialog.get_by_text("Save my photo as well").click()
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog).to_contain_text("Thanks.")
    dialog.get_by_role("button", name="Close").click()
    expect(headline(page)).to_contain_text("My best guess")


def test_why_shows_the_occlusion_map(page):
    page.goto("/?way=Sample")
    pick(page, "Cat")
    wait_for_answer(page)
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("canvas.vf-spotlight")).to_be_visible()


@pytest.mark.slow
def test_thirty_large_photos_leave_memory_flat(page, server, tmp_path):
    process = psutil.Process(server.process.pid)
    page.goto(UPLOAD)
    memory_mb, photo_file = [], tmp_path / "photo.jpg"
    for seed in range(30):
        before = page.url
        # Some phones append a film to a photo.
        photo_file.write_bytes(encoded(drawn(640, 480, seed)) + bytes(3 * 2**20))
        attach(page, photo_file)
        page.wait_for_function("before => location.href !== before", arg=before)
        memory_mb.append(process.memory_info().rss / 2**20)
    # The first ten fill what a session keeps; 60 MB of uploads came after them.
    assert memory_mb[29] - memory_mb[9] < 25, [round(value) for value in memory_mb]
