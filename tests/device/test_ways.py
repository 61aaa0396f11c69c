"""``visit/identifier.mjs`` and ``visit/recents.mjs`` in Firefox; ``tests/browser`` has Chromium."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from api.app import routes
from tests.api.conftest import forget
from tests.device.site import Site, run_script
from tests.model.tiny import colour
from tests.photos import encoded

pytestmark = pytest.mark.browser

AUTOMATIC = """
  const { Identifier } = await import("/device/visit/identifier.mjs");
  const server = {url: "/api/v1/", token: "TOKEN", model: "tiny"};
  const [model, address] = ["tiny", "/models/tiny/"];
  const identifier = new Identifier({model, address, server, run: "auto"});
  const settled = new Promise((resolve) => {
    identifier.onchange = () => identifier.state.device !== "loading" && resolve();
  });
  identifier.start();
  await settled;
  const photo = new Blob([await fetchBytes("/red.png")]);
  const { signal } = new AbortController();
  const permission = { part: "file", model: "tiny", host: null, photo, signal };
  const { where, prediction } = await identifier.identify(photo, { permission });
  return {where, label: prediction.answer, ...identifier.state};
"""


@pytest.fixture
def site(web: Site, tiny_bundle: object) -> Iterator[Site]:
    """The site with the API of a model of colours, and a photo."""
    forget()
    web.api = TestClient(Starlette(routes=routes()), base_url=web.url)
    with web.changed({"/red.png": encoded(colour("red"), "PNG")}):
        yield web
    web.api = None
    forget()


@pytest.mark.slow
def test_automatic_answers_on_the_device(site: Site, token: str) -> None:
    result = run_script(site, "firefox-esr", AUTOMATIC.replace("TOKEN", token))
    assert (result["where"], result["label"]) == ("device", "red")
    assert (result["device"], result["next"], result["reason"]) == ("ready", "device", None)


def test_browser_that_adds_noise_to_pixels_leads_to_the_server(site: Site, token: str) -> None:
    noise = {"privacy.resistFingerprinting": True}
    script = AUTOMATIC.replace("TOKEN", token)
    result = run_script(site, "firefox-esr", script, preferences=noise)
    assert (result["where"], result["label"]) == ("server", "red")
    assert (result["device"], result["next"]) == ("failed", "server")
    assert "fingerprinting" in result["reason"]
    assert result["code"] == "engine-unavailable"


@pytest.mark.slow
def test_recent_photos_are_read_again(site: Site) -> None:
    script = """
      const { Recents } = await import("/device/visit/recents.mjs");
      const first = new Recents({prefix: "/app/"});
      for (const id of ["a", "b"]) {
        await first.add({id, photo: new Blob([id]), answer: {token: id}});
      }
      // Another page of this tab, once all is stored.
      for (;;) {
        const again = new Recents({prefix: "/app/"});
        const found = await again.find({ token: "b" });
        if (found) {
          const ids = (await again.list()).map(({ id }) => id);
          await again.clear();
          const other = await new Recents({prefix: "/app/"}).list();
          return {ids, photo: await found.photo.text(), left: other.length};
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    """
    result: Any = run_script(site, "firefox-esr", script)
    assert result == {"ids": ["b", "a"], "photo": "b", "left": 0}
