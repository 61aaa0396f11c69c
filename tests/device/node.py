"""JavaScript of ``device/``, run by Node."""

import atexit
import json
import subprocess
from functools import cache
from typing import Any

import pytest

from model.settings import ROOT
from tests.tools import require_tool

LOOP = """
import { File } from "node:buffer";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
const load = (name) => import(`%s/${name}`);
// As in browsers; Node 18 has none.
globalThis.File ??= File;
// Node fetches no files.
const { fetch } = globalThis;
globalThis.fetch = async (url, init) =>
  `${url}`.startsWith("file:") ? new Response(readFileSync(new URL(url))) : fetch(url, init);
const AsyncFunction = (async () => {}).constructor;
for await (const line of createInterface({ input: process.stdin })) {
  const { script, given } = JSON.parse(line);
  let reply;
  try {
    const run = new AsyncFunction("load", "readFileSync", "given", script);
    reply = { result: (await run(load, readFileSync, given)) ?? null };
  } catch (error) {
    reply = { error: `${error.stack ?? error}` };
  }
  process.stdout.write(`${JSON.stringify(reply)}\\n`);
}
"""


@cache
def _node() -> "subprocess.Popen[str]":
    """Start Node once per process: that takes a tenth of a second, most scripts far less."""
    code = LOOP % (ROOT / "device").as_uri()
    process = subprocess.Popen(
        [require_tool("node"), "--input-type=module", "-e", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    atexit.register(process.kill)
    return process


def run_node(script: str, given: Any = None) -> Any:
    """Return what the body of an async function returns, as JSON.

    Args:
        script: it can use ``load``, which imports a module below ``device/``, and ``readFileSync``.
            Other scripts find the same modules and globals.
        given: what it finds under this name, as JSON.
    """
    process = _node()
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps({"script": script, "given": given}) + "\n")
    process.stdin.flush()
    try:
        line = process.stdout.readline()
        assert line, "Node has ended"
    except BaseException:
        # A late reply would be taken for the next script's.
        process.kill()
        process.wait()
        _node.cache_clear()
        raise
    reply = json.loads(line)
    assert "error" not in reply, reply["error"]
    return reply["result"]


@cache
def _can_inflate() -> bool:
    return bool(run_node("try { return !!new DecompressionStream('deflate-raw'); } catch {}"))


def require_inflate() -> None:
    """Skip the test that asks if Node, unlike browsers, unpacks no zip: before 20.12."""
    if not _can_inflate():
        pytest.skip("node unpacks no zip: install version 20.12 or later")
