"""The loader of the components' scripts, called again before its imports have ended."""

import json
import subprocess

from tests.tools import require_tool
from ui.component import SCRIPT

CALLS = """
globalThis.document = { baseURI: "file:///" };
globalThis.shown = [];
const source = (wait) => "data:text/javascript," + encodeURIComponent(`
  await new Promise((resolve) => setTimeout(resolve, ${wait}));
  export default ({ data }) => {
    shown.push(data.name);
    return () => shown.push("end of " + data.name);
  };
`);
const parentElement = {};
const call = (name, wait) => show({ parentElement, data: { name, script: source(wait) } });
const ends = await Promise.all([call("slow", 300), call("fast", 0)]);
for (const end of ends) end?.();
process.stdout.write(JSON.stringify(shown));
"""


def test_replaced_call_shows_and_ends_nothing() -> None:
    script = SCRIPT.replace("export default async function", "async function show") + CALLS
    completed = subprocess.run(
        [require_tool("node"), "--input-type=module", "-e", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(completed.stdout) == ["fast", "end of fast"]
