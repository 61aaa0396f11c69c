"""Sessions in the browser: separate visitors, memory, and clients of the API beside them."""

import psutil
from playwright.sync_api import expect

from tests.browser import drive
from tests.photos import drawn, encoded


def test_two_visitors_see_nothing_of_each_other(visitor):
    mine, theirs = visitor(), visitor()
    answers = {}
    for page in (mine, theirs):
        page.goto("/?run=server")
    for place, names in enumerate([("coffee", "cat"), ("rocket", "camera")]):
        for page, name in zip((mine, theirs), names, strict=True):
            drive.give(page, drive.sample(name).read(), f"{name}.png")
        for page, name in zip((mine, theirs), names, strict=True):
            expect(page.locator(".vf-recent")).to_have_count(place + 1)
            answers[page, name] = (
                drive.wait_for_answer(page),
                drive.photo(page).get_attribute("src"),
            )
    assert len({words for words, _ in answers.values()}) == 4
    for page in (mine, theirs):
        content, text = page.content(), page.inner_text("body")
        for (other, _), (words, source) in answers.items():
            if other is not page:
                assert source not in content
                assert words.removeprefix("My best guess: ") not in text


def test_thirty_large_photos_leave_memory_flat(page, server, tmp_path):
    process = psutil.Process(server.process.pid)
    page.goto(drive.PLAIN)
    memory_mb, photo_file = [], tmp_path / "photo.jpg"
    for seed in range(30):
        before = page.url
        # Some phones append a film to a photo.
        photo_file.write_bytes(encoded(drawn(640, 480, seed)) + bytes(3 * 2**20))
        drive.attach(page, photo_file)
        page.wait_for_function("before => location.href !== before", arg=before)
        memory_mb.append(process.memory_info().rss / 2**20)
    # The first ten fill the caches; 60 MB of uploads came after them.
    assert memory_mb[29] - memory_mb[9] < 25, [round(value) for value in memory_mb]
