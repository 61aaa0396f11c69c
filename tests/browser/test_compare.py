"""The Compare page: one photo by every way, without the files for browsers."""

import re

from playwright.sync_api import expect

from model.samples import samples
from model.text import format_size


def test_photo_is_answered_by_each_way_of_the_server(page):
    coffee = next(sample for sample in samples() if sample.name == "coffee")
    page.goto("/compare?model=imagenet")
    page.locator("input[type=file]").set_input_files(coffee.path)
    # Where torch takes long to load, the learner engine gives no answer.
    agreement = page.get_by_role("heading", name=re.compile("All (three|four) say espresso"))
    expect(agreement).to_be_visible(timeout=100_000)
    # The server under test fetches nothing: the device needs only Loupe's own kernels.
    for graph in ("small", "full"):
        expect(page.get_by_text(f"On this device, {graph} graph", exact=True)).to_be_visible()
    compiled = page.locator("p", has_text="On the server, compiled engine")
    expect(compiled).to_contain_text(f"{format_size(coffee.path.stat().st_size)} sent")
    expect(page.get_by_text("My best guess: an espresso").first).to_be_visible()
    # This model isn't calibrated.
    expect(page.get_by_text("Estimated: ")).to_be_visible()
    expect(page.get_by_role("columnheader").filter(has_text="compiled")).to_be_visible()
    latency = page.get_by_role("row").filter(has_text="Latency")
    expect(latency).to_contain_text(" ms")


def test_file_that_is_no_photo_is_refused_with_the_reason(page):
    file = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no photo at all"}
    page.goto("/compare?model=imagenet")
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_role("status").filter(has_text="photo")).to_be_visible(timeout=60_000)
    expect(page.get_by_alt_text("Your photo")).to_be_hidden()
    expect(page.get_by_role("heading", name="Where should inference")).to_be_hidden()
