"""The modules run below a path, and in the frame of another site."""

import pytest

from tests.browser.server import framing
from tests.device.site import BROWSERS, Site, run_script, site
from tests.model.tiny import colour
from tests.photos import encoded

pytestmark = pytest.mark.browser

PREFIX = "/some/prefix/~/+"

SCRIPT = """
  const { load } = await import("./device/loupe.mjs");
  const model = await load("models/tiny/");
  const { answer } = await model.identify(new Blob([await fetchBytes("red.png")]));
  let outside = "same site";
  try { top.document.title; } catch (error) { outside = error.name; }
  return [answer, outside];
"""


@pytest.mark.slow
@pytest.mark.parametrize("browser", BROWSERS)
def test_modules_work_below_a_path_in_a_frame_of_another_site(web: Site, browser: str) -> None:
    with site() as prefixed:
        # Nothing is at the root, so an absolute path would fail.
        prefixed.folders = {PREFIX + start: folder for start, folder in web.folders.items()}
        prefixed.files = {PREFIX + path: data for path, data in web.files.items()}
        prefixed.files[f"{PREFIX}/red.png"] = encoded(colour("red"), "PNG")
        page = f"{PREFIX}/page.html"
        assert run_script(prefixed, browser, SCRIPT, path=page) == ["red", "same site"]
        # The site is 127.0.0.1, which is another one than localhost.
        with framing(prefixed.url + page, "localhost") as address:
            result = run_script(prefixed, browser, SCRIPT, path=page, address=address)
        assert result == ["red", "SecurityError"]
