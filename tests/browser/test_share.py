"""A visitor on the other side of a tunnel: another address, https, a websocket, an upload."""

import re

from model.answer.share_link import KEY_FILE
from tests.browser.drive import checked_page, give, sample, wait_for_answer
from tests.sharing import remaining, sharing, tunnel


def test_visitor_uploads_a_photo_through_a_tunnel(browser, tmp_path):
    # Some tunnels keep the Host header, others send another one.
    address = tunnel(tmp_path, "inner:1234")
    with sharing(tmp_path, address=address) as run:
        run.wait_for("Photos pass through Cloudflare's servers, which can read them.")
        printed, children = run.output(), run.children().values()
        assert f"Loupe on the internet:  {address}\n" in printed
        assert "  opens with:             A thousand everyday things\n" in printed
        assert "LOUPE_DOWNLOADS=false keeps the files private" in printed
        assert "█" in printed
        options = {"base_url": address, "ignore_https_errors": True}
        with checked_page(browser, options) as page:
            page.goto("/?run=server")
            give(page, sample("coffee").read(), "coffee.png")
            wait_for_answer(page, "espresso", "cup")
            # Links lead to the public address, and are signed.
            page.get_by_role("button", name="Share").click()
            link = page.get_by_role("dialog").get_by_role("textbox").input_value()
            assert re.match(rf"{address}/\?answer=[^.]+\.[0-9a-f]{{6}}\.", link)
            assert (tmp_path / "loupe" / KEY_FILE).exists()
        app, proxy = sorted(children, key=lambda child: child.name() == "caddy")
        assert app.environ()["LOUPE_URL"] == address
        assert not [name for name in proxy.environ() if name.startswith("LOUPE_")]
        assert run.end() == 0
        assert remaining(children) == []
        # The link answered, and its certificate was checked.
        assert "doesn't answer" not in run.output()
        assert "Traceback" not in run.output()
