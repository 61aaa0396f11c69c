"""A visitor of the screen while many clients ask the API all the time."""

import threading

import pytest

from benchmarks.load_client import run_load
from model.samples import samples
from tests.browser.drive import answered, attach, guarded, settled
from tests.browser.server import serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory, chromium):
    """A server of its own, whose queue is shorter than there are clients."""
    with serving(tmp_path_factory.mktemp("api"), LOUPE_QUEUE="4") as server:
        yield server


def test_the_screen_is_answered(browser, served):
    photo, enough, refused = samples()[2].read(), threading.Event(), []

    def ask() -> None:
        while not enough.is_set():
            refused.append(run_load(f"{served.url}/api/v1/identify", [photo] * 64, 32).errors)

    with guarded(browser, {"base_url": served.url}) as page:
        page.goto("/?way=upload")
        settled(page)
        asking = threading.Thread(target=ask)
        asking.start()
        try:
            # Three photos, each answered in words: never "busy".
            for number in range(3):
                attach(page, samples()[number].read(), f"{number}.png")
                answered(page)
        finally:
            enough.set()
            asking.join()
    # It was the API's clients that were told to wait.
    assert sum(refused) > 0
    assert not served.tracebacks()
