"""Streamlit makes and ends the calls of a component in different orders."""

import pytest

from tests.device.node import run_node

SCREEN = """
const { createComponent } = await load("view/streamlit_component.mjs");
const log = [];
const parentElement = { isConnected: true };
const show = createComponent(() => ({
  update: (data) => log.push(data),
  close: () => log.push("closed"),
}));
const call = (data) => show({ parentElement, data });
const remove = () => (parentElement.isConnected = false);
"""


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        # Streamlit replaced the call before it returned, and ends it then.
        ("const a = call(1); const b = call(2); a(); remove(); b();", [1, 2, "closed"]),
        # The newer call's script may load first.
        ("const b = call(2); const a = call(1); a(); remove(); b();", [2, 1, 2, "closed"]),
        # Streamlit never ends a call that it replaced after it returned.
        ("call(1); const b = call(2); remove(); b();", [1, 2, "closed"]),
        # The element was removed before its script loaded.
        ("remove(); call(1)?.();", []),
    ],
)
def test_screen_has_the_newest_data_until_it_is_removed(calls: str, expected: list[object]) -> None:
    assert run_node(f"{SCREEN}{calls} return log;") == expected
