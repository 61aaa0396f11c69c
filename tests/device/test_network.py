"""Packed networks compute what ONNX Runtime does; damaged ones are refused."""

import json
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.browser.device_files import TOLERANCE, run_graph
from model.browser.packed_network import pack_network
from model.browser.small_graph import make_small_graph
from model.settings import ROOT
from tests.device.node import run_node
from tests.device.site import BROWSERS, Site, run_script
from tests.device.vectors import COMPARE, pack, photos_and_recipes
from tests.model.browser.networks import random_network

ENGINE = ROOT / "device" / "engine"
BINARIES = ("kernels", "kernels-relaxed")

RUN = """
const {Network} = await import(`${given.engine}/network.mjs`);
const {openKernels} = await import(`${given.engine}/kernels.mjs`);
const binary = await (await fetch(`${given.engine}/${given.binary}.wasm`)).arrayBuffer();
if (given.binary === "kernels-relaxed" && !WebAssembly.validate(binary)) return null;
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
// Written so that NaN isn't close.
const isClose = (value, wanted) =>
  Math.abs(value - wanted) <= given.tolerance * Math.max(1, Math.abs(wanted));
const results = [];
for (const [file, expected] of given.jobs) {
  try {
    const network = new Network(bytesOf(file), await openKernels(given.binary));
    const length = 3 * network.size[0] * network.size[1];
    const outputs = network.run(Uint8Array.from({length}, (_, place) => place ** 2 % 251));
    const isRight = Object.entries(expected).every(([name, values]) =>
      outputs[name].length === values.length &&
      values.every((value, place) => isClose(outputs[name][place], value)));
    results.push(isRight ? "right" : "wrong");
  } catch (error) {
    results.push(error.code ?? `${error}`);
  }
}
return results;
"""
IN_NODE = f'(await import("node:v8")).setFlagsFromString("--experimental-wasm-relaxed-simd"); {RUN}'

HOSTILE = '-1 0 0.5 3 30000 @0 1@ 2147483648 1e999 null {} [] "5" "\\u00209999999"'.split()
"""What a damaged header has in the place of ``@``."""

PLANTED = {
    "gemm": ("gemm.c", "if (row < end) TILE(1)", "if (row > end) TILE(1)"),
    "convolve": ("gemm.c", "u < width", "u <= width"),
    "pack_panels": ("gemm.c", "* scales[channel]", "* scales[first]"),
    "depthwise": ("depthwise.c", "from >= 0", "from > 0"),
    "pool": ("pooling.c", "larger(0, x", "larger(1, x"),
    "add": ("elementwise.c", "load(b + i)", "load(b)"),
    "scale": ("elementwise.c", "factors + c", "factors"),
    "look_up": ("elementwise.c", "3 * in[i + c] + c", "3 * in[i + c]"),
    "activate": ("elementwise.c", "1.6666665459e-1f", "1.6666665459e-2f"),
    "resample_rows": ("resample.c", "entry[2 + k]", "entry[1 + k]"),
    "resample_columns": ("resample.c", "table[2 + k]", "table[1 + k]"),
}
"""An error for each kernel: the file, a part of its code, and what it becomes."""


@cache
def networks() -> dict[bytes, dict[str, list[float]]]:
    """Return random packed networks of both forms with ONNX Runtime's outputs."""
    found = {}
    for seed in range(30):
        full = random_network(seed)
        for graph in (full, make_small_graph(full)):
            file = pack_network(graph)
            shape = (1, header_of(file)["height"], header_of(file)["width"], 3)
            pixels = (np.arange(np.prod(shape)) ** 2 % 251).astype(np.uint8).reshape(shape)
            outputs = run_graph(graph, pixels).items()
            found[file] = {name: values.ravel().tolist() for name, values in outputs}
    return found


def header_of(file: bytes) -> dict[str, Any]:
    return json.loads(file[8 : 8 + int.from_bytes(file[4:8], "little")])


def with_header(file: bytes, header: str) -> bytes:
    end, text = 8 + int.from_bytes(file[4:8], "little"), header.encode()
    start = file[:4] + len(text).to_bytes(4, "little") + text
    return start + bytes(-len(start) % 64) + file[-(-end // 64) * 64 :]


def given(files: Iterable[bytes], engine: str = ENGINE.as_uri(), binary: str = "kernels") -> Any:
    """Return what ``RUN`` takes."""
    jobs = [(b64encode(file).decode(), networks().get(file, {})) for file in files]
    return {"engine": engine, "binary": binary, "jobs": jobs, "tolerance": TOLERANCE}


def require_right(results: list[str] | None) -> None:
    if results is None:
        pytest.skip("this engine has no relaxed SIMD")
    assert set(results) == {"right"}


@pytest.mark.parametrize("binary", BINARIES)
def test_outputs_equal_onnx_runtimes(binary: str) -> None:
    require_right(run_node(IN_NODE, given(networks(), binary=binary)))


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("binary", BINARIES)
@pytest.mark.parametrize("browser", BROWSERS)
def test_outputs_equal_onnx_runtimes_in_browsers(web: Site, browser: str, binary: str) -> None:
    script = f'const given = await (await fetch("/given")).json(); {RUN}'
    with web.changed({"/given": json.dumps(given(networks(), "/device/engine", binary)).encode()}):
        require_right(run_script(web, browser, script))


def test_networks_have_every_step_and_operator() -> None:
    headers = [header_of(file) for file in networks()]
    steps = [step for header in headers for step in header["steps"]]
    source = (ENGINE / "network_steps.mjs").read_text()
    for name, key in (("STEPS", "op"), ("ACTIVATIONS", "kind")):
        parts = re.search(rf"(?s)const {name} = (.*?);", source)[1].split(",")
        names = {part.split(":")[0].strip('[]{}" \n') for part in parts} - {""}
        assert {step[key] for step in steps if key in step} == names
    operators = run_node('return Object.keys((await load("engine/network_steps.mjs")).OPERATORS)')
    assert {operator for header in headers for operator, *_ in header["tail"]} == set(operators)
    depthwise = {(one["window"], one["stride"]) for one in steps if one["op"] == "depthwise"}
    assert depthwise == set(product((3, 5), (1, 2)))
    assert {one["op"] for one in steps if "scales" in one} == {"convolve", "depthwise"}
    assert {one["mean"] for one in steps if one["op"] == "pool"} == {False, True}
    assert set().union(*steps) >= {"residual", "low", "isPhoto"}


def run_damaged(files: dict[str, bytes]) -> list[tuple[str, str]]:
    """Return the files that aren't refused, with what happened instead."""
    results = run_node(RUN, given(files.values()))
    refusals = ("bundle-damaged", "engine-unavailable")
    return [one for one in zip(files, results, strict=True) if one[1] not in refusals]


@pytest.mark.parametrize("rounds", [2, pytest.param(9, marks=pytest.mark.slow)])
def test_damaged_files_are_refused_or_run(rounds: int) -> None:
    random = np.random.default_rng(rounds)
    kinds: dict[str, list[Any]] = defaultdict(list)
    for file in sorted(networks(), key=len)[:16]:
        key = ""
        for part in re.finditer(r'"([\w-]+)": |[^][{}, ]+', json.dumps(header_of(file))):
            if part[1]:
                key = part[1]
            else:
                kinds[key].append((file, part))
    damaged: dict[str, bytes] = {}
    for choices, value in [*product(kinds.values(), HOSTILE)] * rounds:
        file, part = choices[random.integers(len(choices))]
        text = part.string[: part.start()] + value.replace("@", part[0])
        damaged[f"{len(damaged)} {text[-50:]}"] = with_header(
            file, text + part.string[part.end() :]
        )
    assert [one for one in run_damaged(damaged) if one[1] != "right"] == []


def test_files_that_disagree_with_themselves_are_refused() -> None:
    """Kernels would write beyond their maps, or read weights that aren't there."""
    first = next(iter(networks()))
    damaged = {f"cut to {size}": first[:size] for size in (0, 6, 99, -4)}
    damaged["of another format"] = b"LNN2" + first[4:]
    for file in sorted(networks(), key=len)[:20]:
        header = header_of(file)
        changes: list[Any] = [(entry, 1, []) for entry in header["tail"] if entry[0] != "Concat"]
        changes.append((header, "arena", " 9999999"))
        for step in header["steps"]:
            # Others have windows, or weights, of which there may be more.
            is_product = step.get("window") == step.get("stride") == 1
            sides = {"pool": [2], "depthwise": [2], "convolve": [0, 1] * is_product}
            shape, some = step["outShape"], sides.get(step["op"], [0, 1, 2])
            changes += [(shape, side, shape[side] // 2) for side in some if shape[side] > 8]
            changes += [(step, side, 30000) for side in ("top", "left") if side in step]
        for part, key, value in changes:
            old, part[key] = part[key], value
            damaged[f"{len(damaged)} {part}"] = with_header(file, json.dumps(header))
            part[key] = old
    assert run_damaged(damaged) == []


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["none", *PLANTED])
def test_errors_in_kernels_are_found(tmp_path: Path, kernel: str) -> None:
    shutil.copytree(ENGINE, tmp_path / "engine")
    shutil.copytree(ENGINE.parent / "kernels", tmp_path / "kernels")
    exported = set()
    for file in (tmp_path / "kernels").glob("*.c"):
        code = file.read_text()
        exported |= {*re.findall(r"EXPORT\((\w+)\)", code)}
        name, old, new = PLANTED.get(kernel, ("", "", ""))
        if file.name == name:
            assert code.count(old) == 1
            file.write_text(code.replace(old, new))
    assert exported == PLANTED.keys()
    subprocess.run(
        [tmp_path / "kernels" / "build.sh", sys.executable, tmp_path / "engine"], check=True
    )
    (tmp_path / "photos").write_bytes(pack(photos_and_recipes(seed=13, count=0)))
    script = f"""
      {COMPARE}
      const {{preprocess}} = await import(`${{given}}/engine/preprocess.mjs`);
      return compare(new Uint8Array(readFileSync(new URL(`${{given}}/photos`))), preprocess);
    """
    photos = run_node(script, tmp_path.as_uri())["wrong"]
    outputs = run_node(IN_NODE, given(networks(), (tmp_path / "engine").as_uri()))
    assert bool(photos) == kernel.startswith("resample")
    assert ("wrong" in outputs) == (kernel in PLANTED and not photos)
