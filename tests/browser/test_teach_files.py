"""Projects and models as files on the page "Teach"."""

import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.drive import device_headline, give_device
from tests.browser.drive_teach import (
    COLD,
    NO_CAMERA,
    ODD,
    WARM,
    Visit,
    choose,
    drop,
    jpeg,
    pill,
    row,
    teach_by_files,
    use_it,
)
from tests.model.teaching.hostile_loupe import zip_of


def undecodable(photo: bytes) -> bytes:
    """Return a photo that is whole and of a right size, but has no Huffman codes."""
    start = photo.index(b"\xff\xc4") + 4
    return photo[:start] + bytes([photo[start], *[255] * 16]) + photo[start + 17 :]


def project(*photos: bytes) -> bytes:
    """Return a project of one label."""
    listed = [{"label": 0, "recording": f"r{at}"} for at in range(len(photos))]
    about = {"format": 1, "title": "Reds", "labels": ["red"], "photos": listed}
    files = {f"photos/{at + 1:03}.jpg": photo for at, photo in enumerate(photos)}
    return zip_of({"project.json": json.dumps(about).encode(), **files})


def open_file(page: Page, name: str, data: bytes) -> None:
    file = FilePayload(name=name, mimeType="application/zip", buffer=data)
    page.locator("input[accept]:not([capture])").set_input_files(file)


@pytest.mark.slow
def test_project_opens_without_a_photo_that_cannot_be_decoded(open_teach: Visit) -> None:
    page = open_teach(NO_CAMERA)
    photos = [jpeg(WARM[0]), undecodable(jpeg(WARM[1])), jpeg(COLD[0])]
    open_file(page, "reds-project.zip", project(*photos))
    expect(page.get_by_text("photos/002.jpg is damaged and was left out.")).to_be_visible()
    expect(row(page, "Red").locator(".tv-count")).to_have_text("2")


def test_project_among_photos_is_named_and_left_out(open_teach: Visit) -> None:
    page = open_teach(NO_CAMERA)
    files = {"1.jpg": jpeg(WARM[0]), "reds-project.zip": project(jpeg(WARM[1]))}
    drop(page, {"reds": files})
    left_out = "reds-project.zip was left out. Open a project or a model by itself."
    expect(page.get_by_text(left_out)).to_be_visible()
    expect(row(page, "Reds").locator(".tv-count")).to_have_text("1")


def renamed_base(file: Path) -> bytes:
    """Return a model that was made where its base has another name."""
    with zipfile.ZipFile(file) as saved:
        files = {name: saved.read(name) for name in saved.namelist()}
    manifest = json.loads(files["manifest.json"])
    manifest["base"]["name"] = "elsewhere"
    return zip_of({**files, "manifest.json": json.dumps(manifest).encode()})


@pytest.mark.slow
def test_project_has_one_model_in_the_menu_and_a_friends_is_another(
    open_teach: Visit, tmp_path: Path
) -> None:
    page = open_teach()
    own = page.locator("optgroup[label='Made here'] option")

    def teach_again(count: int) -> None:
        page.goto(page.url.split("?")[0])
        page.get_by_role("link", name="Teach your own").click()
        expect(row(page, "Cold").locator(".tv-count")).to_have_text(str(3 + count))
        choose(page, (f"{count}.jpg", jpeg(ODD[count])))
        expect(row(page, "Cold").locator(".tv-count")).to_have_text(str(4 + count))
        expect(page.get_by_role("button", name="Use it")).to_be_enabled()
        use_it(page)

    teach_by_files(page, warm=WARM, cold=COLD)
    # It was tested, unlike a model with one recording a label.
    expect(pill(page)).not_to_have_text(re.compile("^My best guess"))
    page.get_by_role("button", name="Use it").first.click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save file").click()
    saved.value.save_as(tmp_path / "friend.loupe")
    page.get_by_role("button", name="Back").click()
    use_it(page)
    expect(own).to_have_count(1)
    teach_again(0)
    expect(own).to_have_count(1)
    page.goto(page.url.split("?")[0])
    page.get_by_role("link", name="Teach your own").click()
    open_file(page, "friend.loupe", renamed_base(tmp_path / "friend.loupe"))
    page.wait_for_url(re.compile("taught-"))
    expect(own).to_have_count(2)
    give_device(page, jpeg(WARM[0]))
    expect(device_headline(page)).to_have_text(re.compile("warm$"))
    teach_again(1)
    expect(own).to_have_count(2)
