"""A visitor's own model in the app: from "Teach" to the viewfinder's menu, and no photo sent."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.drive import PHONE, attach, checked_page, device_headline, go
from tests.browser.server import Server
from tests.browser.test_teach import CAMERA, COLD, GREEN, WARM, jpeg, teach_by_files

pytestmark = pytest.mark.slow

TAUGHT = re.compile(r"\?model=taught-[0-9a-f]{12}$")


@pytest.fixture
def taught(open_colours: Callable[..., Page]) -> Page:
    """Return Identify with a model that was just made on this phone."""
    page = open_colours(CAMERA, path="/teach", viewport=PHONE, permissions=["camera"])
    teach_by_files(page, warm=WARM, cold=COLD)
    page.get_by_role("button", name="New model").click()
    page.get_by_role("button", name="Use it").click()
    page.wait_for_url(TAUGHT)
    return page


def test_your_model_answers_on_the_device_and_no_photo_is_sent(taught: Page) -> None:
    page, sent = taught, []
    page.on("request", lambda request: request.method != "GET" and sent.append(request.url))
    menu = page.get_by_role("combobox", name="Model")
    expect(menu.locator("option:checked")).to_have_text("My model")
    expect(device_headline(page)).to_contain_text("warm")
    attach(page, jpeg(COLD[0]))
    expect(device_headline(page)).to_contain_text("cold")
