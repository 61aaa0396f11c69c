"""The whole exported page and its library in Firefox, which Playwright can't drive.

A page around it does.
"""

from pathlib import Path
from typing import Any

import pytest

from model.exporting.formats import export_models
from tests.device.site import Site, run_script
from tests.model.tiny import CALIBRATED, CARD, colour, tiny
from tests.photos import encoded

pytestmark = pytest.mark.browser

SCRIPT = """
  const photo = await fetchBytes("/red.png");
  const { load } = await import("/page/loupe.mjs");
  const model = await load("/page/models/colours/");
  const { answer } = await model.identify(new Blob([photo]));
  model.close();
  const frame = Object.assign(document.createElement("iframe"), {width: 390, height: 844});
  const opened = () => new Promise((resolve) => frame.onload = resolve);
  const found = async (find) => {
    for (;;) {
      const value = find(frame.contentDocument);
      if (value) return value;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const use = async () => {
    const input = await found((page) => page.querySelector("input[type=file]"));
    // Of the frame's own classes, as a visitor's file is.
    const { DataTransfer, File } = frame.contentWindow;
    const files = new DataTransfer();
    files.items.add(new File([photo], "red.png", {type: "image/png"}));
    input.files = files.files;
    input.dispatchEvent(new Event("change", {bubbles: true}));
    const textOf = (name) => found((page) => page.querySelector(name)?.textContent);
    const line = await textOf(".vf-details p");
    return {
      headline: await textOf("h2"),
      line,
      source: (await textOf(".vf-where")).replace(/ in .*/, ""),
      kept: (await textOf("#kept")).replace(/[0-9.]+ /, ""),
    };
  };
  const first = opened();
  frame.src = "/page/?model=colours";
  document.body.append(frame);
  await first;
  const online = await use();
  await note("offline");
  const again = opened();
  frame.contentWindow.location.reload();
  await again;
  const recent = await found((page) => page.querySelector(".vf-recent")?.textContent);
  return [answer, recent, online, await use()];
"""


@pytest.mark.slow
def test_page_answers_in_firefox_and_without_its_host(web: Site, tmp_path: Path) -> None:
    bundle = tiny(tmp_path, "colours", title="Colours", confidence=CALIBRATED, card=CARD)
    export_models([bundle], "web", tmp_path / "page")
    web.folders["/page/"] = tmp_path / "page"

    def unplug(_: Any) -> None:
        del web.folders["/page/"]

    web.on_note = unplug
    try:
        with web.changed({"/red.png": encoded(colour("red"), "PNG")}):
            answer, recent, online, offline = run_script(web, "firefox-esr", SCRIPT)
    finally:
        web.on_note = None
        web.folders.pop("/page/", None)
    assert answer == recent == "red"
    assert online.pop("line") == offline.pop("line")
    assert online == {
        "headline": "Very likely a red",
        "source": "On this device",
        "kept": "Kept on this device: MB. It works without a network.",
    }
    assert offline == online
