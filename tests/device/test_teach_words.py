""" "Is it enough?" in words."""

from typing import Any

from tests.device.node import run_node

SAY = """
const { isEnough, outcomeOf, roomLeft } = await load("view/teach_words.mjs");
const text = (phrase) => (phrase ?? []).map((part) => part.label ?? part).join("");
return given.map(({ labels, counts, result, bytes }) => {
  const photos = labels.flatMap((label, at) => Array(counts[at]).fill({ label }));
  const ids = photos.map((_, at) => `p${at}`);
  const outcome = result && outcomeOf(result, labels, ids);
  const { word, line, confusion } = isEnough({ labels, photos }, outcome, true);
  const room = roomLeft({ labels, photos, bytes: bytes ?? 1 }, true);
  const { next, photos: odd } = confusion ?? {};
  return { word, line: text(line), next: text(next), odd, room };
});
"""
SHOES = ["sneakers", "boots", "sandals"]


def result(groups: list[int], **accuracy: Any) -> dict[str, Any]:
    """Return what a training says."""
    whole = {
        "folds": "each group",
        "right": groups,
        "counted": groups,
        "interval": [0.65, 0.99],
        "confusions": [],
        "standing_out": [],
    }
    return {"groups": groups, "promise": None, "accuracy": {**whole, **accuracy}}


def say(*cases: dict[str, Any]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = run_node(SAY, list(cases))
    return said


def test_first_steps_name_what_is_missing() -> None:
    said = say(
        {"labels": ["sneakers"], "counts": [0]},
        {"labels": ["sneakers"], "counts": [4]},
        {"labels": ["sneakers", "boots"], "counts": [4, 0]},
        {"labels": ["sneakers", "boots"], "counts": [4, 4]},
    )
    assert [(one["word"], one["line"]) for one in said] == [
        ("Not yet.", "Hold the button and film sneakers from all sides for a few seconds."),
        ("Not yet.", "Two labels make a model: add a second thing."),
        ("Not yet.", "Hold the button and film boots from all sides for a few seconds."),
        ("", "Training on this device…"),
    ]


def test_no_percentage_before_two_recordings_of_each_label() -> None:
    once = {**result([1, 1, 1]), "accuracy": None}
    each, one = say(
        {"labels": SHOES, "counts": [24, 18, 14], "result": once},
        {"labels": SHOES, "counts": [24, 18, 14], "result": result([3, 1, 3])},
    )
    assert each["word"] == one["word"] == "Can’t know yet."
    assert each["line"] == (
        "Each label was recorded once, so nothing is left to test on. "
        "Record each once more, somewhere else."
    )
    assert one["line"] == (
        "boots was recorded once, so it can’t be tested. Record it once more, somewhere else."
    )


def test_few_photos_are_almost_enough_or_not_yet() -> None:
    almost, not_yet = say(
        {"labels": SHOES, "counts": [24, 18, 6], "result": result([4, 3, 2])},
        {"labels": SHOES, "counts": [24, 18, 2], "result": result([4, 3, 2])},
    )
    assert almost["word"] == "Almost."
    assert almost["line"].startswith("Four more photos of sandals and it is worth a try.")
    assert (not_yet["word"], not_yet["line"][:5]) == ("Not yet.", "Eight")


def test_figures_come_with_their_interval_and_confusions_with_photos() -> None:
    confusion = {"label": 1, "called": 0, "groups": 2, "photos": [24, 25]}
    few = result([4, 4, 4], right=[4, 3, 4], confusions=[{**confusion, "groups": 1}])
    many = result([4, 4, 4], right=[4, 2, 4], confusions=[confusion], interval=[0.552, 0.953])
    five = result([40, 40, 4], folds="five")
    yes, confused, parts = say(
        *({"labels": SHOES, "counts": [24, 28, 22], "result": one} for one in (few, many, five))
    )
    assert yes["word"] == parts["word"] == "Yes."
    assert yes["line"] == (
        "In testing, 11 of 12 recordings were right (92%; 95% CI 65–99%), "
        "each tested without itself."
    )
    assert parts["line"].endswith("tested in five parts.")
    assert confused["word"] == "Almost."
    assert confused["line"].endswith(" 2 of 4 recordings of boots were called sneakers.")
    assert confused["next"] == "Next: record boots once more, where you recorded sneakers."
    assert confused["odd"] == ["p24", "p25"]


def test_room_is_shown_near_its_limits() -> None:
    plenty, little, large, full = say(
        {"labels": ["a", "b"], "counts": [200, 200]},
        {"labels": ["a", "b"], "counts": [230, 230], "bytes": 20 * 2**20},
        {"labels": ["a", "b"], "counts": [200, 200], "bytes": 56 * 2**20},
        {"labels": ["a", "b"], "counts": [250, 250]},
    )
    assert plenty["room"] is None
    assert little["room"]["title"] == "Room for 40 more photos"
    assert little["room"]["line"] == "460 of 500 photos, 20 of 60 MB."
    assert large["room"]["title"] == "Room for 28 more photos"
    assert full["room"]["title"] == "500 photos are the most. Remove some to add more."
