"""The workshop's photos, training and runs, from a zip to a published version."""

import os
import re
import signal
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessible import check_look, options_of
from tests.browser.drive import PHONE, checked_page, give, headline, sign_in, wait_for_answer
from tests.browser.drive_teach import COLD, WARM, teach_by_files
from tests.browser.server import serving
from tests.model.tiny import tiny
from tests.model.training.pictures import folder_of, picture
from tests.photos import encoded

pytestmark = pytest.mark.torch

PATIENCE_MS = 180_000
"""Longest wait for a stage of a run."""
RESULT = re.compile("Run 1: .*% correct")


def zip_of_photos(folder: Path) -> Path:
    """Zip two labels of 20 photos, a damaged photo, a duplicate, and a square named a disc."""
    photos = folder_of(folder / "photos", 20)
    (photos / "disc" / "damaged.jpg").write_bytes((photos / "disc" / "1.jpg").read_bytes()[:900])
    (photos / "disc" / "copy.jpg").write_bytes((photos / "disc" / "2.jpg").read_bytes())
    path = folder / "forms.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for photo in sorted(photos.rglob("*.jpg")):
            zipped.write(photo, photo.relative_to(photos))
        zipped.writestr("disc/wrong.jpg", encoded(picture("square", 77, 200), "JPEG"))
    return path


def send(page: Page, archive: Path, name: str) -> None:
    """Send a zip to a new set, and wait until its photos are checked."""
    page.get_by_label("Name of the set").fill(name)
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"Its model will be called {name}.")).to_be_visible()
    choose = page.get_by_role("button", name="Choose a zip")
    expect(choose).to_be_enabled()
    with page.expect_file_chooser() as chooser:
        choose.click()
    chooser.value.set_files(archive)
    checking = page.get_by_role("heading", name="Checking the photos")
    expect(checking).to_be_visible()
    expect(checking).to_have_count(0, timeout=PATIENCE_MS)


def holder(data: Path) -> int:
    return int((data / "training" / ".holder").read_text().split()[0])


def test_zip_becomes_a_published_version(browser, tmp_path):
    tiny(tmp_path / "data" / "models", "forms")
    archive = zip_of_photos(tmp_path)
    disc = encoded(picture("disc", 7, 200), "JPEG")
    with (
        serving(tmp_path) as server,
        checked_page(browser, {"base_url": server.url, "viewport": PHONE}) as visitor,
        checked_page(browser, {"base_url": server.url, "viewport": PHONE}) as page,
    ):
        visitor.goto("/?model=forms&run=server")
        give(visitor, disc)
        wait_for_answer(visitor)
        sign_in(page, server)
        expect(page.get_by_role("heading", name="No photos yet")).to_be_visible()
        page.get_by_label("Name of the set").fill("con")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Windows reserves the name 'con'.")).to_be_visible()
        expect(page.get_by_role("button", name="Choose a zip")).to_be_disabled()
        send(page, archive, "forms")
        # While the page is redrawn, the earlier heading is beside the new one.
        expect(page.get_by_role("heading", name="42 photos")).to_have_count(1)
        expect(page.get_by_text("42 photos added. 1 exact duplicate left out.")).to_be_visible()
        check_look(page, "photos")
        # The damaged photo is left out.
        page.get_by_role("button", name="can't be read").click()
        page.get_by_role("checkbox").first.check(force=True)
        page.get_by_role("button", name="Leave out").click()
        expect(page.get_by_text("1 photo left out.")).to_be_visible()
        expect(page.get_by_role("heading", name="41 photos")).to_be_visible()
        page.get_by_role("button", name="All labels").click()
        expect(page.get_by_role("button", name="Left out, 1 photo")).to_be_visible()
        assert len([*(server.data / "photos" / "forms").rglob("*.jpg")]) == 42

        page.get_by_role("button", name="Train", exact=True).click()
        expect(page.get_by_role("heading", name="Training", level=2)).to_be_visible()
        expect(page.get_by_text("Compiling…")).to_be_visible(timeout=PATIENCE_MS)
        check_look(page, "training")
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("You stopped it.")).to_be_visible()
        expect(page.get_by_role("heading", name="Training", level=2)).to_have_count(0)
        page.get_by_role("button", name="Continue").click()
        give(visitor, disc)
        wait_for_answer(visitor)
        expect(page.get_by_text(RESULT)).to_be_visible(timeout=PATIENCE_MS)
        page.get_by_role("link", name="See the result").click()
        expect(page.get_by_role("heading", name="New against old")).to_be_visible()
        check_look(page, "runs")
        page.get_by_text("I have seen what changes").click()
        page.get_by_role("button", name="Publish run 1").click()
        expect(page.get_by_text("This version is in use.")).to_be_visible()
        give(visitor, disc)
        expect(headline(visitor)).to_contain_text("disc")
        # No run made the previous version, so it is put back on the page Publish.
        page.get_by_role("link", name="Publish").click()
        expect(page.get_by_text("In use is forms")).to_be_visible()
        assert not server.tracebacks()


def test_training_outlives_the_app(browser, tmp_path):
    folder_of(tmp_path / "data" / "photos" / "forms", 20)
    with (
        serving(tmp_path) as server,
        checked_page(browser, {"base_url": server.url, **options_of("desk-dark")}) as page,
    ):
        sign_in(page, server)
        expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()
        check_look(page, "photos")
        page.get_by_role("button", name="Train", exact=True).click()
        expect(page.get_by_role("heading", name="Training", level=2)).to_be_visible()
        pid = holder(server.data)
        os.killpg(server.process.pid, signal.SIGKILL)
    os.kill(pid, 0)
    with (
        serving(tmp_path) as server,
        checked_page(browser, {"base_url": server.url, **options_of("desk-dark")}) as page,
    ):
        sign_in(page, server)
        expect(page.get_by_text(RESULT)).to_be_visible(timeout=PATIENCE_MS)
        page.get_by_role("link", name="See the result").click()
        expect(page.get_by_text("Visitors have no version of this model yet.")).to_be_visible()
        assert not (server.data / "models" / "forms").exists()
        check_look(page, "runs")
        page.get_by_role("button", name="Publish run 1").click()
        expect(page.get_by_text("This version is in use.")).to_be_visible()
        page.goto("/?run=server")
        expect(page.get_by_role("combobox", name="Model").first).to_have_value("forms")


def test_project_of_teach_is_sent_to_train(open_colours, colours_server):
    page = open_colours(viewport=PHONE)
    sign_in(page, colours_server)
    page.goto("/teach")
    teach_by_files(page, warm=WARM, cold=COLD)
    page.get_by_role("button", name="Use it").first.click()
    page.get_by_role("button", name="Train on this computer").click()
    page.wait_for_url("**/photos?set=*")
    expect(page.get_by_role("heading", name="6 photos of two labels")).to_be_visible()
    (folder,) = (colours_server.data / "photos").glob("[!.]*")
    assert {path.name for path in folder.iterdir()} == {"warm", "cold"}
