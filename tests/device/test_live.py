"""Live answers are calm: headlines hold, numbers are slow, few are read aloud."""

from itertools import pairwise
from typing import Any

from tests.device.node import run_node

SCRIPT = """
  const { CalmAnswer } = await load("view/live_picture.mjs");
  const calm = new CalmAnswer();
  return given.map(([now, words]) => {
    const answer = { headline: [words], now };
    const { isNew, isNewHeadline, speak } = calm.push(answer, now);
    const { headline: [shown], now: at } = calm.shown;
    return { isNew, isNewHeadline, speak, shown, at, rate: calm.rate };
  });
"""


def pushed(answers: list[tuple[int, str]]) -> Any:
    """Return what is shown after each answer, given with its time in milliseconds."""
    return run_node(SCRIPT, answers)


def test_headline_changes_once_another_has_held() -> None:
    steps = pushed(
        [(0, "shirt"), (100, "hat"), (200, "shirt"), (300, "hat"), (800, "hat"), (900, "hat")]
    )
    assert [step["shown"] for step in steps] == ["shirt"] * 5 + ["hat"]
    assert [step["isNewHeadline"] for step in steps] == [True, *[False] * 4, True]


def test_third_headline_restarts_the_hold_time() -> None:
    steps = pushed([(0, "shirt"), (100, "hat"), (500, "dress"), (800, "dress"), (1100, "dress")])
    assert [step["shown"] for step in steps] == ["shirt"] * 4 + ["dress"]


def test_numbers_change_twice_a_second_and_belong_to_the_shown_headline() -> None:
    steps = pushed([(time, "shirt") for time in range(0, 1600, 100)])
    assert [step["at"] for step in steps if step["isNew"]] == [0, 500, 1000, 1500]
    steps = pushed([(0, "shirt"), (550, "hat"), (600, "hat")])
    assert steps[-1]["at"] == 0


def test_headlines_are_read_aloud_every_three_seconds_at_most() -> None:
    changes = [(time, "hat" if time // 1000 % 2 else "shirt") for time in range(0, 9000, 100)]
    spoken = [(now, step["speak"]) for (now, _), step in zip(changes, pushed(changes), strict=True)]
    times = [now for now, words in spoken if words]
    assert times[0] == 0
    assert len(times) >= 2
    assert all(later - earlier >= 3000 for earlier, later in pairwise(times))
    # The same one is read aloud once.
    steps = pushed([(time, "shirt") for time in range(0, 10_000, 100)])
    assert [step["speak"] for step in steps if step["speak"]] == ["shirt"]
    assert steps[-1]["rate"] == 10
