"""The owner's workshop: signing in and out, and the review of what visitors corrected."""

import tarfile
import time
import zipfile

import pytest
from playwright.sync_api import Page, expect

from model.settings import settings
from model.sign_ins import sign_ins
from tests.browser import drive
from tests.browser.accessible import TWO_LOOKS, check_looks, options_of
from tests.browser.server import framing, serving
from tests.model.command import run
from tests.model.importing.old_exports.exports import DATA
from tests.model.tiny import COLOURS, colour, tiny
from tests.photos import encoded
from ui.navigation import OWNER_PAGES

WHOSE = "belongs to the owner"


@pytest.fixture(scope="module")
def shop(chromium, tmp_path_factory):
    """The app with the model of colours."""
    folder = tmp_path_factory.mktemp("workshop")
    tiny(folder / "data" / "models")
    with serving(folder) as server:
        yield server


def save_corrections(page: Page, *corrections: tuple[bytes, str]) -> None:
    """Correct the answers to photos, as a visitor who sends a copy of each."""
    page.goto("/?run=server")
    for photo, label in corrections:
        drive.give(page, photo)
        drive.wait_for_answer(page)
        drive.correct(page, label, sends_copy=True)


def select(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_role("checkbox", name=name).first.check(force=True)


@pytest.fixture
def page(browser, shop):
    with drive.checked_page(browser, {"base_url": shop.url}) as opened:
        yield opened
    assert not shop.tracebacks()


def test_link_signs_in_once_and_signing_out_or_revoking_closes_open_pages(page, shop, monkeypatch):
    links = page.get_by_role("navigation", name="Pages")
    workshop = links.get_by_role("link", name="Workshop")
    # A stranger gets nothing.
    for name in OWNER_PAGES:
        page.goto(f"/{name}")
        expect(page.get_by_text(WHOSE)).to_be_visible()
        expect(page.get_by_test_id("stMain").get_by_role("button")).to_have_count(0)
        expect(workshop).to_have_count(0)
    drive.sign_in(page, shop)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text(WHOSE)).to_be_visible()
    page.goto("/deploy")
    expect(page.get_by_text(WHOSE)).to_be_visible()
    drive.sign_in(page, shop)
    expect(page.get_by_role("heading", name="No photos yet", level=2)).to_be_visible()
    expect(workshop).to_have_attribute("aria-current", "page")
    assert "owner" not in page.url
    # The link isn't in the history, and no longer works.
    page.go_back()
    expect(page.get_by_text("Open the workshop")).to_have_count(0)
    second = page.context.new_page()
    second.goto("/deploy")
    expect(second.get_by_role("heading", name="Deploy", level=2)).to_be_visible()
    page.goto("/corrections")
    expect(page.get_by_role("heading", name="Corrections", level=2)).to_be_visible()
    monkeypatch.setenv("LOUPE_DATABASE", f"sqlite:///{shop.data / 'records.sqlite'}")
    started = time.monotonic()
    revoke()
    for tab in (page, second):
        expect(tab.get_by_text(WHOSE)).to_be_visible(timeout=10_000)
    assert time.monotonic() - started < 10
    page.reload()
    expect(page.get_by_text(WHOSE)).to_be_visible()


def revoke() -> None:
    settings.cache_clear()
    sign_ins.cache_clear()
    assert "browser" in run("owner", "--revoke").stdout
    sign_ins().close()
    sign_ins.cache_clear()
    settings.cache_clear()


READ = """
const read = async () => {
  const got = await fetch("ADDRESS", { credentials: "include" }).then(() => "all", () => "no");
  document.title = `read: ${got}`;
};
read();
"""


def test_page_of_another_port_neither_frames_nor_reads_it(page, shop):
    drive.sign_in(page, shop)
    script = READ.replace("ADDRESS", f"{shop.url}/owner/corrections.zip")
    with framing(f"{shop.url}/corrections", "localhost", script=script) as address:
        page.goto(address)
        expect(page).to_have_title("read: no")
        page.wait_for_timeout(2000)
        assert not page.frames[1].get_by_text("Corrections").count()


def test_corrections_are_reviewed(browser, tmp_path):
    tiny(tmp_path / "data" / "models")
    kept = tmp_path / "data" / "corrections" / "tiny"

    def files() -> list[str]:
        return sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*.jpg"))

    with (
        serving(tmp_path) as server,
        drive.checked_page(browser, {"base_url": server.url, "viewport": drive.PHONE}) as visitor,
        drive.checked_page(browser, {"base_url": server.url}) as page,
    ):
        save_corrections(
            visitor,
            (drive.RED_PHOTO, "scarlet"),
            (drive.GREEN_PHOTO, "emerald"),
            (drive.RED_PHOTO, "green"),
        )
        drive.sign_in(page, server)
        page.goto("/corrections")
        photos = page.get_by_role("checkbox")
        expect(page.get_by_text("3 corrections from 1 visit.")).to_be_visible()
        expect(photos).to_have_count(3)
        check_looks(page, "corrections", (), TWO_LOOKS)
        keep = page.get_by_role("button", name="Keep for training")
        expect(keep).to_be_disabled()
        select(page, "scarlet", "emerald")
        expect(page.get_by_text("2 photos selected.")).to_be_visible()
        keep.click()
        expect(page.get_by_text("2 photos kept for training.")).to_be_visible()
        assert files() == ["emerald/correction-2.jpg", "scarlet/correction-1.jpg"]
        select(page, "green")
        page.get_by_role("button", name="Relabel…").click()
        page.get_by_role("combobox", name="Label").fill("red")
        page.keyboard.press("Enter")
        expect(page.get_by_text("1 photo kept with another label.")).to_be_visible()
        assert files()[1:] == ["red/correction-3.jpg", "scarlet/correction-1.jpg"]
        page.get_by_role("button", name="Undo").click()
        expect(photos).to_have_count(1)
        assert len(files()) == 2
        # The visitor takes the last one back.
        visitor.get_by_role("button", name="Undo").click()
        expect(visitor.get_by_text("nothing is saved")).to_be_visible()
        page.reload()
        expect(page.get_by_text("2 corrections from 1 visit.")).to_be_visible()
        page.get_by_text("Kept", exact=True).click()
        expect(photos).to_have_count(2)
        select(page, "emerald")
        page.get_by_role("button", name="Review again").click()
        expect(photos).to_have_count(1)
        assert files() == ["scarlet/correction-1.jpg"]
        expect(page.get_by_text(f"--name tiny --candidate --also {kept}")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download all corrections").click()
        assert download.value.suggested_filename == "corrections.zip"
        assert not server.tracebacks()


def test_new_version_is_compared_published_and_put_back(browser, tmp_path):
    models = tmp_path / "data" / "models"
    old, new = tiny(models), tiny(models, corner=True, is_candidate=True)
    image = colour("red").resize((600, 600))
    image.paste(COLOURS["green"], (0, 0, 300, 300))
    photo = encoded(image, "JPEG")
    archive = tmp_path / "held-out.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("green/1.jpg", photo)
        for label in COLOURS:
            zipped.writestr(f"{label}/2.png", encoded(colour(label), "PNG"))

    def expect_answers(label: str) -> None:
        for visitor in visitors:
            drive.give(visitor, photo)
            drive.wait_for_answer(visitor, label)

    def publish(version: str) -> None:
        page.get_by_role("checkbox", name="I have seen what changes").check(force=True)
        page.get_by_role("button", name=f"Publish {version}").click()
        expect(page.get_by_text(f"Published: tiny {version}")).to_be_visible()

    with (
        serving(tmp_path) as server,
        drive.checked_page(browser, {"base_url": server.url, "viewport": drive.PHONE}) as first,
        drive.checked_page(browser, {"base_url": server.url, "viewport": drive.DESK}) as second,
        drive.checked_page(browser, {"base_url": server.url, **options_of("desk-dark")}) as page,
    ):
        visitors = (first, second)
        for visitor in visitors:
            visitor.goto("/?run=server")
        expect_answers("red")
        shared = first.url
        drive.sign_in(page, server)
        page.goto("/publish")
        drive.wait_until_drawn(page)
        page.locator("input[type=file]").first.set_input_files(archive)
        page.get_by_role("button", name="Compare on 7 photos").click()
        expect(page.get_by_text("needs a second look before it replaces")).to_be_visible()
        expect(page.get_by_text("Only the new one is right: 1")).to_be_visible()
        expect(page.get_by_text("used to choose once")).to_be_visible()
        changed = page.get_by_test_id("stImage").locator("img").first
        page.wait_for_function("(it) => it.naturalWidth > 0", arg=changed.element_handle())
        # In light, test_training checks the same comparison.
        check_looks(page, "publish", (), ["desk-dark", "phone-dark"])
        expect(page.get_by_role("button", name=f"Publish {new.version}")).to_be_disabled()
        publish(new.version)
        expect_answers("green")
        # The share link of an answer by the previous version still opens.
        second.goto(shared)
        expect(drive.headline(second)).to_contain_text("red")
        publish(old.version)
        second.goto("/?run=server")
        expect_answers("red")
        assert not server.tracebacks()


def test_model_is_added_by_a_file(page, shop, tmp_path):
    with tarfile.open(DATA / "fastai-2.7.13.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    (export,) = tmp_path.rglob("plain.pkl")
    broken = tmp_path / "broken.pkl"
    broken.write_bytes(b"no export")
    drive.sign_in(page, shop)
    for file, words in ((export, "Added: “Plain”."), (broken, "Not added: ")):
        page.goto("/publish")
        drive.wait_until_drawn(page)
        page.get_by_label("The model’s name").fill(file.stem)
        page.locator("input[type=file]").last.set_input_files(file)
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_text(words)).to_be_visible(timeout=120_000)
    assert not (shop.data / "models" / "broken").exists()
    page.goto("/?model=plain&run=server")
    drive.give(page, drive.RED_PHOTO)
    expect(drive.headline(page)).to_be_visible()
