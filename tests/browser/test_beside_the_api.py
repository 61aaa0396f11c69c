"""A visitor of the page while many clients keep calling the API."""

import threading

import pytest

from benchmarks.traffic import run_load
from model.samples import samples
from tests.browser.drive import checked_page, give, wait_for_answer, wait_until_drawn
from tests.browser.server import serving


@pytest.fixture(scope="module")
def busy_server(tmp_path_factory, chromium):
    """Start a server whose queue is shorter than the number of clients."""
    with serving(tmp_path_factory.mktemp("api"), LOUPE_QUEUE="4") as server:
        yield server


def test_visitor_gets_answers_while_the_api_is_busy(browser, busy_server):
    photo, stopped, error_counts = samples()[2].read(), threading.Event(), []
    url = f"{busy_server.url}/api/v1/identify"

    def call_api() -> None:
        while not stopped.is_set():
            error_counts.append(run_load(url, [photo] * 64, 32).errors)

    with checked_page(browser, {"base_url": busy_server.url}) as page:
        page.goto("/?run=server")
        wait_until_drawn(page)
        clients = threading.Thread(target=call_api)
        clients.start()
        try:
            # Each of three photos gets an answer, never "busy".
            for number in range(3):
                give(page, samples()[number].read(), f"{number}.png")
                wait_for_answer(page)
        finally:
            stopped.set()
            clients.join()
    # The API's clients were rejected instead.
    assert sum(error_counts) > 0
    assert not busy_server.tracebacks()
