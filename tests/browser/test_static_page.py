"""The exported page in Chromium, on servers that know nothing of Loupe."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Page, expect
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from model.browser import cache
from model.exporting.formats import export_models
from tests.browser.conftest import COLOURS
from tests.browser.device_app import device_app
from tests.browser.drive import IS_RED, PHONE, RED, device_headline, expect_kept, give_device
from tests.browser.drive_teach import WARM, teach_by_files, use_it
from tests.browser.server import framing, python_server
from tests.model.tiny import colour, tiny
from tests.photos import encoded


@pytest.fixture(scope="module")
def exported(colours_built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An export of a model of colours."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "BUILT_DIR", colours_built)
        bundle = tiny(folder, "colours", **COLOURS)
        export_models([bundle], "web", folder / "page")
        yield folder / "page"


Visit = Callable[..., Page]


@pytest.fixture
def visit(new_page: Visit) -> Visit:
    """Open an address in a fresh profile."""

    def come(url: str, **options: Any) -> Page:
        page: Page = new_page(**options)
        page.goto(url)
        return page

    return come


def identify(page: Page | FrameLocator, data: bytes = RED, title: str = IS_RED) -> None:
    give_device(page, data)
    expect(device_headline(page)).to_have_text(title)
    expect(page.locator(".vf-where")).to_have_text(re.compile("^On this device in"))


class UnpackingFiles(StaticFiles):
    """Files of a host that has browsers unpack those whose names end in ``.gz``."""

    def file_response(self, full_path: Any, *args: Any) -> Response:
        response = super().file_response(full_path, *args)
        if str(full_path).endswith(".gz"):
            response.headers["Content-Encoding"] = "gzip"
        return response


def compressing_files(**options: Any) -> GZipMiddleware:
    """Return the files of a host that packs them on the way, as most hosts do."""
    return GZipMiddleware(StaticFiles(**options))


def static_host(folder: Path, kind: Callable[..., Any] = StaticFiles) -> Any:
    """Serve a folder where the app has ``/device/``."""
    return device_app(Mount("/device", kind(directory=folder, html=True)))


def test_page_works_from_pythons_server_and_then_offline(visit: Visit, exported: Path) -> None:
    with python_server(exported) as url:
        page = visit(url)
        expect(page.get_by_role("heading", level=1)).to_have_text("Colours")
        identify(page)
        expect_kept(page)
    page.context.set_offline(True)
    for _ in range(2):
        page.reload()
        identify(page)
        expect_kept(page)
    teach, back = (
        page.get_by_role("link", name=name, exact=True) for name in ("Teach", "Back to Identify")
    )
    teach.click()
    back.click()
    teach.click()
    teach_by_files(page)
    use_it(page)
    expect(page).to_have_url(re.compile(r"/page/\?model=taught-[0-9a-f]{12}$"))
    give_device(page, WARM[0])
    expect(device_headline(page)).to_have_text(re.compile("warm$"))


@pytest.mark.parametrize("kind", [StaticFiles, compressing_files, UnpackingFiles])
def test_headers_of_the_host_do_not_matter(visit: Visit, exported: Path, kind: Any) -> None:
    with static_host(exported, kind) as host:
        page = visit(host.url)
        identify(page)
        page.get_by_text("This device", exact=True).click()
        page.get_by_role("radio", name=re.compile("^Full:")).check()
        expect(page.locator(".vf-where")).to_have_text(re.compile(", full graph,"))
        expect_kept(page)
        host.stop()
        page.reload()
        identify(page)


VIOLATE = """async () => {
  const element = document.createElement("script");
  element.textContent = "document.body.dataset.inline = 1";
  document.body.append(element);
  const elsewhere = "http://127.0.0.1:9/";
  const sent = await fetch(elsewhere).then(() => "sent", (error) => error.name);
  return [document.body.dataset.inline ?? null, sent];
}"""


@pytest.mark.quick
def test_page_asks_no_other_site_and_can_be_installed(visit: Visit, exported: Path) -> None:
    with static_host(exported) as host:
        page = visit("about:blank")
        urls: list[str] = []
        page.context.on("request", lambda request: urls.append(request.url))
        page.goto(host.url)
        expect_kept(page)
        count = len(host.asked)
        identify(page)
        identify(page, encoded(colour("blue"), "PNG"), "Very likely a blue")
        assert len(host.asked) == count
        assert [url for url in urls if not url.startswith((host.url, "blob:"))] == []
        # Without a server of Loupe's there is none to name.
        assert "server" not in page.locator("body").inner_text().lower()
        devtools = page.context.new_cdp_session(page)
        errors = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
        # Profiles of tests are incognito.
        assert [error["errorId"] for error in errors] == ["in-incognito"]
        manifest = devtools.send("Page.getAppManifest")
        assert manifest["errors"] == []
        assert manifest["url"] == f"{host.url}manifest.webmanifest"
        # The page's Content-Security-Policy forbids other origins and inline scripts.
        assert page.evaluate(VIOLATE) == [None, "TypeError"]


def test_page_works_in_the_frame_of_another_site(visit: Visit, exported: Path) -> None:
    with static_host(exported) as host, framing(host.url, "127.0.0.1") as outer:
        page = visit(outer)
        identify(page.frame_locator("iframe"))


def test_page_opened_as_a_file_says_what_to_do(visit: Visit, exported: Path) -> None:
    page = visit((exported / "index.html").as_uri(), viewport=PHONE)
    words = "Opened as a file, it needs a web server: run python -m http.server in its folder"
    expect(page.locator("#stuck")).to_be_visible()
    expect(page.locator("#stuck")).to_contain_text(words)


@pytest.mark.quick
def test_damaged_file_is_refused_with_a_sentence(visit: Visit, exported: Path) -> None:
    with static_host(exported) as host:
        for path in exported.rglob("*.wasm.gz"):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0xFF
            host.replaced[path.relative_to(exported).as_posix()] = bytes(data)
        page = visit(host.url)
        expect(page.get_by_role("alert")).to_have_text(
            re.compile(r"The model arrived damaged \(.+\)\. Try again\.")
        )
        host.replaced.clear()
        page.get_by_role("button", name="Try again").click()
        identify(page)
