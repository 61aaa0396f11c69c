"""An export's library, imported by another page in both browsers."""

from pathlib import Path

import pytest

from model.bundle import Bundle
from model.exporting.formats import export_models
from tests.device.site import SLOW_FIREFOX, Site, run_script
from tests.model.tiny import CALIBRATED, colour, tiny
from tests.photos import encoded

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def exported(web: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site with an export of a model of colours below a path."""
    folder = tmp_path_factory.mktemp("exported")
    bundle: Bundle = tiny(folder, "colours", confidence=CALIBRATED)
    export_models([bundle], "web", folder / "page")
    web.folders["/some/path/"] = Path(folder / "page")
    web.files["/red.png"] = encoded(colour("red"), "PNG")
    return web


@pytest.mark.parametrize("browser", SLOW_FIREFOX)
def test_library_is_imported_from_an_export(exported: Site, browser: str) -> None:
    script = """
      const { load } = await import("/some/path/loupe.mjs");
      const model = await load("/some/path/models/colours/");
      const blob = new Blob([await fetchBytes("/red.png")]);
      return (await model.identify(blob)).answer;
    """
    assert run_script(exported, browser, script) == "red"
