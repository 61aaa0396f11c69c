"""Downloads that are lost or stall, run by Node with requests of its own."""

import gzip
import hashlib

from tests.device.node import run_node

FILE = bytes(range(256)) * 20
PACKED = gzip.compress(FILE)

STALLED = """
  const { downloadAll } = await load("engine/download.mjs");
  const { fetch, setTimeout } = globalThis;
  const packed = Uint8Array.from(given.packed);
  const ranges = [];
  globalThis.addEventListener ??= () => {};
  // Waits of seconds take milliseconds.
  globalThis.setTimeout = (run, wait = 0) => setTimeout(run, wait / 1000);
  globalThis.fetch = async (_, { headers, signal }) => {
    ranges.push(headers.Range ?? null);
    const start = (stream) => {
      stream.enqueue(ranges.length === 1 ? packed.slice(0, 100) : packed);
      if (ranges.length > 1) return stream.close();
      signal.addEventListener("abort", () => stream.error(signal.reason));
    };
    return new Response(new ReadableStream({ start }));
  };
  try {
    const file = { url: "file.gz", bytes: packed.length, sha256: given.sha256 };
    const stalls = [];
    const note = (received, total, isStalled) => isStalled && stalls.push(received);
    const [bytes] = await downloadAll("https://example.org/", [file], note);
    return { length: bytes.length, ranges, stalls };
  } finally {
    Object.assign(globalThis, { fetch, setTimeout });
  }
"""

LOST = """
  const { openKernels } = await load(`engine/kernels.mjs?${given}`);
  const { fetch } = globalThis;
  let requests = 0;
  globalThis.fetch = async (url) => {
    const isKernels = url.pathname.endsWith(".wasm");
    if (++requests === 1 || given === "offline" || (given === "blocked" && isKernels)) {
      throw new TypeError("lost");
    }
    return isKernels ? fetch(url) : new Response();
  };
  try {
    const kernels = await openKernels();
    return [kernels.allocate(8) > 0, requests];
  } catch ({ code, message }) {
    return [code, message];
  } finally {
    Object.assign(globalThis, { fetch });
  }
"""


def test_download_that_stalls_is_begun_again() -> None:
    given = {"packed": list(PACKED), "sha256": hashlib.sha256(FILE).hexdigest()}
    result = run_node(STALLED, given)
    assert result == {"length": len(FILE), "ranges": [None, None], "stalls": [0]}


def test_lost_request_for_kernels_is_repeated() -> None:
    assert run_node(LOST, "once") == [True, 2]


def test_blocked_file_is_told_from_a_lost_connection() -> None:
    assert run_node(LOST, "offline")[0] == "unreachable"
    code, message = run_node(LOST, "blocked")
    assert code == "engine-unavailable"
    assert message.startswith("kernels.wasm can’t be fetched, although the server answers.")
