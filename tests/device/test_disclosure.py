"""The line below the viewfinder: who gets a photo."""

import pytest

from tests.device.node import run_node

SCRIPT = """
  const { lastLineOf } = await load("view/disclosure.mjs");
  const { api, ...state } = given;
  const identifier = { recipe: { method: "crop" }, state: { isConnected: true, ...state } };
  const options = { identifier, api, run: "auto" };
  const { isFileAllowed = false, next } = state;
  return lastLineOf({ entry: null, error: null, isFileAllowed, next, options }, {});
"""


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"next": "server", "sends": "pixels"}, "On the server: it gets the marked part only"),
        (
            {"next": "server", "sends": "pixels", "api": "api.example.org"},
            "On the server and api.example.org: they get the marked part only",
        ),
        (
            {"next": "server", "sends": "file", "api": "10.0.0.5"},
            "On the server and 10.0.0.5: they get the whole file",
        ),
        (
            {"next": "device", "isFileAllowed": True, "api": "10.0.0.5"},
            "On this device; files it can’t read go to the server and 10.0.0.5",
        ),
        ({"next": "device", "api": "10.0.0.5"}, "On this device: the photo stays here"),
    ],
)
def test_line_names_the_host_that_gets_the_photo(given: dict, line: str) -> None:
    assert run_node(SCRIPT, given) == line
