"""A visitor's own model in the app: from "Teach" to the viewfinder's menu, and no photo sent."""

import re

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser import drive
from tests.browser.drive_teach import COLD, ODD, WARM, Visit, jpeg, teach_by_files, use_it
from tests.waiting import wait_until

GREEN = jpeg(0, 200, 60)
LEARNED = "It has learned from this photo: try another one"


def teach(page: Page) -> None:
    """Make a model on the page "Teach", and use it."""
    teach_by_files(page)
    use_it(page)


@pytest.fixture
def taught(open_colours: Visit) -> Page:
    """Return Identify with a model that was just made on this phone, which has no camera."""
    page = open_colours(drive.NO_CAMERA, path="/teach", viewport=drive.PHONE)
    teach(page)
    return page


def menu(page: Page) -> tuple[str, list[str]]:
    """Return the chosen model's title, and the titles of those that were made here."""
    select = page.get_by_role("combobox", name="Model").first
    chosen = select.locator("option:checked").inner_text()
    return chosen, select.locator("optgroup[label='Made here'] option").all_inner_texts()


def take(page: Page, photo: bytes, label: str) -> None:
    drive.give(page, photo)
    expect(drive.device_headline(page)).to_have_text(re.compile(label))


def test_your_model_answers_on_the_device_and_no_photo_is_sent(taught: Page) -> None:
    page, asked = taught, list[tuple[str, str]]()
    page.on("request", lambda request: asked.append((request.method, request.url)))
    frames: list[bytes | str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: frames.append(data)))  # noqa: PLW0108
    page.reload()
    expect(page.get_by_text("This model knows warm and cold.", exact=True)).to_be_visible()
    assert menu(page) == ("warm, cold", ["warm, cold"])
    take(page, COLD[0], "cold$")
    expect(drive.source_line(page)).to_have_text(re.compile("^On this device.+; nothing was sent"))
    for name in ("Share", "Right"):
        expect(page.get_by_role("button", name=name)).to_be_hidden()
    page.get_by_role("button", name="Why?").click()
    expect(page.get_by_text("decided it").first).to_be_visible()
    take(page, GREEN, "^None of the two things")
    page.get_by_text("Other models, or teach your own").click()
    link = page.locator(".vf-way", has_text="Name two things")
    expect(link).to_have_attribute("href", "/teach")
    page.reload()
    # A reload keeps the open photo and the earlier ones.
    expect(drive.device_headline(page)).to_have_text(re.compile("^None of the two things"))
    page.get_by_role("list", name="This visit").get_by_role("button").last.click()
    expect(drive.device_headline(page)).to_have_text(re.compile("cold$"))
    # Without its base, there is an error and no fallback.
    page.route("**/*.onnx.gz", lambda route: route.abort())
    page.reload()
    drive.give(page, WARM[0])
    expect(page.get_by_role("alert")).to_contain_text(".onnx.gz can’t be fetched")
    page.wait_for_timeout(1000)
    assert len(asked) > 20
    assert {method for method, _ in asked} == {"GET"}
    # The app gets only the model's id.
    sent = b"".join(frame.encode() if isinstance(frame, str) else frame for frame in frames)
    assert b"taught-" in sent
    assert not [word for word in (b"warm", b"cold", b"two things", b"candidates") if word in sent]


def test_device_page_has_the_same_menu_and_asks_before_it_deletes(taught: Page) -> None:
    page, link = taught, taught.url
    page.goto(f"/device/?{link.split('?')[1]}")
    wait_until(lambda: menu(page) == ("warm, cold", ["warm, cold"]), 10)
    take(page, WARM[0], "warm$")
    page.get_by_role("button", name="Back to the camera").click()
    page.get_by_role("combobox", name="Model").select_option("Wide")
    expect(page.get_by_role("button", name="Delete this model")).to_be_hidden()
    page.goto(link)
    take(page, WARM[0], "warm$")
    page.get_by_role("button", name="Back to the camera").click()
    page.get_by_role("button", name="Delete this model").click()
    question = page.get_by_role("dialog", name="Delete “warm, cold”?")
    question.get_by_role("button", name="Close").click()
    assert menu(page)[1] == ["warm, cold"]
    page.get_by_role("button", name="Delete this model").click()
    question.get_by_role("button", name="Delete it").click()
    expect(page.get_by_role("button", name="Delete this model")).to_be_hidden()
    page.wait_for_url(re.compile("/$"))
    assert menu(page) == ("Colours", [])
    page.get_by_role("list", name="This visit").get_by_role("button").click()
    expect(drive.source_line(page)).to_have_text(re.compile("^On this device.+; nothing was sent"))
    for url in (link, f"/device/?{link.split('?')[1]}"):
        page.goto(url)
        expect(page.get_by_text("The model in this link isn’t on this device.")).to_be_visible()
        assert menu(page) == ("Colours", [])


def version(page: Page) -> str:
    return drive.source_line(page).inner_text().split()[-1]


def project(page: Page) -> dict[str, int]:
    """Return each label's number of photos, as shown by *Teach* in another tab."""
    other = page.context.new_page()
    other.goto("/teach")
    rows = other.get_by_role("list", name="Labels").get_by_role("listitem")
    expect(rows.first).to_be_visible()
    texts = [row.split("\n") for row in rows.all_inner_texts()]
    other.close()
    return {texts[0]: int(texts[-1]) for texts in texts}


def test_photo_is_added_to_the_project_and_taken_out_again(taught: Page) -> None:
    page, requests = taught, list[Request]()
    page.on("request", lambda request: requests.append(request))  # noqa: PLW0108
    take(page, ODD[0], "cold")
    before = version(page)
    page.get_by_role("button", name="Wrong?").click()
    expect(page.get_by_role("heading", name="Add this photo to")).to_be_focused()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Wrong?").click()
    page.get_by_role("button", name="warm", exact=True).click()
    saved = page.locator(".vf-saved")
    expect(saved).to_have_text("Added to warm: 2 photosUndo")
    expect(page.get_by_text(LEARNED, exact=True)).to_be_visible()
    expect(drive.device_headline(page)).to_have_text(re.compile("warm$"))
    assert version(page) != before
    assert project(page) == {"Warm": 2, "Cold": 1}
    # The same photo moves.
    page.get_by_role("button", name="Wrong?").click()
    page.get_by_role("button", name="New label").click()
    page.get_by_role("textbox", name="Label").fill("co\u200bld")
    page.keyboard.press("Enter")
    alert = page.locator(".vf-correction").get_by_role("alert")
    expect(alert).to_have_text(re.compile("^This name can’t be used"))
    page.get_by_role("textbox", name="Label").fill("pale")
    page.get_by_role("button", name="Save").click()
    expect(saved).to_have_text("Added to pale: 1 photoUndo")
    expect(drive.device_headline(page)).to_have_text(re.compile("pale$"))
    assert project(page) == {"Warm": 1, "Cold": 1, "Pale": 1}
    page.reload()
    expect(page.get_by_text(LEARNED, exact=True)).to_be_visible()
    take(page, WARM[1], "warm$")
    page.get_by_role("button", name="Wrong?").click()
    before = page.url
    page.get_by_role("button", name="cold", exact=True).click()
    expect(saved).to_contain_text("Added to cold: 2 photos")
    page.wait_for_url(lambda url: url != before)
    added = page.url
    saved.get_by_role("button", name="Undo").click()
    expect(saved).to_have_text("Undone.")
    expect(drive.device_headline(page)).to_have_text(re.compile("warm$"))
    page.wait_for_url(before)
    assert project(page) == {"Warm": 1, "Cold": 1, "Pale": 1}
    # A share link to a previous version opens the current version.
    page.goto(added)
    wait_until(lambda: menu(page)[0] == "warm, cold, pale", 10)
    assert {request.method for request in requests} <= {"GET"}


def test_model_can_be_chosen_before_your_own_models_are_known(taught: Page) -> None:
    page, held = taught, list[Route]()
    page.route("**/teach/store.mjs*", lambda route: held.append(route))  # noqa: PLW0108
    page.reload()
    drive.wait_until_drawn(page)
    page.get_by_role("combobox", name="Model").first.select_option("Wide")
    expect(page.get_by_role("combobox", name="Model").first).to_have_value("wide")
    held.pop().continue_()
    expect(page.locator("optgroup[label='Made here'] option")).to_have_count(1)
    assert menu(page)[0] == "Wide"


def test_another_place_or_model_can_be_chosen_if_a_links_model_is_gone(open_colours: Visit) -> None:
    page = open_colours(drive.NO_CAMERA, path="/?model=taught-0123456789ab", viewport=drive.PHONE)
    gone = page.get_by_text("The model in this link")
    expect(gone).to_be_visible()
    drive.choose_place(page, "The server")
    expect(drive.source_line(page)).to_have_text(re.compile("^On the server: "))
    page.wait_for_url(re.compile("run=server"))
    expect(drive.source_line(page)).to_have_text(re.compile("^On the server: "))
    # No photo is sent for that model.
    page.goto("/?model=taught-0123456789ab&run=server")
    expect(gone).to_be_visible()
    drive.give(page, COLD[0])
    expect(drive.source_line(page)).to_have_text(re.compile("^On this device"))
    page.get_by_role("button", name="Back to the camera").click()
    page.get_by_role("combobox", name="Model").select_option("Wide")
    # Before the app has followed the choice.
    drive.give(page, COLD[0])
    expect(drive.source_line(page)).to_have_text(re.compile("^On the server"))
    page.wait_for_url(re.compile("model=wide"))
