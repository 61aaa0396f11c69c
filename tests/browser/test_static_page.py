"""The exported page in Chromium, on servers that know nothing of Loupe."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from deploy.ports import free_port
from model.browser import cache
from model.exporting.formats import export_models
from tests.browser.conftest import COLOURS
from tests.browser.drive import PHONE, RED, device_headline, expect_kept, give_device
from tests.browser.drive_teach import COLD, WARM, jpeg, teach_by_files
from tests.browser.server import framing
from tests.browser.static_host import static_host
from tests.model.tiny import colour, tiny
from tests.photos import encoded
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def exported(colours_built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An export of a model of colours."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "BUILT_DIR", colours_built)
        bundle = tiny(folder, "colours", **COLOURS)
        export_models([bundle], "web", folder / "page")
        yield folder / "page"


@pytest.fixture
def visit(new_page: Any) -> Callable[..., Page]:
    """Open an address in a fresh profile."""

    def come(url: str, **options: Any) -> Page:
        page: Page = new_page(**options)
        page.goto(url)
        return page

    return come


def identify(
    page: Page | FrameLocator, data: bytes = RED, title: str = "Very likely a red"
) -> None:
    give_device(page, data)
    expect(device_headline(page)).to_have_text(title)
    expect(page.locator(".vf-where")).to_have_text(re.compile("^On this device in"))


@contextlib.contextmanager
def http_server(folder: Path) -> Iterator[str]:
    """Run ``python -m http.server`` above a folder; yield the folder's address."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--directory", str(folder.parent)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://localhost:{port}/{folder.name}/"

    def is_ready() -> bool:
        with urlopen(url, timeout=5) as response:
            return bool(response.status == 200)

    try:
        wait_until(is_ready, 20)
        yield url
    finally:
        process.kill()
        process.wait()


def test_page_works_from_pythons_server_and_then_without_it(visit: Any, exported: Path) -> None:
    with http_server(exported) as url:
        page = visit(url)
        expect(page.get_by_role("heading", level=1)).to_have_text("Colours")
        identify(page)
        expect_kept(page)
    page.context.set_offline(True)
    for _ in range(2):
        page.reload()
        identify(page)
        expect_kept(page)


def test_your_model_is_taught_and_used_without_a_server(visit: Any, exported: Path) -> None:
    with http_server(exported) as url:
        page = visit(url)
        expect_kept(page)
    page.context.set_offline(True)
    page.get_by_role("link", name="Teach", exact=True).click()
    page.get_by_role("link", name="Back to Identify").click()
    page.get_by_role("link", name="Teach", exact=True).click()
    teach_by_files(page, warm=WARM[:1], cold=COLD[:1])
    page.get_by_role("button", name="Use it").first.click()
    page.get_by_role("button", name="Use it").last.click()
    expect(page).to_have_url(re.compile(r"/page/\?model=taught-[0-9a-f]{12}$"))
    give_device(page, jpeg(WARM[0]))
    expect(device_headline(page)).to_have_text(re.compile("warm$"))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="plain"),
        pytest.param({"compresses": True}, id="compressing"),
        pytest.param({"encodings": {".gz": "gzip"}}, id="unpacking"),
    ],
)
def test_headers_of_the_host_do_not_matter(visit: Any, exported: Path, options: Any) -> None:
    with static_host(exported, **options) as host:
        page = visit(host.url)
        identify(page)
        page.get_by_text("This device", exact=True).click()
        page.get_by_role("radio", name=re.compile("^Full:")).check()
        expect(page.locator(".vf-where")).to_have_text(re.compile(", full graph,"))
        expect_kept(page)
        host.is_down = True
        page.reload()
        identify(page)


@pytest.mark.quick
def test_no_other_site_is_asked_and_no_server_after_loading(visit: Any, exported: Path) -> None:
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


def test_page_works_in_the_frame_of_another_site(visit: Any, exported: Path) -> None:
    with static_host(exported) as host, framing(host.url, "127.0.0.1") as outer:
        page = visit(outer)
        identify(page.frame_locator("iframe"))


def test_page_can_be_installed(visit: Any, exported: Path) -> None:
    with static_host(exported) as host:
        page = visit(host.url)
        expect_kept(page)
        devtools = page.context.new_cdp_session(page)
        errors = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
        # Profiles of tests are incognito.
        assert [error["errorId"] for error in errors] == ["in-incognito"]
        manifest = devtools.send("Page.getAppManifest")
        assert manifest["errors"] == []
        assert manifest["url"] == f"{host.url}manifest.webmanifest"


@pytest.mark.quick
def test_policy_of_the_page_holds(visit: Any, exported: Path) -> None:
    with static_host(exported) as host:
        page = visit(host.url)
        identify(page)
        blocked = page.evaluate(
            """async () => {
              const element = document.createElement("script");
              element.textContent = "document.body.dataset.inline = 1";
              document.body.append(element);
              const elsewhere = "http://127.0.0.1:9/";
              const sent = await fetch(elsewhere).then(() => "sent", (error) => error.name);
              return [document.body.dataset.inline ?? null, sent];
            }"""
        )
        assert blocked == [None, "TypeError"]


def test_page_opened_as_a_file_says_what_to_do(visit: Any, exported: Path) -> None:
    page = visit((exported / "index.html").as_uri(), viewport=PHONE)
    sentence = page.locator("#stuck")
    expect(sentence).to_be_visible()
    expect(sentence).to_contain_text(
        "Opened as a file, it needs a web server: run python -m http.server in its folder"
    )


@pytest.mark.quick
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(".onnx.gz", marks=pytest.mark.slow),
        pytest.param(".golden.gz", marks=pytest.mark.slow),
        ".wasm.gz",
    ],
)
def test_damaged_file_is_refused_with_a_sentence(visit: Any, exported: Path, end: str) -> None:
    with static_host(exported) as host:
        for path in exported.rglob(f"*{end}"):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0xFF
            host.changed[path.relative_to(exported).as_posix()] = bytes(data)
        page = visit(host.url)
        expect(page.get_by_role("alert")).to_have_text(
            re.compile("was cut short or changed|doesn’t match its SHA-256")
        )
        host.changed.clear()
        page.get_by_role("button", name="Try again").click()
        identify(page)
