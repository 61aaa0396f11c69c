"""A real server and a real Chromium, shared by all tests of this folder."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from model.samples import samples
from tests.browser.drive import PATIENCE, guarded
from tests.browser.server import Server
from tests.photos import encoded
from tests.tools import require_tool

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A test that fails shows what its server said."""
    report = yield
    if report.failed:
        for name, server in getattr(item, "funcargs", {}).items():
            if isinstance(server, Server):
                report.sections.append((f"log of {name}", server.log()))
    return report


# Of this package, not of the session: while Playwright runs, its event loop does, too,
# and tests elsewhere could start none of their own.
@pytest.fixture(scope="package")
def chromium() -> str:
    """Chromium's path."""
    return require_tool("chromium")


@pytest.fixture(scope="package")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium with a photograph of a cup of coffee before its camera."""
    film = tmp_path_factory.mktemp("camera") / "coffee.mjpeg"
    coffee = next(sample for sample in samples() if sample.name == "coffee")
    film.write_bytes(encoded(coffee.open().convert("RGB"), "JPEG", quality=92))
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--disable-background-networking",
                "--disable-quic",
                "--no-first-run",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-video-capture={film}",
                "--host-resolver-rules=MAP phone.test 127.0.0.1",
            ],
        )
        yield running
        running.close()


@pytest.fixture(scope="package")
def server(chromium: str, request: pytest.FixtureRequest) -> Server:
    """The app with nothing set but its data folder. Not started where there is no Chromium."""
    running: Server = request.getfixturevalue("app_server")
    return running


@pytest.fixture
def visitor(browser: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """Make visitors, each with a fresh browser profile; options are Playwright's."""
    with ExitStack() as stack:

        def come(**options: Any) -> Page:
            return stack.enter_context(guarded(browser, {"base_url": server.url, **options}))

        yield come
    assert not server.tracebacks()


@pytest.fixture
def page(visitor: Callable[..., Page]) -> Page:
    """A visitor at a desk."""
    return visitor()
