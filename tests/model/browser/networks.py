"""Small random networks of what ``packed_network.py`` packs, from ONNX's text format.

In a layer, ``$x`` is its input, ``$y`` its output, and ``$a`` to ``$e`` are in between. Longer
names are random weights or attributes; a number is a window's size, or the largest stride.
"""

import json
import re
from functools import cache
from typing import Any

import numpy as np
from onnx import helper, numpy_helper, parser

from model.browser.small_graph import make_small_graph
from model.bundle import get_bundle
from model.calibration import ood_detectors as ood


@cache
def small_graph(name: str) -> bytes:
    """Return the small graph of a built-in model, made once per process."""
    return make_small_graph(get_bundle(name).read("graph.onnx"))


PHOTO = """$a = Transpose <perm = [0, 3, 1, 2]> (pixels) $b = Cast <to = 1> ($a)
$c = Div ($b, levels) $d = Sub ($c, middle) $e = Div ($d, spread)
$y = Conv <strides = $strides3> ($e, $first3, $bias)"""

LAYERS = """
$y = Conv <pads = $pads1, strides = $strides3> ($x, $same1)
$y = Conv <pads = $pads3, strides = $strides3> ($x, $same3, $bias)
$y = Conv <pads = $pads5, strides = $strides3> ($x, $same5, $bias)
$y = Conv <pads = $pads7, strides = $strides3> ($x, $same7)
$y = Conv <group = $channels, pads = $pads3, strides = $strides2> ($x, $deep3)
$y = Conv <group = $channels, pads = $pads5, strides = $strides2> ($x, $deep5, $bias)
$a = Conv ($x, $more1) $b = Conv <group = 45, strides = $strides2, pads = $pads5> ($a, $wide5)\
 $c = Clip ($b, low, high) $y = Conv ($c, $less1)
$a = Conv ($x, $same1) $y = Add ($a, $x)
$a = Conv <pads = [1, 1, 1, 1]> ($x, $same3) $b = Add ($x, $a) $y = Relu ($b)
$a = Conv ($x, $same1) $b = Relu ($a) $c = Add ($b, $x) $y = Clip ($c, low, high)
$a = Conv ($x, $same1) $b = Conv ($x, $same1) $c = Relu ($a) $d = Add ($a, $b)\
 $y = Add ($c, $d)
$a = ReduceMean <keepdims = 1> ($x, axes) $b = Conv ($a, $few1) $c = Relu ($b)\
 $d = Conv ($c, $many1) $e = Sigmoid ($d) $y = Mul ($x, $e)
$a = GlobalAveragePool ($x) $b = Conv ($a, $same1) $c = HardSigmoid <alpha = 0.16666667> ($b)\
 $y = Mul ($c, $x)
$y = Relu ($x)
$y = HardSwish ($x)
$y = Clip ($x, low)
$a = Sigmoid ($x) $y = Mul ($x, $a)
$a = HardSigmoid <alpha = 0.16666667> ($x) $y = Mul ($a, $x)
$y = MaxPool <kernel_shape = [3, 3], pads = $pads3, strides = $strides2, ceil_mode = $up2> ($x)
$y = AveragePool <kernel_shape = [2, 2], pads = $pads2, strides = $strides3, ceil_mode = $up2> ($x)
""".strip().splitlines()

# The last two as in MobileNetV3 and fastai.
FEATURES = """
features = ReduceMean <keepdims = 0> ($x, axes)
$a = GlobalAveragePool ($x) features = Flatten ($a)
$a = GlobalAveragePool ($x) $b = Conv ($a, $twice1) $c = HardSwish ($b) features = Flatten ($c)
$a = GlobalMaxPool ($x) $b = GlobalAveragePool ($x) $c = Concat <axis = 1> ($a, $b)\
 features = Flatten ($c)
""".strip().splitlines()

HEADS = """
logits = Gemm (features, $dense, $offsets)
logits = Gemm <transB = 1> (features, $turned, $offsets)
$a = MatMul (features, $dense) logits = Add ($a, $offsets)
$a = BatchNormalization (features, $each, $each, $each, $variance) $b = Gemm ($a, $inner)\
 $c = Relu ($b) logits = MatMul ($c, $outer)
""".strip().splitlines()

ENDS = [f"$a = Div (logits, calm) probabilities = {kind} ($a)" for kind in ("Softmax", "Sigmoid")]
NOVELTY = ["", ood.maximum_probability().nodes_text, ood.SUBSPACE_NODES + ood.MARGIN_NODES]

SHAPES = """first C 3, same C C, half C H, twice D C, deep C 1, more 45 C, wide 45 1, less C 45,
few 6 C, many C 6, bias C, dense F L, turned L F, offsets L, each F, variance F, inner F 24,
outer 24 L, calib_mean F, calib_axes F 3"""
"""Random weights and their sizes: C channels of the layer, H half and D twice as many, F features,
L labels. Where a weight is used, a window's size follows its name."""

CONSTANTS = json.loads("""
{"levels": 255.0, "middle": [[[0.4]], [[0.5]], [[0.6]]], "spread": [[[0.2]], [[0.3]], [[0.25]]],
"low": -0.5, "high": 1.5, "axes": [2, 3], "calm": 1.3, "calib_axis": [1], "calib_two": [2],
"calib_zero": 0.0, "calib_gate": 0.2, "calib_slope": 3.0}""")


class Graph:
    """A graph that grows by layers; its choices are the seed's."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.size = self.choose([(33, 47), (32, 32), (29, 50), (40, 31)])
        self.channels, self.labels = self.choose([4, 5, 7, 8, 13, 16]), self.choose([6, 130])
        self.kind = int(self.random.integers(len(FEATURES)))
        self.text, self.depth = "", 0
        self.tensors: dict[str, Any] = {}

    def choose(self, values: Any) -> Any:
        return values[self.random.integers(len(values))]

    def add(self, layer: str) -> None:
        self.depth += 1
        self.text += re.sub(r"\$([a-z]+)(\d*)", self._value, layer) + "\n"

    def _value(self, match: re.Match[str]) -> str:
        kind, size = match[1], int(match[2] or 1)
        top, left = map(int, self.random.integers(size, size=2))
        values = {
            "x": f"y{self.depth - 1}",
            "channels": self.channels,
            "up": top,
            "strides": [top + 1, top + 1],
            # In all as many as keep the size, so that some of the map is left.
            "pads": [top, left, size - 1 - top, size - 1 - left],
        }
        if kind in values:
            return str(values[kind])
        if len(kind) == 1:
            return f"{kind}{self.depth}"
        name = f"{kind}_{len(self.tensors)}"
        self.tensors[name] = self.tensor(kind, [size] * 2 if match[2] else [])
        return name

    def tensor(self, kind: str, window: list[int]) -> Any:
        count = self.channels
        sizes = {"C": count, "D": 2 * count, "H": count // 2, "L": self.labels}
        sizes["F"] = sizes["D" if self.kind > 1 else "C"]
        sides = re.search(rf"\b{kind} ([^,]*)", SHAPES)[1].split()
        shape = [sizes.get(side) or int(side) for side in sides] + window
        inputs = np.prod(shape[1:]) / 2 if window else shape[0]
        values = self.random.normal(scale=inputs**-0.5, size=shape).astype(np.float32)
        return abs(values) + 0.5 if kind == "variance" else values

    def end(self, outputs: str) -> bytes:
        """Return the graph with these outputs, in ONNX's text format."""
        for name in sorted({*re.findall(r"\w+", self.text)}):
            if name in CONSTANTS:
                values = np.array(CONSTANTS[name])
                self.tensors[name] = values.astype(values.dtype.str.replace("f8", "f4"))
            elif name in ("calib_mean", "calib_axes"):
                self.tensors[name] = self.tensor(name, [])
        sizes = "uint8[N, {}, {}, 3]".format(*self.size)
        graph = parser.parse_graph(f"random ({sizes} pixels) => ({outputs}) {{ {self.text} }}")
        tensors = [numpy_helper.from_array(values, name) for name, values in self.tensors.items()]
        graph.initializer.extend(tensors)
        opset = helper.make_opsetid("", ood.OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
        return bytes(model.SerializeToString())


def random_network(seed: int) -> bytes:
    """Return a classifier of seven layers, by its seed with novelty."""
    graph, ends = Graph(seed), [HEADS, ENDS, NOVELTY]
    layers = [PHOTO, *(graph.choose(LAYERS) for _ in range(6)), FEATURES[graph.kind]]
    for layer in [*layers, *map(graph.choose, ends)]:
        graph.add(layer)
    outputs = "float[N, F] features, float[N, L] logits, float[N, L] probabilities"
    return graph.end(outputs + ", float[N] novelty" * ("novelty" in graph.text))
