"""Questions before a photo is sent, and what is sent while they are open."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.drive import CONNECT, GREETING, LOADING_MS, HeldRequests, headline, source_line
from tests.browser.drive_promise import Visit, answered, answered_here, ask, choose, press, select
from tests.waiting import wait_until


def test_photo_given_while_a_question_is_open_asks_too(visit: Visit) -> None:
    page, log = answered_here(visit)
    select(page, "scripts")
    ask(page, "On this device", "On the server")
    page.locator(".vf-ask").evaluate("(panel) => panel.setAttribute('data-first', '')")
    choose(page, "photo.jpg")
    expect(page.locator(".vf-ask[data-first]")).to_have_count(0)
    ask(page, "On this device", "On the server", "Don’t send it")
    assert log.check() == []
    press(page, "Don’t send it")
    expect(page.locator(".vf-ask")).to_have_count(0)
    expect(headline(page)).to_have_text(GREETING)
    assert log.check() == []


@pytest.mark.parametrize("way", ["On this device", "On the server"])
def test_another_model_asks_where_to_run(visit: Visit, way: str) -> None:
    page, log = answered_here(visit)
    ways, panel = ("On this device", "On the server"), page.locator(".vf-ask")
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    select(page, "scripts")
    ask(page, *ways)
    expect(panel).to_contain_text("“ألوان 色” isn’t on this device yet.")
    expect(panel).to_contain_text("Fetches 1 MB first. The photo stays here.")
    expect(panel).to_contain_text("Sends the marked part, about 2 kB.")
    assert not [url for url in fetched if ".onnx" in url], "nothing is fetched before the choice"
    page.get_by_role("button", name="Keep the first answer").click()
    answered(page, "On this device in")
    expect(page.locator(".vf-chip")).to_have_value("colours")
    select(page, "scripts")
    ask(page, *ways)
    # A second choice's question takes the place of the first one's.
    panel.evaluate("(panel) => panel.setAttribute('data-first', '')")
    select(page, "scripts")
    expect(page.locator(".vf-ask[data-first]")).to_have_count(0)
    ask(page, *ways)
    assert log.check() == []
    held = HeldRequests(page, "**/*.onnx*")
    press(page, way)
    if way == "On this device":
        expect(page.locator(".vf-words")).to_contain_text("Your photo is next.")
        expect(source_line(page)).to_have_text("Your photo waits for the model on this device.")
    held.release()
    expect(headline(page)).to_contain_text("أحمر", timeout=LOADING_MS)
    sent = "numbers only" if way == "On this device" else ".* kB of pixels"
    expect(source_line(page)).to_contain_text(re.compile(f"{way} in .* m?s; sent: {sent}"))
    assert log.check() == ([] if way == "On this device" else ["pixels"])
    # The first model is still on the device, so there is no question.
    select(page, "colours")
    answered(page, "On this device in")
    assert log.check() == []


def test_answer_of_the_device_ends_the_permission_for_the_server(visit: Visit) -> None:
    page, log = visit("auto")
    held = HeldRequests(page, "**/*.onnx*")
    page.reload()
    expect(source_line(page)).to_contain_text("A photo already works", timeout=LOADING_MS)
    choose(page, "photo.jpg")
    answered(page, "On the server in")
    held.release()

    def is_here() -> bool:
        choose(page, "photo.jpg")
        answered(page, " in ")
        return source_line(page).inner_text().startswith("On this device")

    wait_until(is_here, 20)
    log.check()
    select(page, "scripts")
    ask(page, "On this device", "On the server")
    assert log.check() == []


def test_photo_that_waits_for_the_device_is_not_sent_unasked(visit: Visit) -> None:
    page, log = answered_here(visit)
    # After this consent, open photos may be sent.
    select(page, "scripts")
    press(page, "On the server")
    expect(headline(page)).to_contain_text("أحمر", timeout=LOADING_MS)
    assert log.check() == ["pixels"]
    page.locator(".vf-shutter").click()
    held = HeldRequests(page, "**/models/wide/model.json*")
    select(page, "wide")
    page.evaluate(CONNECT, "CONNECTING")
    expect(source_line(page)).to_contain_text("A photo will wait for the model on this device.")
    choose(page, "photo.jpg")
    expect(page.locator(".vf-words")).to_contain_text("Your photo is next.")
    for route in held.routes:
        route.abort()
    waits = "No connection. Your photo waits here for the model."
    expect(page.locator(".vf-alert")).to_have_text(waits)
    page.route("**/models/wide/*.onnx*", lambda _: None)
    page.unroute("**/models/wide/model.json*")
    page.evaluate(CONNECT, "CONNECTED")
    ask(page, "On this device", "On the server", "Don’t send it")
    assert log.check() == []
