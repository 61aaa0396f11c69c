"""An identifier in a page of the app's origin."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from model.exporting import cache
from tests.api.conftest import forget
from tests.browser.device_app import PREFIX, DeviceApp, device_app
from tests.browser.drive import checked_page
from tests.model.tiny import CALIBRATED, CARD, colour, tiny
from tests.photos import encoded

RED = encoded(colour("red"), "PNG")
PHOTO = f"{PREFIX}/api/session/photo"

SETUP = """
async (given) => {
  const { page, token, photo } = given;
  const { createIdentifier } = await import(`${page}view/identifier.mjs`);
  const blob = new Blob([Uint8Array.from(atob(photo), (letter) => letter.charCodeAt())]);
  const server = { url: `${page}../api/session/`, token, model: "colours" };
  const address = `${page}models/colours/`;
  const create = (options) => {
    const limits = { bytes: 2e7, pixels: 5e7, side: 16 };
    const identifier = createIdentifier({ address, server, limits, ...options });
    identifier.start();
    return identifier;
  };
  const until = (identifier, holds) => new Promise((resolve) => {
    const check = () => holds(identifier.state) && resolve(identifier.state);
    identifier.onchange = check;
    check();
  });
  const isSettled = ({ device }) => device !== "loading";
  const outcome = (promise) => promise.then(
    ({ where, certainty, token }) => ({ where, certainty, isSigned: token.includes(".") }),
    ({ code, name }) => ({ code: typeof code === "string" ? code : name }),
  );
  %s
}
"""


@pytest.fixture
def app(built_dir: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeviceApp]:
    """The routes with a calibrated model of colours, and one place for photos that wait."""
    monkeypatch.setattr(cache, "BUILT_DIR", built_dir)
    monkeypatch.setenv("LOUPE_MODEL", "colours")
    monkeypatch.setenv("LOUPE_QUEUE", "0")
    forget()
    tiny(shelf, "colours", confidence=CALIBRATED, card=CARD)
    with device_app() as running:
        yield running
    forget()


Run = Callable[..., Any]


@pytest.fixture
def page(browser: Browser, app: DeviceApp) -> Iterator[Page]:
    """A page of the app's origin that runs nothing itself."""
    with ExitStack() as stack:
        opened = stack.enter_context(checked_page(browser, {}))
        opened.goto(f"{app.url}models/index.json")
        yield opened


@pytest.fixture
def run(page: Page, app: DeviceApp, token: str) -> Run:
    """Run a script with an identifier in the page; return its result."""

    def run_script(script: str, photo: bytes = RED, **values: Any) -> Any:
        given = {"page": app.url, "token": token, "photo": base64.b64encode(photo).decode()}
        return page.evaluate(SETUP % script, given | values)

    return run_script


def photos_sent(app: DeviceApp) -> int:
    return app.asked.count(PHOTO)


SURE = {"certainty": "likely"}
DEVICE, SERVER = (
    SURE | {"where": "device", "isSigned": False},
    SURE | {"where": "server", "isSigned": True},
)


NOISE = """
const plain = OffscreenCanvasRenderingContext2D.prototype.getImageData;
OffscreenCanvasRenderingContext2D.prototype.getImageData = function (...box) {
  const image = plain.apply(this, box);
  image.data[0] ^= 1;
  return image;
};
"""
"""What browsers do that resist fingerprinting."""
