"""A real server and a real Chromium, shared by all tests of this folder."""

import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, BrowserType, Error, Page, expect, sync_playwright

from model.browser import cache
from model.browser.device_files import device_dir
from model.browser.runtime import RUNTIME
from model.bundle import get_bundle
from model.settings import settings
from tests.browser.device_app import DeviceApp, device_app
from tests.browser.drive import (
    COUNT_TRACKS,
    PATIENCE_MS,
    PHONE,
    camera_ready,
    checked_page,
    expect_kept,
    sample,
    slow_down,
    wait_until_drawn,
)
from tests.browser.drive_promise import FAR_MS, WATCH, Log
from tests.browser.drive_promise import Visit as PhotoVisit
from tests.browser.drive_teach import CAMERA, Visit, film
from tests.browser.server import Server, serving
from tests.model.tiny import CALIBRATED, CARD, colour, tiny
from tests.photos import encoded
from tests.tools import require_tool

HERE = Path(__file__).parent
SCRIPTS = ("أحمر قرمزي لامع", "緑色の葉", "azul", "أصفر", "白", "黒")
"""Labels of the model ``scripts``."""
COLOURS = {"title": "Colours", "confidence": CALIBRATED, "card": CARD}
"""Options of the model ``colours``."""


def add_colours(folder: Path, built_dir: Path) -> None:
    """Put models of colours, and what runs them in browsers, into a data folder."""
    shutil.copytree(built_dir / RUNTIME, folder / "data" / "derived" / RUNTIME)
    models_dir = folder / "data" / "models"
    # It sees another part of a photo.
    tiny(models_dir, "wide", title="Wide", side=(32, 64), confidence=CALIBRATED, card=CARD)
    tiny(models_dir, "several", title="Several colours", multilabel=True)
    tiny(models_dir, "colours", **COLOURS)
    tiny(
        models_dir,
        "scripts",
        title="ألوان 色",
        labels=SCRIPTS,
        language="ar",
        confidence=CALIBRATED,
        card=CARD,
    )


WITHOUT = (
    # Pages of Chromium's own for the address bar, which took most of the CPU time of each window.
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    # This list replaces Playwright's, which has these.
    *("AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync"),
    *("DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades"),
    *("LensOverlay", "MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints"),
    *("PaintHolding", "PreconnectToSearch", "ThirdPartyStoragePartitioning"),
)
"""Features of Chromium that tests do without."""


@contextmanager
def launch(kind: BrowserType, path: str, film: Path, *args: str) -> Iterator[Browser]:
    """Start a Chromium whose camera shows a film."""
    launched = kind.launch(
        executable_path=path,
        args=[
            "--no-sandbox",
            "--disable-background-networking",
            "--disable-quic",
            f"--disable-features={','.join(WITHOUT)}",
            "--no-first-run",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={film}",
            "--host-resolver-rules=MAP phone.test 127.0.0.1",
            *args,
        ],
    )
    yield launched
    launched.close()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "quick: not slow, as most tests of a browser are")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
        if item.path.parent == HERE and not item.get_closest_marker("quick"):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the servers' logs and what the open pages show to the report of a failed test."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Server):
                report.sections.append((f"log of {name}", value.log()))
            elif isinstance(value, Browser):
                pages = [page for context in value.contexts for page in context.pages]
                report.sections.extend(map(_describe, pages))
    return report


def _describe(page: Page) -> tuple[str, str]:
    try:
        state = page.evaluate("JSON.stringify(history.state)")
        return f"{page.url} {state}", page.locator("body").aria_snapshot(timeout=1000)
    except Error as error:
        return page.url, error.message


# For this package, not the session: while Playwright's event loop runs, tests elsewhere could not
# start one.
@pytest.fixture(scope="package")
def chromium() -> str:
    """Return Chromium's path."""
    return require_tool("chromium")


@pytest.fixture(scope="package")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start Chromium, whose camera shows a cup of coffee."""
    film = tmp_path_factory.mktemp("camera") / "coffee.mjpeg"
    film.write_bytes(encoded(sample("coffee").open().convert("RGB"), "JPEG", quality=92))
    expect.set_options(timeout=PATIENCE_MS)
    with (
        sync_playwright() as playwright,
        launch(playwright.chromium, chromium, film, "--use-fake-ui-for-media-stream") as launched,
    ):
        yield launched


@pytest.fixture(scope="package")
def server(chromium: str, request: pytest.FixtureRequest) -> Server:
    """Return the app with default settings. Not started if there is no Chromium."""
    running: Server = request.getfixturevalue("app_server")
    return running


@pytest.fixture(scope="package")
def colours_server(
    chromium: str, built_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Return the app with small models of colours, which run on devices as well."""
    folder = tmp_path_factory.mktemp("colours")
    add_colours(folder, built_dir)
    with serving(folder, LOUPE_MODEL="colours", LOUPE_BUILTIN="false") as running:
        yield running


@contextmanager
def building(built_dir: Path) -> Iterator[None]:
    """Make files for browsers as an image's build does: child processes take seconds for each."""
    with FileLock(f"{built_dir}.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOUPE_DATA", str(built_dir.parent))
        settings.cache_clear()
        yield
    settings.cache_clear()


@pytest.fixture(scope="package")
def colours_built(built_dir: Path) -> Path:
    """The same with what browsers load of the model of colours."""
    with building(built_dir):
        device_dir(tiny(built_dir.parent / "models", "colours", **COLOURS))
    return built_dir


@pytest.fixture(scope="package")
def base_built(built_dir: Path) -> None:
    """Make what browsers load of the model on which visitors teach."""
    with building(built_dir):
        device_dir(get_bundle("imagenet"))


@pytest.fixture
def app(
    colours_built: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DeviceApp]:
    """Return the routes of ``/device/`` with a calibrated model of colours."""
    monkeypatch.setattr(cache, "BUILT_DIR", colours_built)
    monkeypatch.setenv("LOUPE_MODEL", "colours")
    tiny(models_dir, "colours", **COLOURS)
    with device_app() as running:
        yield running


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a fresh profile; its options are Playwright's."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(checked_page(browser, options))


@pytest.fixture
def open_colours(
    new_page: Callable[..., Page], colours_server: Server
) -> Iterator[Callable[..., Page]]:
    """Return a function that opens the models of colours in a fresh profile, after some scripts.

    Without ``path`` the page stays blank; further options are Playwright's.
    """

    def come(*scripts: str, path: str = "", **options: Any) -> Page:
        page = new_page(base_url=colours_server.url, **options)
        for script in scripts:
            page.add_init_script(script)
        if path:
            page.goto(path)
        return page

    yield come
    assert not colours_server.tracebacks()


@pytest.fixture
def visit(open_colours: Callable[..., Page]) -> PhotoVisit:
    """Open the app in a mode; a far server is one behind a slow network."""

    def come(run: str, *scripts: str, is_far: bool = True, **options: Any) -> tuple[Page, Log]:
        page = open_colours(WATCH, *scripts, **{"viewport": PHONE, **options})
        if is_far:
            slow_down(page, FAR_MS)
        log = Log(page)
        page.on("request", log.add)
        page.goto(f"/?run={run}")
        wait_until_drawn(page)
        return page, log

    return come


@pytest.fixture
def visitor(new_page: Callable[..., Page], server: Server) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page of the app in a fresh profile."""
    yield lambda **options: new_page(base_url=server.url, **options)
    assert not server.tracebacks()


@pytest.fixture
def page(visitor: Callable[..., Page]) -> Page:
    """Open a page of a desktop's size."""
    return visitor()


@pytest.fixture(scope="module")
def camera(browser: Browser, chromium: str, tmp_path_factory: Any) -> Iterator[Browser]:
    """A second Chromium, whose camera changes its picture and which asks before opening it."""
    film = tmp_path_factory.mktemp("camera") / "colours.mjpeg"
    shown = (colour(name).resize((640, 480)) for name in ("red", "blue", (128, 128, 128)))
    film.write_bytes(b"".join(encoded(picture, "JPEG") * 60 for picture in shown))
    with launch(browser.browser_type, chromium, film) as launched:
        yield launched


@pytest.fixture
def open_camera(camera: Browser, app: DeviceApp) -> Iterator[Callable[..., Page]]:
    """Open the page; with ``allowed``, the browser lets it have the camera without a question."""
    with ExitStack() as stack:

        def come(*scripts: str, allowed: bool = True, url: str = "", **options: Any) -> Page:
            page = stack.enter_context(checked_page(camera, options))
            for script in (COUNT_TRACKS, *scripts):
                page.add_init_script(script)
            if allowed:
                page.context.grant_permissions(["camera"])
            page.goto(url or app.url)
            page.locator(".vf:not([hidden])").wait_for()
            return page

        yield come


@pytest.fixture
def view(open_camera: Callable[..., Page]) -> Page:
    """Open the page and wait until its camera and model are ready."""
    opened = open_camera()
    camera_ready(opened)
    return opened


@pytest.fixture
def open_device(new_page: Any, app: DeviceApp) -> Callable[..., Page]:
    """Open the page in a fresh profile; by default, wait until the device keeps all of it."""

    def come(*, kept: bool = True, **options: Any) -> Page:
        page: Page = new_page(**options)
        page.goto(app.url)
        if kept:
            expect_kept(page)
        return page

    return come


@pytest.fixture
def open_teach(base_built: None, app: DeviceApp, new_page: Any) -> Visit:
    """Open the page "Teach" on a phone that gives it its camera."""

    def come(*scripts: str, url: str = "", **options: Any) -> Page:
        page: Page = new_page(**{"viewport": PHONE, "permissions": ["camera"], **options})
        for script in (CAMERA, *scripts):
            page.add_init_script(script)
        page.goto(url or f"{app.url}teach.html")
        page.locator(".vf:not([hidden])").wait_for()
        film(page, "coffee")
        return page

    return come
