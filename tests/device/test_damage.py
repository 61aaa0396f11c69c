"""Damaged files and wrong outputs are refused at load, with the reason."""

import gzip
import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from model.browser.device_files import FORMAT
from tests.device.site import Site, run_script

pytestmark = pytest.mark.browser

LOAD = """
  const { load } = await import("/device/loupe.mjs");
  return await refusal(load("/models/tiny/", {graph: "full"}));
"""

ZEROS = """
  class Tensor {
    constructor(type, data, dims) { Object.assign(this, {type, data, dims}); }
    async getData() { return this.data; }
    dispose() {}
  }
  const zeros = (dims) => new Tensor("float32", new Float32Array(6), dims);
  const session = {run: async () => ({probabilities: zeros([1, 6]), novelty: zeros([1])})};
  const InferenceSession = {create: async () => session};
  export { Tensor, InferenceSession };
  export const env = {wasm: {}};
"""
"""A replacement for onnxruntime-web whose outputs are all zero."""

Files = dict[str, bytes | None]


class Served:
    """The files of a tiny model as they are served."""

    def __init__(self, web: Site) -> None:
        self.info: dict[str, Any] = json.loads(web.read("/models/tiny/model.json") or b"")
        full = self.info["graphs"]["full"]
        self.graph_path = f"/models/tiny/{full['url']}"
        self.graph = gzip.decompress(web.read(self.graph_path) or b"")
        self.golden_path = f"/models/tiny/{full['golden']['url']}"
        self.golden = gzip.decompress(web.read(self.golden_path) or b"")
        self.module_path = f"/runtime/{self.info['runtime']['module'].split('/')[-1]}"
        self.wasm_path = f"/runtime/{self.info['runtime']['wasm'].split('/')[-1]}"
        self.wasm = web.read(self.wasm_path) or b""


def flipped(data: bytes) -> bytes:
    """Return a packed file whose middle byte is another one."""
    middle = len(data) // 2
    return gzip.compress(data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :])


def changed_weights(served: Served) -> Files:
    """Weights of another model, under their own hash."""
    model = onnx.load_from_string(served.graph)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 1:
            tensor.CopyFrom(numpy_helper.from_array(values[..., ::-1].copy(), tensor.name))
    graph = model.SerializeToString()
    served.info["graphs"]["full"]["sha256"] = hashlib.sha256(graph).hexdigest()
    return {
        served.graph_path: gzip.compress(graph),
        "/models/tiny/model.json": json.dumps(served.info).encode(),
    }


def no_graph(served: Served) -> Files:
    """Bytes that are no graph, under their own hash."""
    served.info["graphs"]["full"]["sha256"] = hashlib.sha256(b"no graph").hexdigest()
    return {
        served.graph_path: gzip.compress(b"no graph"),
        "/models/tiny/model.json": json.dumps(served.info).encode(),
    }


def of_format(number: Any) -> Callable[[Served], Files]:
    def change(served: Served) -> Files:
        return {"/models/tiny/model.json": json.dumps({**served.info, "format": number}).encode()}

    return change


CHANGES: dict[str, tuple[Callable[[Served], Files], str, str]] = {
    "flipped bytes": (
        lambda served: {served.graph_path: flipped(served.graph)},
        "bundle-damaged",
        "The model arrived damaged",
    ),
    "flipped golden pixels": (
        lambda served: {served.golden_path: flipped(served.golden)},
        "bundle-damaged",
        "The model arrived damaged",
    ),
    "other weights": (changed_weights, "golden-mismatch", "golden outputs"),
    "no graph": (no_graph, "bundle-damaged", "can’t be loaded"),
    "graph cut short": (
        lambda served: {served.graph_path: gzip.compress(served.graph)[:-20]},
        "bundle-damaged",
        "The model arrived damaged",
    ),
    "an engine of zeros": (
        lambda served: {served.module_path: ZEROS.encode()},
        "golden-mismatch",
        "golden outputs",
    ),
    "wasm cut short": (
        lambda served: {served.wasm_path: served.wasm[: len(served.wasm) // 2]},
        "bundle-damaged",
        "The model arrived damaged",
    ),
    "no runtime": (lambda served: {served.module_path: None}, "engine-unavailable", "can’t be run"),
    "a newer format": (of_format(FORMAT + 1), "bundle-too-new", "newer"),
    "no format": (of_format(None), "bundle-damaged", "is no model"),
    "not JSON": (lambda _: {"/models/tiny/model.json": b"<html>"}, "bundle-damaged", "is not JSON"),
    "no model": (lambda _: {"/models/tiny/model.json": None}, "no-such-model", "404"),
    "no file": (lambda served: {served.graph_path: None}, "no-such-model", "404"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_damage_is_refused_with_the_reason(web: Site, name: str) -> None:
    change, code, words = CHANGES[name]
    with web.changed(change(Served(web))):
        refusal = run_script(web, "chromium", LOAD)
    assert refusal["code"] == code
    assert words in refusal["message"]


def test_browser_that_adds_noise_to_pixels_is_refused(web: Site) -> None:
    noise = {"privacy.resistFingerprinting": True}
    refusal = run_script(web, "firefox-esr", LOAD, preferences=noise)
    assert refusal["code"] == "engine-unavailable"
    assert "fingerprinting" in refusal["message"]


def test_wrong_arguments_and_missing_servers_are_refused(web: Site) -> None:
    script = """
      const { load } = await import("/device/loupe.mjs");
      return {
        offline: await refusal(load("http://127.0.0.1:9/models/tiny/")),
        address: await refusal(load("http://")),
        graph: await refusal(load("/models/tiny/", {graph: "constructor"})),
        folder: (await load("/models/tiny")).info.name,
        progress: await new Promise((resolve) => {
          const seen = [];
          const onProgress = (loaded, total) => seen.push([loaded, total]);
          load("/models/tiny/", {onProgress}).then(() => resolve(seen.at(-1)));
        }),
      };
    """
    result = run_script(web, "chromium", script)
    codes = {result[name]["code"] for name in ("offline", "address", "graph")}
    assert codes == {"no-such-model", "unreachable"}
    assert result["folder"] == "tiny"
    loaded, total = result["progress"]
    assert loaded == total
