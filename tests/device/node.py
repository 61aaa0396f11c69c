"""JavaScript of ``device/``, run by Node."""

import json
import subprocess
from typing import Any

from model.settings import ROOT
from tests.tools import require_tool

CODE = """
import { readFileSync } from "node:fs";
const load = (name) => import(`%s/${name}`);
const given = JSON.parse(readFileSync(0, "utf8"));
const result = await (async () => { %s })();
process.stdout.write(JSON.stringify(result ?? null));
"""


def run_node(script: str, given: Any = None) -> Any:
    """Return what the body of an async function returns, as JSON.

    Args:
        script: it can use ``load``, which imports a module below ``device/``, and ``readFileSync``.
        given: what it finds under this name, as JSON.
    """
    code = CODE % ((ROOT / "device").as_uri(), script)
    done = subprocess.run(
        [require_tool("node"), "--input-type=module", "-e", code],
        input=json.dumps(given),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
