"""A component's calls, in the orders in which Streamlit makes and ends them."""

import json
import subprocess

import pytest

from model.settings import ROOT
from tests.tools import require_tool

SCREEN = """
import { createComponent } from "MODULE";
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
        # Streamlit ends a call that it replaced once it has returned.
        ("const a = call(1); const b = call(2); a(); remove(); b();", [1, 2, "closed"]),
        # Scripts may load in another order than they were asked for.
        ("const b = call(2); const a = call(1); a(); remove(); b();", [2, 1, 2, "closed"]),
        # A call that was returned before it was replaced is never ended.
        ("call(1); const b = call(2); remove(); b();", [1, 2, "closed"]),
        # An element that is removed before its script has loaded.
        ("remove(); call(1)();", [1, "closed"]),
    ],
)
def test_screen_has_the_newest_data_until_it_is_removed(calls: str, expected: list[object]) -> None:
    module = (ROOT / "device/view/streamlit_component.mjs").as_uri()
    script = SCREEN.replace("MODULE", module) + calls
    completed = subprocess.run(
        [
            require_tool("node"),
            "--input-type=module",
            "-e",
            f"{script}process.stdout.write(JSON.stringify(log));",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(completed.stdout) == expected
