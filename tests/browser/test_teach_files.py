"""Projects and models as files on the page "Teach"."""

import json
import re
import zipfile
from pathlib import Path

from playwright.sync_api import FilePayload, Page, expect

from tests.browser.drive import NO_CAMERA, device_headline, give_device
from tests.browser.drive_teach import (
    COLD,
    ODD,
    WARM,
    Visit,
    choose,
    drop,
    name_label,
    photo_count,
    pill,
    row,
    teach_by_files,
    use_it,
)
from tests.waiting import wait_until
from tests.zips import zipped


def undecodable(photo: bytes) -> bytes:
    """Return a photo that is whole and of a right size, but has no Huffman codes."""
    start = photo.index(b"\xff\xc4") + 4
    return photo[:start] + bytes([photo[start], *[255] * 16]) + photo[start + 17 :]


def project(*photos: bytes) -> bytes:
    """Return a project of one label."""
    listed = [{"label": 0, "recording": f"r{at}"} for at in range(len(photos))]
    about = {"format": 1, "title": "Reds", "labels": ["red"], "photos": listed}
    files = {f"photos/{at + 1:03}.jpg": photo for at, photo in enumerate(photos)}
    return zipped({"project.json": json.dumps(about).encode(), **files})


def open_file(page: Page, name: str, data: bytes) -> None:
    file = FilePayload(name=name, mimeType="application/zip", buffer=data)
    page.locator("input[accept]:not([capture])").set_input_files(file)


def test_project_opens_without_a_photo_that_cannot_be_decoded(open_teach: Visit) -> None:
    page = open_teach(NO_CAMERA)
    open_file(page, "reds-project.zip", project(WARM[0], undecodable(WARM[1]), COLD[0]))
    expect(page.get_by_text("photos/002.jpg is damaged and was left out.")).to_be_visible()
    expect(row(page, "Red").locator(".tv-count")).to_have_text("2")


def test_project_among_photos_is_named_and_left_out(open_teach: Visit) -> None:
    page = open_teach(NO_CAMERA)
    drop(page, {"reds": {"1.jpg": WARM[0], "reds-project.zip": project(WARM[1])}})
    left_out = "reds-project.zip was left out. Open a project or a model by itself."
    expect(page.get_by_text(left_out)).to_be_visible()
    expect(row(page, "Reds").locator(".tv-count")).to_have_text("1")


def test_project_that_is_cleared_while_it_opens_does_not_come_back(open_teach: Visit) -> None:
    page = open_teach(NO_CAMERA)
    open_file(page, "reds-project.zip", project(*(WARM[at % 3] for at in range(60))))
    expect(row(page, "Red").locator(".tv-count")).to_have_text(re.compile("[1-9]"))
    page.get_by_role("button", name="Reds").click()
    for _ in ("menu", "question"):
        page.get_by_role("dialog").get_by_role("button", name="Clear all").click()
    expect(page.get_by_text(re.compile(r"^\d+ photos were not added\.$"))).to_be_visible()
    page.reload()
    name_label(page, "blue")
    expect(row(page, "Red")).to_have_count(0)


def made_elsewhere(file: Path) -> bytes:
    """Return a model whose base has another name there, with a label that was allowed once."""
    with zipfile.ZipFile(file) as saved:
        files = {name: saved.read(name) for name in saved.namelist()}
    manifest = json.loads(files["manifest.json"])
    manifest["base"]["name"] = "elsewhere"
    manifest["labels"] = [label.replace("cold", "cold\u200b") for label in manifest["labels"]]
    return zipped({**files, "manifest.json": json.dumps(manifest).encode()})


def test_project_has_one_model_and_a_friends_is_another(open_teach: Visit, tmp_path: Path) -> None:
    page = open_teach()
    own = page.locator("optgroup[label='Made here'] option")

    def teach_again(count: int) -> None:
        page.goto(page.url.split("?")[0])
        page.get_by_role("link", name="Teach", exact=True).click()
        expect(row(page, "Cold").locator(".tv-count")).to_have_text(str(3 + count))
        choose(page, (f"{count}.jpg", ODD[count]))
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
    page.get_by_role("link", name="Teach", exact=True).click()
    open_file(page, "friend.loupe", made_elsewhere(tmp_path / "friend.loupe"))
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("have invisible characters: cold")
    dialog.get_by_role("button", name="Use it").click()
    page.wait_for_url(re.compile("taught-"))
    expect(own).to_have_count(2)
    give_device(page, WARM[0])
    expect(device_headline(page)).to_have_text(re.compile("warm$"))
    teach_again(1)
    expect(own).to_have_count(2)


SHARE = """
window.sent = [];
window.takes = window.refuses = null;
navigator.canShare = ({ files: [{ name }] }) => takes.test(name);
navigator.share = async ({ files: [file] }) => {
  if (refuses.test(file.name)) throw new DOMException("", "NotAllowedError");
  sent.push([file.name, await file.text()]);
};
"""


def test_model_is_sent_to_a_friend_as_what_the_browser_takes(open_teach: Visit) -> None:
    page = open_teach(NO_CAMERA, SHARE)
    teach_by_files(page)
    page.get_by_role("button", name="Use it").first.click()
    dialog = page.get_by_role("dialog", name="Send “My model”")

    def offer(takes: str, refuses: str) -> None:
        page.evaluate(f"[takes, refuses] = ['{takes}', '{refuses}'].map((one) => new RegExp(one))")
        page.get_by_role("button", name="Send to a friend").click()
        expect(dialog.get_by_text("2 labels")).to_be_visible()

    offer("loupe$", "^$")
    dialog.get_by_role("button", name="Send the file").click()
    expect(dialog).to_have_count(0)
    # Chromium takes every type, and then refuses most of them.
    offer("", "loupe$")
    dialog.get_by_role("button", name="Send the file").click()
    expect(dialog.get_by_text("It goes as a text file.")).to_be_visible()
    dialog.get_by_role("button", name="Send the file").click()
    expect(dialog).to_have_count(0)
    [(name, zipped), (text_name, text)] = page.evaluate("sent")
    assert (name, zipped[:2], text_name) == ("my-model.loupe", "PK", "my-model.loupe.txt")
    offer("^$", "")
    expect(dialog.get_by_text("Save it, then attach it to a message.")).to_be_visible()
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Save the file").click()
    assert saved.value.suggested_filename == name
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Back").click()
    for hostile, flaw in ((text[:-10], "its text"), (text.replace("A", "B"), "its zip|whole zip")):
        open_file(page, text_name, hostile.encode())
        refusal = re.compile(f"^This .loupe file can’t be used: .*({flaw})")
        expect(page.get_by_text(refusal)).to_be_visible()
    open_file(page, text_name, text.encode())
    page.wait_for_url(re.compile("taught-"))


def test_damaged_file_is_named_and_photos_move_and_return(open_teach: Visit) -> None:
    page = open_teach()
    label = "<b>warm</b>"
    page.get_by_role("textbox").fill("\u202ewarm")
    page.keyboard.press("Enter")
    expect(page.get_by_text("text-direction marks")).to_be_visible()
    name_label(page, label)
    broken = ("broken.jpg", b"\xff\xd8\xff")
    choose(page, ("1.jpg", WARM[0]), broken, ("2.jpg", COLD[1]))
    expect(page.get_by_text("broken.jpg is damaged and was left out.")).to_be_visible()
    page.get_by_role("button", name="New label").click()
    name_label(page, "cold")
    choose(page, ("3.jpg", COLD[0]))
    expect(row(page, "Cold").locator(".tv-count")).to_have_text("1")
    page.get_by_role("button", name=f"Photos of {label}: 2").click()
    expect(page.get_by_text("broken.jpg is damaged and was left out.")).to_be_visible()
    page.get_by_role("button", name="Photo 2").click()
    expect(page.get_by_role("button", name="Photo 2")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Move to…").click()
    page.get_by_role("dialog").get_by_role("button", name="cold").click()
    photos = page.get_by_role("button", name=re.compile("^Photo"))
    expect(photos).to_have_count(1)
    page.get_by_role("button", name="Undo: moved 1 photo to cold").click()
    expect(photos).to_have_count(2)
    page.get_by_role("button", name="Photo 1").click()
    page.get_by_role("button", name="Remove 1").click()
    page.get_by_role("button", name="Undo: removed 1 photo").click()
    expect(photos).to_have_count(2)
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("textbox", name="Name of this label").fill("warm")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Warm 2 photos")).to_be_visible()
    page.get_by_role("button", name="Back").click()
    expect(row(page, "Warm").locator(".tv-count")).to_have_text("2")


def test_choices_and_removals_made_while_files_are_added_persist(open_teach: Visit) -> None:
    page = open_teach(NO_CAMERA)
    teach_by_files(page, red=WARM[1:2])
    page.get_by_role("button", name="New label").click()
    choose(page, ("waiting.jpg", WARM[0]))
    expect(page.get_by_text("Name what 1 photo shows.")).to_be_visible()
    row(page, "Red").locator(".tv-choose").click()
    expect(row(page, "Red").locator(".tv-count")).to_have_text("2")
    page.get_by_role("button", name="New label").click()
    name_label(page, "blue")
    choose(page, *((f"{at}.jpg", COLD[at % 3]) for at in range(60)))
    expect(row(page, "Blue").locator(".tv-count")).to_have_text(re.compile("[1-9]"))
    row(page, "Red").locator(".tv-choose").click()
    before = photo_count(page, "Blue")
    wait_until(lambda: photo_count(page, "Blue") > before + 1, 20)
    expect(row(page, "Red").locator(".tv-choose")).to_have_attribute("aria-current", "true")
    # Renamed meanwhile, the old name doesn't come back; nor does a label that is removed.
    page.get_by_role("button", name=re.compile("^Photos of blue")).click()
    page.get_by_role("button", name="Rename").click()
    page.keyboard.type("azure")
    page.keyboard.press("Enter")
    left_out = page.locator(".tv-after")
    expect(left_out).to_have_text(re.compile(r"^\d+ photos were not added\.$"))
    page.get_by_role("button", name="Back").click()
    page.reload()
    expect(row(page, "Azure")).to_be_visible()
    expect(row(page, "Blue")).to_have_count(0)
