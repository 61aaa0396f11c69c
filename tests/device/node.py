"""JavaScript of ``device/``, run by Node."""

import json
import subprocess
from functools import cache
from typing import Any

import pytest

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


@cache
def _can_inflate() -> bool:
    return bool(run_node("try { return !!new DecompressionStream('deflate-raw'); } catch {}"))


def require_inflate() -> None:
    """Skip the test that asks if Node, unlike browsers, unpacks no zip: before 20.12."""
    if not _can_inflate():
        pytest.skip("node unpacks no zip: install version 20.12 or later")
