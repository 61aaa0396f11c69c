""" "Is it enough?" in words."""

from typing import Any

from tests.device.node import run_node

SAY = """
const { isEnough, outcomeOf, roomLeft } = await load("view/teach_words.mjs");
const text = (phrase) => (phrase ?? []).map((part) => part.label ?? part).join("");
return given.map(({ counts, result, bytes = 1, isFiles = false, isReady = true }) => {
  const labels = ["sneakers", "boots", "sandals"].slice(0, counts.length);
  const photos = labels.flatMap((label, at) => Array(counts[at]).fill({ label }))
    .map((photo, at) => ({ ...photo, recording: isFiles ? `file-${at}` : "r" }));
  const ids = photos.map((_, at) => `p${at}`);
  const outcome = result && outcomeOf(result, labels, ids);
  const { word, line, confusion } = isEnough({ labels, photos }, outcome, true, isReady);
  const room = roomLeft({ labels, photos, bytes }, true);
  const { next, photos: odd } = confusion ?? {};
  const figures = outcome?.figures ?? null;
  return { said: `${word} ${text(line)}`.trim(), next: text(next), odd, room, figures };
});
"""
FEW, MANY = [24, 18, 14], [24, 28, 22]


def result(groups: list[int], **accuracy: Any) -> dict[str, Any]:
    """Return what a training says."""
    whole = {"folds": "each group", "right": groups, "counted": groups, "interval": [0.65, 0.99]}
    outcomes: dict[str, Any] = {"confusions": [], "standing_out": []}
    return {"groups": groups, "promise": None, "accuracy": {**whole, **outcomes, **accuracy}}


def say(*cases: dict[str, Any]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = run_node(SAY, list(cases))
    return said


def test_first_steps_name_what_is_missing() -> None:
    once = {**result([1, 1, 1]), "accuracy": None}
    cases: list[tuple[list[int], Any, str]] = [
        ([0], None, "Not yet. Hold the button and film sneakers from all sides."),
        ([4], None, "Not yet. Two labels make a model: add a second thing."),
        ([4, 0], None, "Not yet. Hold the button and film boots from all sides."),
        ([4, 4], None, "Training on this device…"),
        (FEW, once, "Can’t know yet. Record each once more, somewhere else."),
        (FEW, result([3, 1, 3]), "Can’t know yet. Record boots once more, somewhere else."),
        (
            [24, 18, 6],
            result([4, 3, 2]),
            "Almost. Four more photos of sandals, in different light.",
        ),
        ([24, 18, 2], result([4, 3, 2]), "Not yet. Eight more photos of sandals"),
    ]
    said = say(*({"counts": counts, "result": trained} for counts, trained, _ in cases))
    for one, (*_, start) in zip(said, cases, strict=True):
        assert one["said"].startswith(start)


def test_figures_come_with_their_interval_and_confusions_with_photos() -> None:
    confusion = {"label": 1, "called": 0, "groups": 2, "photos": [24, 25]}
    few = result([4, 4, 4], right=[4, 3, 4], confusions=[{**confusion, "groups": 1}])
    many = result([4, 4, 4], right=[4, 2, 4], confusions=[confusion], interval=[0.552, 0.953])
    five = result([40, 40, 4], folds="five")
    untested = result([4, 1, 4], right=[4, 0, 4], counted=[4, 0, 4])
    cases = (few, many, five, untested)
    yes, confused, parts, none = say(*({"counts": MANY, "result": one} for one in cases))
    assert yes["said"] == "Yes. 92% right in testing (11 of 12 recordings; 95% CI 65–99%)."
    assert parts["said"].startswith("Yes. 100% right in testing (84 of 84 recordings; ")
    assert confused["said"].startswith("Almost. ")
    assert confused["said"].endswith(" 2 of 4 recordings of boots were called sneakers.")
    assert confused["next"] == "Record boots once more, where you recorded sneakers."
    assert confused["odd"] == ["p24", "p25"]
    assert confused["figures"]["counted"] == 12
    assert none["figures"] is None


def test_files_are_called_photos() -> None:
    groups = [*MANY[:2], 21]
    one = {"label": 1, "called": 0, "groups": 20, "photos": [24]}
    every, near = result(MANY), result(groups, right=[24, 8, 21], confusions=[one])
    cases = ({"counts": MANY, "result": each, "isFiles": True} for each in (every, near))
    yes, confused = say(*cases)
    assert yes["said"].startswith("Yes. 100% right in testing (74 of 74 photos; ")
    # Near copies count once.
    assert "(53 of 73 different photos; " in confused["said"]
    assert confused["said"].endswith("20 of 28 different photos of boots were called sneakers.")
    assert confused["next"] == "Add photos of boots in the place of sneakers."


def test_room_is_shown_near_its_limits() -> None:
    megabyte = 2**20
    plenty, little, large, full = say(
        {"counts": [200, 200], "isReady": False},
        {"counts": [230, 230], "bytes": 20 * megabyte},
        {"counts": [200, 200], "bytes": 56 * megabyte},
        {"counts": [250, 250]},
    )
    assert (plenty["room"], plenty["said"]) == (None, "Training waits for the model.")
    assert little["room"]["title"] == "Room for 40 more photos"
    assert little["room"]["line"] == "460 of 500 photos, 20 of 60 MB."
    assert large["room"]["title"] == "Room for 28 more photos"
    assert full["room"]["title"] == "500 photos are the most. Remove some to add more."
