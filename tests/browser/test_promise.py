"""Bodies that leave the browser, against the words on its screen, in each mode.

What else a visitor may do, and when, is drawn in ``test_promise_model``.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import drive
from tests.browser.drive_promise import (
    FILES,
    Log,
    Visit,
    answered,
    ask,
    choose,
    press,
    ready,
    select,
)
from tests.waiting import wait_until

SLOW_CAMERA = """
window.isTaken = false;
ImageCapture.prototype.takePhoto = async function () {
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const photo = await new Promise((resolve) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
    const context = canvas.getContext("2d");
    context.fillStyle = "red";
    context.fillRect(0, 0, 64, 64);
    canvas.toBlob(resolve, "image/jpeg");
  });
  setTimeout(() => { window.isTaken = true; }, 500);
  return photo;
};
"""
DESK_WITH_CAMERA = {"viewport": drive.DESK, "permissions": ["camera"]}


def walk(page: Page, log: Log) -> list[str]:
    """Do all that a visitor does besides choosing a file; return the routes that got a photo."""
    page.locator(".vf-shutter").click()
    expect(drive.headline(page)).to_have_text(re.compile("^(Very|Prob|None|Hard|.* or )"))
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("canvas.vf-spotlight")).to_be_visible()
    drive.share_link(page)
    drive.correct(page, "rose")
    drive.correct(page, "tulip", sends_copy=True)
    routes = log.check()
    drive.hand_over(page, "paste", drive.GREEN_PHOTO)
    expect(drive.headline(page)).to_have_text(drive.IS_GREEN)
    page.locator(".vf-recent").last.click()
    expect(drive.headline(page)).not_to_have_text(drive.IS_GREEN)
    drive.wait_until_drawn(page)
    routes += log.check()
    page.reload()
    expect(drive.source_line(page)).to_contain_text(" in ")
    return routes + log.check()


CORRECTED = ["correction", "correction"]


def test_device_sends_nothing(visit: Visit) -> None:
    page, log = visit("device")
    ready(page)
    choose(page, "photo.jpg")
    answered(page, "On this device in .* m?s; sent: numbers only")
    for name in [name for name in FILES if name != "photo.jpg"]:
        choose(page, name)
        expect(page.locator(".vf-alert")).not_to_be_empty()
        expect(page.locator(".vf-ask")).to_have_count(0)
    assert log.check() == []
    expect(page.locator(".vf-file")).to_have_text(re.compile(r"empty\.jpg"))
    page.locator(".vf-shutter").click()
    page.get_by_role("button", name="Live").click()
    expect(drive.source_line(page)).to_contain_text("a second")
    page.get_by_role("button", name="Photo", exact=True).click()
    assert walk(page, log) == CORRECTED
    # Another model is fetched once that was chosen, and looks at the photo here.
    page.locator(".vf-recent").last.click()
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    held = drive.HeldRequests(page, "**/models/scripts/model.json*")
    select(page, "scripts")
    ask(page, "On this device")
    held.release()
    # A second choice's question takes the place of the first one's.
    page.locator(".vf-ask").evaluate("(panel) => panel.setAttribute('data-first', '')")
    select(page, "scripts")
    expect(page.locator(".vf-ask[data-first]")).to_have_count(0)
    ask(page, "On this device")
    page.get_by_role("button", name="Keep the first answer").click()
    answered(page, "On this device in")
    expect(page.locator(".vf-chip")).to_have_value("colours")
    assert not [url for url in fetched if ".onnx" in url]
    select(page, "scripts")
    press(page, "On this device")
    expect(drive.headline(page)).to_contain_text("أحمر")
    assert log.check() == []


def test_photo_that_waits_for_the_device_is_not_sent_unasked(visit: Visit) -> None:
    page, log = visit("auto")
    ready(page)
    choose(page, "photo.jpg")
    answered(page, "On this device in .* m?s; sent: numbers only")
    # After this choice, open photos may be sent.
    select(page, "scripts")
    press(page, "On the server")
    expect(drive.headline(page)).to_contain_text("أحمر")
    assert log.check() == ["pixels"]
    page.locator(".vf-shutter").click()
    held = drive.HeldRequests(page, "**/models/wide/model.json*")
    select(page, "wide")
    page.evaluate(drive.CONNECT, "CONNECTING")
    line = "A photo will wait for the model on this device."
    expect(drive.source_line(page)).to_contain_text(line)
    choose(page, "photo.jpg")
    expect(page.locator(".vf-words")).to_contain_text("Your photo is next.")
    for route in held.routes:
        route.abort()
    waits = "No connection. Your photo waits here for the model."
    expect(page.locator(".vf-alert")).to_have_text(waits)
    page.route("**/models/wide/*.onnx*", lambda _: None)
    page.unroute("**/models/wide/model.json*")
    page.evaluate(drive.CONNECT, "CONNECTED")
    ask(page, "On this device", "On the server", "Don’t send it")
    assert log.check() == []


def test_automatic_asks_before_anything_leaves_the_device(visit: Visit) -> None:
    page, log = visit("auto")
    ready(page)
    choose(page, "photo.jpg")
    answered(page, "On this device in .* m?s; sent: numbers only")
    for name in ("photo.heic", "photo.tiff", "cut.heic"):
        choose(page, name)
        ask(page, "Send the file", "Don’t send it")
        expect(page.locator(".vf-file")).to_have_text(re.compile(f"{name}.* kB"))
        page.keyboard.press("Escape")
        expect(page.locator(".vf-ask")).to_have_count(0)
    # There is no question about a file that the server would refuse as well.
    for name, words in (("empty.jpg", "is empty"), ("cut.jpg", "damaged"), ("text.txt", "read")):
        choose(page, name)
        expect(page.locator(".vf-alert")).to_contain_text(words)
    assert log.check() == []
    page.locator(".vf-shutter").click()
    assert walk(page, log) == CORRECTED
    page.locator(".vf-shutter").click()
    ready(page)
    choose(page, "photo.heic")
    press(page, "Send the file")
    answered(page, "On the server in .*; sent: the file, .* kB")
    assert log.check() == ["photo"]
    expect(page.locator(".vf-recent .vf-thumb").first).to_have_text("HEIC")
    expect(page.get_by_role("button", name="Show the whole photo")).to_be_hidden()
    # The choice holds, and the line says so.
    page.locator(".vf-shutter").click()
    expect(drive.source_line(page)).to_have_text(
        "On this device; files it can’t read go to the server"
    )
    choose(page, "cut.heic")
    expect(page.locator(".vf-alert")).to_contain_text("incomplete")
    expect(drive.source_line(page)).to_have_text("Sent to the server: the file, 1 kB")
    assert log.check() == ["photo"]
    drive.choose_place(page, "This device")
    expect(page.locator(".vf-alert")).to_contain_text("can’t read")
    expect(drive.source_line(page)).to_have_text("Sent to the server: the file, 1 kB")
    page.locator(".vf-shutter").click()
    ready(page)
    # The line says that a file is being sent, or that it waits for the server.
    drive.choose_place(page, "Automatic")
    held = drive.HeldRequests(page, "**/api/v1/identify*")
    choose(page, "photo.heic")
    line = drive.source_line(page)
    expect(line).to_have_text(re.compile(r"Sending the file to the server: \d+ kB"))
    for route in held.routes:
        route.abort()
    expect(line).to_have_text("Sent again once the server is back: the whole file")
    page.unroute("**/api/v1/identify*")
    page.get_by_role("button", name="Try again").click()
    answered(page, "On the server in .*; sent: the file, .* kB")
    assert set(log.check()) == {"photo"}


def test_waiting_photo_stays_here_once_this_device_is_chosen(visit: Visit) -> None:
    page, _ = visit("server")
    held = drive.HeldRequests(page, "**/v1/identify*")
    choose(page, "photo.jpg")
    expect(page.get_by_text("Asking the server…").first).to_be_visible()
    held.routes[0].abort()
    line = drive.source_line(page)
    expect(line).to_have_text("Sent again once the server is back: the marked part")
    drive.choose_place(page, "This device")
    answered(page, r"On this device in .*; sent: \d+ kB of pixels")


@pytest.mark.parametrize("is_reloaded", [True, False])
def test_interrupted_photo_is_asked_about_until_the_model_is_here(
    visit: Visit, is_reloaded: bool
) -> None:
    page, _ = visit("auto")
    ready(page)
    model, photo = (drive.HeldRequests(page, path) for path in ("**/*.onnx*", "**/v1/identify*"))
    page.reload()
    expect(drive.source_line(page)).to_contain_text("A photo already works")
    choose(page, "photo.jpg")
    expect(page.get_by_text("Asking the server…").first).to_be_visible()
    if is_reloaded:
        page.reload()
    else:
        drive.go(page, "About")
        drive.go(page, "Identify")
    ask(page, "On this device", "On the server", "Don’t send it")
    expect(page.get_by_text("Nothing has been sent")).to_have_count(0)
    if is_reloaded:
        press(page, "On this device")
    # Otherwise the question ends by itself.
    model.release()
    sent = "the server may have got the photo before a reload" if is_reloaded else "sent: .* pixels"
    answered(page, f"On this device in .*; {sent}")
    assert photo.routes


def test_server_gets_the_marked_part_only(visit: Visit) -> None:
    page, log = visit("server")
    expect(drive.source_line(page)).to_have_text("On the server: it gets the marked part only")
    choose(page, "photo.jpg")
    answered(page, r"On the server in .* m?s; sent: \d kB of pixels")
    assert log.check() == ["pixels"]
    for name in ("photo.heic", "cut.heic"):
        choose(page, name)
        ask(page, "Send the file", "Don’t send it")
        page.keyboard.press("Escape")
    choose(page, "empty.jpg")
    expect(page.locator(".vf-alert")).to_have_text("This file is empty. Choose another photo.")
    assert log.check() == []
    page.locator(".vf-shutter").click()
    assert walk(page, log) == ["pixels", "pixels/explanation", *CORRECTED, "pixels"]
    # Below the visitor's own answer the line covers the next photo; below a link's it doesn't.
    with page.expect_response(re.compile("pixels=")):
        choose(page, "photo.jpg")
    answered(page, r"On the server in .* m?s; sent: \d kB of pixels")
    assert log.check() == ["pixels"]
    page.get_by_role("button", name="Clear recent photos").click()
    page.reload()
    expect(page.locator(".vf-recent")).to_have_count(0)
    expect(drive.source_line(page)).to_contain_text("On the server, from pixels")
    choose(page, "photo.jpg")
    ask(page, "On the server", "Don’t send it")
    press(page, "Don’t send it")
    expect(drive.source_line(page)).to_have_text("On the server: it gets the marked part only")
    assert log.check() == []
    choose(page, "photo.jpg")
    answered(page, "On the server in")
    assert log.check() == ["pixels"]
    select(page, "scripts")
    expect(drive.headline(page)).to_contain_text("أحمر")
    assert log.check() == ["pixels"]
    choose(page, "photo.tiff")
    press(page, "Send the file")
    expect(drive.source_line(page)).to_contain_text(
        re.compile("On the server in .*; sent: the file")
    )
    assert log.check() == ["photo"]


def test_line_is_true_before_the_page_knows_what_it_will_send(visit: Visit) -> None:
    # As if the page's first bundle contained no worker.
    none = "Object.defineProperty(globalThis, 'modelWorker', { get() {}, set() {} });"
    page, log = visit("server", none)
    held = drive.HeldRequests(page, "**/engine/worker.mjs*")
    with page.expect_request("**/engine/worker.mjs*"):
        page.reload()
    expect(drive.source_line(page)).to_have_text("On the server: it gets the photo or a part of it")
    choose(page, "photo.jpg")
    # There may be two requests: a reloaded page can start a second worker.
    held.release()
    answered(page, "On the server in .* m?s; sent: .* of pixels")
    # By now the page knows, and less is sent than the line said.
    choose(page, "photo.jpg")
    expect(page.locator(".vf-recent")).to_have_count(2)
    assert log.check() == ["pixels", "pixels"]


@pytest.mark.quick
def test_server_on_this_machine_gets_the_file(visit: Visit) -> None:
    page, log = visit("server", is_far=False)

    def is_near() -> bool:
        expect(drive.source_line(page)).not_to_contain_text("or a part of it")
        if drive.source_line(page).inner_text() == "On the server: it gets the whole file":
            return True
        # On a busy machine, none of the page's files may have come quickly.
        page.evaluate("delete sessionStorage.loupeServer")
        page.reload()
        return False

    wait_until(is_near, 60)
    for name in ("photo.jpg", "photo.heic"):
        choose(page, name)
        answered(page, "On the server in .* m?s; sent: the file, .* kB")
    assert log.check() == ["photo", "photo"]


@pytest.mark.quick
def test_refusal_holds_for_the_visit(visit: Visit) -> None:
    page, log = visit("auto")
    ready(page)
    choose(page, "photo.heic")
    with page.expect_file_chooser():
        press(page, "Don’t send it")
    expect(drive.headline(page)).to_have_text(drive.GREETING)
    choose(page, "photo.tiff")
    expect(page.locator(".vf-alert")).to_contain_text("can’t read")
    expect(drive.source_line(page)).to_have_text("On this device: the photo stays here")
    assert log.check() == []


def test_other_model_asks_before_it_gets_a_photo_being_taken(visit: Visit) -> None:
    page, log = visit("auto", SLOW_CAMERA, **DESK_WITH_CAMERA)
    ready(page)
    # Keep the other model from becoming ready during the test.
    page.route("**/models/scripts/*.onnx*", lambda _: None)
    drive.shutter(page).click()
    select(page, "scripts")
    ask(page, "On this device", "On the server", "Don’t send it")
    assert log.check() == []
    press(page, "On the server")
    expect(drive.headline(page)).to_contain_text("أحمر")
    expect(drive.source_line(page)).to_contain_text(
        re.compile("On the server in .*; sent: .* of pixels")
    )
    assert log.check() == ["pixels"]


@pytest.mark.parametrize("run", ["auto", "server"])
def test_question_about_a_file_stands_again_after_back_and_forward(visit: Visit, run: str) -> None:
    page, log = visit(run)
    expect(drive.source_line(page)).to_have_text(re.compile("stays here|marked part"))
    choose(page, "photo.heic")
    for _ in range(2):
        ask(page, "Send the file", "Don’t send it")
        drive.wait_until_stored(page)
        page.go_back()
        expect(drive.headline(page)).to_have_text(drive.GREETING)
        page.go_forward()
    ask(page, "Send the file", "Don’t send it")
    expect(page.locator(".vf-file")).to_have_text(re.compile(r"photo\.heic"))
    assert log.check() == []
    press(page, "Send the file")
    answered(page, "On the server in .*; sent: the file, .* kB")
    assert log.check() == ["photo"]


def test_line_states_both_uploads_after_another_model_was_chosen(visit: Visit) -> None:
    page, log = visit("server")
    aborted: list[str] = []
    page.on("requestfailed", lambda request: aborted.append(request.url))
    held = drive.HeldRequests(page, "**/v1/identify*")
    drive.give(page, drive.sample("coffee").read())
    expect(page.get_by_text("Asking the server…").first).to_be_visible()
    select(page, "wide")
    wait_until(lambda: page.evaluate("1") and len(held.routes) == 2)
    held.release()
    sizes = [len(route.request.post_data_buffer or b"") for route in held.routes]
    both = " and ".join(f"{size / 1000:.0f} kB" for size in sizes)
    expect(drive.source_line(page)).to_contain_text(f"sent: {both} of pixels")
    assert sizes[0] != sizes[1]
    assert aborted == [held.routes[0].request.url]
    assert log.check() == ["pixels", "pixels"]
