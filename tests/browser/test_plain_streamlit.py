"""Hosts without ``st.App``: the entry point as a plain script, alone and in another site's page."""

from urllib.parse import urlsplit
from urllib.request import urlopen

from playwright.sync_api import expect

from tests.browser.drive import (
    attach,
    checked_page,
    go,
    headline,
    press_shutter,
    sample,
    wait_for_plain_answer,
    wait_until_drawn,
)
from tests.browser.server import framing, serving
from ui.navigation import PAGES

COFFEE = ("espresso", "cup", "coffee mug")
ENTRIES = list(PAGES.items())


def take_photo(screen):
    screen.get_by_role("radio", name="Camera").click()
    press_shutter(screen)


def test_plain_script_identifies_and_every_link_works(browser, tmp_path):
    with (
        serving(tmp_path, plain=True) as plain,
        checked_page(browser, {"base_url": plain.url}) as page,
    ):
        with urlopen(f"{plain.url}/api/ready") as response:
            assert "<title>Streamlit</title>" in response.read().decode()
        page.goto("/")
        attach(page, sample("coffee").read(), "coffee.png")
        wait_for_plain_answer(page, *COFFEE)
        take_photo(page)
        wait_for_plain_answer(page, *COFFEE)
        for _, title in ENTRIES:
            go(page, title)
            expect(page).to_have_title(
                "A thousand everyday things"
                if title == ENTRIES[0][1]
                else f"{title} · A thousand everyday things"
            )
            wait_until_drawn(page)
            alerts = page.get_by_test_id("stMain").get_by_test_id("stAlert")
            # Errors in a model's card aren't the app's.
            expect(alerts.filter(has_not_text="What it doesn't notice")).to_have_count(0)
            # No link leads to a route that only st.App has.
            links = page.locator("a[href]").evaluate_all("links => links.map((one) => one.href)")
            own = {urlsplit(link).path for link in links if link.startswith(plain.url)}
            assert own <= {"/", *(f"/{name}" for name in PAGES)}
        assert not plain.tracebacks()
        # The log holds no visitor's address.
        assert "127.0.0.1" not in plain.log()


def test_plain_script_shows_any_page_to_the_first_visitor(browser, tmp_path):
    # Streamlit then takes pages/ for an app without st.navigation, until one opens the first page.
    with (
        serving(tmp_path, plain=True) as plain,
        checked_page(browser, {"base_url": plain.url}) as page,
    ):
        page.goto("/models")
        wait_until_drawn(page)
        expect(page.get_by_test_id("stMain").locator("h2").first).to_be_visible()
        page.goto("/")
        expect(page).to_have_title("A thousand everyday things")
        go(page, "Models")
        wait_until_drawn(page)
        assert not plain.tracebacks()


def test_plain_script_works_under_a_prefix_in_a_frame_of_another_site(browser, tmp_path):
    # Browsers send a frame of another site no cookie, so Streamlit's check is off.
    options = ["--server.enableXsrfProtection=false"]
    with (
        serving(tmp_path, prefix="some/prefix", plain=True, options=options) as plain,
        framing(f"{plain.url}/", "127.0.0.1") as address,
        checked_page(browser, {}) as page,
    ):
        page.goto(address)
        frame = page.frame_locator("iframe")
        attach(frame, sample("coffee").read(), "coffee.png")
        wait_for_plain_answer(frame, *COFFEE)
        take_photo(frame)
        wait_for_plain_answer(frame, *COFFEE)
        go(frame, "Models")
        expect(headline(frame)).to_have_text("Models")
        assert not plain.tracebacks()
