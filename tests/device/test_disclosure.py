"""The line below the viewfinder: who gets a photo."""

import pytest

from tests.device.node import run_node

SCRIPT = """
  const { lastLineOf } = await load("view/disclosure.mjs");
  const { api = null, error = null, isFileAllowed = false, next = "server", ...rest } = given;
  const { photo, ...state } = { isConnected: true, sends: "file", next, ...rest };
  const answer = photo ? { where: photo, sent: { kind: "pixels", bytes: 1 } } : null;
  const options = { identifier: { recipe: { method: "crop" }, state, api }, run: "auto" };
  const entry = photo === undefined ? null : { answer };
  return lastLineOf({ entry, error, isFileAllowed, next, options }, {});
"""


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"sends": "pixels"}, "On the server: it gets the marked part only"),
        (
            {"sends": "pixels", "api": "api.example.org"},
            "On the server and api.example.org: they get the marked part only",
        ),
        ({"api": "10.0.0.5"}, "On the server and 10.0.0.5: they get the whole file"),
        (
            {"next": "device", "isFileAllowed": True, "api": "10.0.0.5"},
            "On this device; files it can’t read go to the server and 10.0.0.5",
        ),
        ({"next": "device", "api": "10.0.0.5"}, "On this device: the photo stays here"),
        (
            {"next": "device", "device": "loading"},
            "Fetching the model. A photo will wait for the model on this device.",
        ),
        (
            {"next": "device", "device": "loading", "photo": None},
            "Your photo waits for the model on this device.",
        ),
    ],
)
def test_line_names_the_host_that_gets_the_photo(given: dict, line: str) -> None:
    assert run_node(SCRIPT, given)["text"] == line


@pytest.mark.parametrize(
    ("shown", "part"),
    [
        ({"error": "damaged"}, None),
        ({"isConnected": False, "next": "device", "device": "ready"}, "nothing"),
        ({"isConnected": False}, None),
        ({"photo": "server"}, "pixels"),
        ({"photo": "device"}, "nothing"),
    ],
)
def test_line_permits_only_what_it_says(shown: dict, part: str | None) -> None:
    """An open photo has no answer yet, or one from a place."""
    assert run_node(SCRIPT, {"photo": None, **shown})["part"] == part


def test_line_of_an_answer_whose_sending_is_unknown_still_states_a_copy() -> None:
    script = "return (await load('view/disclosure.mjs')).sourceOf(given, true, false, null);"
    answer = {"where": "server", "milliseconds": None, "sent": None, "copy": 18_000}
    assert run_node(script, answer).endswith("before a reload; sent: a copy, 18 kB")


def test_question_names_the_model_and_what_each_way_moves() -> None:
    asked = run_node(
        """
        const { placeQuestion } = await load("view/disclosure.mjs");
        const recipe = { method: "crop", resize: [32, 32] };
        const state = { next: "server", sends: "pixels", device: "off", reason: null };
        return placeQuestion(null, { recipe, state, api: null }, given, true);
        """,
        {"title": "ألوان 色", "bytes": 1_300_000},
    )
    assert asked["line"] == "“ألوان 色” isn’t on this device yet."
    assert {way["title"]: way["line"] for way in asked["ways"]} == {
        "On this device": "Fetches 1 MB first. The photo stays here.",
        "On the server": "Sends the marked part, about 2 kB.",
    }


def test_questions_and_modes_name_that_host_as_well() -> None:
    asked = run_node(
        """
        const { fileQuestion, modesOf, placeQuestion } = await load("view/disclosure.mjs");
        const state = { next: "server", sends: "file", device: "off", reason: "" };
        const identifier = { recipe: null, state, api: given };
        const place = placeQuestion(new Blob(["photo"]), identifier, {}, false);
        const file = fileQuestion(new Blob(), { code: "bad-format" }, given);
        const modes = modesOf("the whole file", given).map(([, , line]) => line);
        return [place.ways[0].line, file.ways[0].line, modes[0], modes[2]];
        """,
        "10.0.0.5",
    )
    assert ["10.0.0.5" in line for line in asked] == [True] * 4
    assert asked[0] == "Sends the whole file, 1 kB, to the server and 10.0.0.5."


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 kB"), (1, "1 kB"), (1_499, "1 kB"), (999_500, "1.0 MB")]
)
def test_sizes_are_in_kilobytes_or_megabytes(count: int, words: str) -> None:
    script = 'return (await load("view/disclosure.mjs")).formatBytes(given);'
    assert run_node(script, count) == words
