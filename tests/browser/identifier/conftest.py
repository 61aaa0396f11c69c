"""An identifier in a page of the app's origin."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from model.browser.device_files import LIMITS
from tests.api.conftest import forget
from tests.browser.device_app import PREFIX, DeviceApp
from tests.browser.drive import RED

PHOTO = f"{PREFIX}/api/v1/identify"

SETUP = """
async (given) => {
  const { limits, page, token, photo } = given;
  const { Identifier } = await import(`${page}visit/identifier.mjs`);
  const blob = new Blob([Uint8Array.from(atob(photo), (letter) => letter.charCodeAt())]);
  const server = { url: `${page}../api/v1/`, token, model: "colours" };
  const address = `${page}models/colours/`;
  const create = (options) => {
    const model = "colours";
    const identifier = new Identifier({ model, address, server, limits, ...options });
    identifier.start();
    return identifier;
  };
  const never = new AbortController().signal;
  const permit = (part, photo = blob, isFileAllowed = false) =>
    ({ part, photo, model: "colours", host: null, isFileAllowed, signal: never });
  const identify = (identifier, part = "file", options = {}) =>
    identifier.identify(blob, { permission: permit(part), ...options });
  const until = (identifier, holds) => new Promise((resolve) => {
    const check = () => holds(identifier.state) && resolve(identifier.state);
    identifier.onchange = check;
    check();
  });
  const isSettled = ({ device }) => device !== "loading";
  const outcome = (promise) => promise.then(
    ({ where, certainty, token }) => ({ where, certainty, isSigned: token.includes(".") }),
    ({ cause, code, name, part }) => {
      if (part) return { refused: part, cause: cause?.code ?? null };
      return { code: typeof code === "string" ? code : name };
    },
  );
  const answerOf = (options, part) => outcome(identify(create(options), part));
  const report = async (identifier, part) => {
    const answering = identify(identifier, part);
    const { sent } = await answering.catch(() => ({}));
    return { answer: await outcome(answering), sent, ...identifier.state };
  };
  const settle = async (options) => {
    const identifier = create(options);
    await until(identifier, isSettled);
    return identifier;
  };
  %s
}
"""


@pytest.fixture
def app(app: DeviceApp, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeviceApp]:
    """The routes with one place for photos that wait."""
    monkeypatch.setenv("LOUPE_QUEUE", "0")
    forget()
    yield app
    forget()


Run = Callable[..., Any]


@pytest.fixture
def page(new_page: Callable[[], Page], app: DeviceApp) -> Page:
    """Open a page of the app's origin without scripts of its own."""
    opened = new_page()
    opened.goto(f"{app.url}models/index.json")
    return opened


@pytest.fixture
def run(page: Page, app: DeviceApp, token: str) -> Run:
    """Run a script with an identifier in the page; return its result."""

    def run_script(script: str, photo: bytes = RED, **values: Any) -> Any:
        given = {"page": app.url, "token": token, "photo": base64.b64encode(photo).decode()}
        return page.evaluate(SETUP % script, given | {"limits": LIMITS} | values)

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
"""Changes pixels, as browsers do that resist fingerprinting."""
