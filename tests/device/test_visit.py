"""The visit's reducer, run by Node: which answers and photos count."""

from typing import Any

from tests.device.node import run_node

START = """
const { createState, reduce } = await load("visit/visit.mjs");
let state = createState({ model: "colours", run: "auto", engine: null }, false);
const send = (type, values) => ([state] = reduce(state, { type, ...values }));
const take = (id, values) =>
  send("captured", { permission: id, isPress: true, photo: id, source: "camera", id, ...values });
const answerBy = (model) => ({ prediction: { model } });
const shown = () => [state.phase, state.entry?.photo ?? null];
"""


def run(script: str) -> Any:
    return run_node(START + script)


def test_answer_for_an_earlier_photo_is_dropped() -> None:
    script = """
      take("first");
      const { step } = state;
      take("second");
      send("answered", { step, answer: answerBy("colours") });
      const before = shown();
      send("answered", { step: state.step, answer: answerBy("colours") });
      return [before, shown()];
    """
    assert run(script) == [["waiting", "second"], ["answered", "second"]]


def test_live_answer_counts_for_the_chosen_model_alone() -> None:
    script = """
      take("first", { answer: answerBy("shapes") });
      const before = shown();
      take("second", { answer: answerBy("colours") });
      return [before, shown()];
    """
    assert run(script) == [["waiting", "first"], ["answered", "second"]]


def test_photo_of_an_earlier_press_is_dropped() -> None:
    script = """
      send("pressed", { permission: "first", isTaking: true });
      send("pressed", { permission: "second", isTaking: true });
      take("first", { isPress: false });
      const before = shown();
      take("second", { isPress: false });
      return [before, shown()];
    """
    assert run(script) == [["taking", None], ["waiting", "second"]]
