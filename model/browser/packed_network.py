"""Pack a graph for the kernels in ``device/kernels``: ONNX to one file of steps and weights.

ONNX Runtime first folds what is constant for one photo. Each node that is left becomes a step of
one kernel, joins an earlier step (bounds, residuals, gates), or is a vector operator at the end.
"""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .network_writer import Array, NetworkWriter, stored_channels

LEVELS = {"Div": np.divide, "Sub": np.subtract, "Mul": np.multiply, "Add": np.add}
"""Operators on the photo's bytes, which become part of the look-up table."""

POOLS = {
    **dict.fromkeys(("MaxPool", "GlobalMaxPool", "ReduceMax"), False),
    **dict.fromkeys(("AveragePool", "GlobalAveragePool", "ReduceMean"), True),
}
"""Pooling operators, and whether they take the mean instead of the maximum."""

ACTIVATIONS = {"Sigmoid": "sigmoid", "HardSigmoid": "hard-sigmoid", "HardSwish": "hard-swish"}
GATED = {"sigmoid": "silu", "hard-sigmoid": "hard-swish"}
"""Activations by the gate that their input is multiplied by."""

VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Gather"}
VECTORS = {
    *("Add", "Sub", "Mul", "Div", "Max", "Neg", "Sqrt", "Relu", "Sigmoid", "Softmax", "Concat"),
    *("LpNormalization", "ReduceSumSquare", "ReduceMax", "TopK", "Split"),
}
"""Operators of ``device/engine/network_steps.mjs``, beside MatMul and those made of them."""

ALONG_AXIS = {"Softmax", "LpNormalization", "TopK", "Split", "Concat"}
"""Those along an axis, which must be the one that holds the vector."""

WINDOW: dict[str, Any] = {
    "strides": [1, 1],
    "pads": [0] * 4,
    "dilations": [1, 1],
    "auto_pad": b"NOTSET",
    "ceil_mode": 0,
    "count_include_pad": 0,
}
VECTOR = {"p": 2, "largest": 1}
LAYER = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}
"""Default attributes of windows; those of vector operators and layers that the kernels compute."""


class NotPackable(Exception):
    """No kernel computes this graph; the message names what is lacking."""


def pack_network(graph: bytes) -> bytes:
    """Return a full or small graph with the input ``pixels`` as a packed network.

    Weights of the small graph stay int8. See ``NetworkWriter.to_bytes`` for the format.

    Raises:
        NotPackable: the graph has an operator, a shape or an attribute that no kernel computes.
    """
    folded = onnx.load_from_string(_fold_constants(graph))
    packer = _Packer(onnx.shape_inference.infer_shapes(folded).graph)
    try:
        return packer.pack()
    except (KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise NotPackable(f"weights that aren't constant, or this shape ({error})") from error


def _fold_constants(graph: bytes) -> bytes:
    """Return the graph for one photo, without the nodes that compute shapes or constants."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    # Higher levels replace ONNX's operators by ONNX Runtime's own.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    for size in onnx.load_from_string(graph).graph.input[0].type.tensor_type.shape.dim:
        if size.dim_param:
            options.add_free_dimension_override_by_name(size.dim_param, 1)
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "graph.onnx")
        ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return Path(options.optimized_model_filepath).read_bytes()


def _require(condition: object, lacking: str) -> None:
    if not condition:
        raise NotPackable(lacking)


class _Node(NamedTuple):
    kind: str
    inputs: list[str]
    output: str
    outputs: list[str]
    attributes: dict[str, Any]


class _Packer:
    """A graph on its way to a packed network, node by node."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph, self._network = graph, NetworkWriter()
        self._shapes = self._network.shapes
        self._constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self._scales: dict[str, Array] = {}
        self._names: dict[str, str] = {}
        outputs = [item.name for item in graph.output]
        self._uses = Counter([name for node in graph.node for name in node.input] + outputs)
        self._sizes = {
            item.name: [size.dim_value for size in item.type.tensor_type.shape.dim]
            for item in [*graph.value_info, *graph.output]
        }
        sizes = [size.dim_value for size in graph.input[0].type.tensor_type.shape.dim]
        _require(sizes[3:] == [3] and min(sizes[1:]) > 0, "an input of this shape")
        self._size = sizes[1:3]
        # The network's input for every byte, until the first convolution.
        levels = np.arange(256, dtype=np.float32)[:, None].repeat(3, axis=1)
        self._tables = {graph.input[0].name: levels}

    def pack(self) -> bytes:
        """Pack all nodes; return the file."""
        for node in self._graph.node:
            attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
            inputs = [self._names.get(name, name) for name in node.input]
            outputs = list(node.output)
            self._pack_node(_Node(node.op_type, inputs, outputs[0], outputs, attributes))
        outputs_ = {item.name: self._names.get(item.name, item.name) for item in self._graph.output}
        return self._network.to_bytes(self._size, outputs_)

    def _pack_node(self, node: _Node) -> None:
        first, kind = node.inputs[0], node.kind
        # Mul and Add become steps only if both operands are maps.
        is_map = all(name in self._shapes for name in node.inputs[: 2 if kind in LEVELS else 1])
        if kind == "DequantizeLinear":
            integers, scales = self._constants[first], self._constants[node.inputs[1]]
            is_usual = integers.dtype == np.int8 and scales.ndim == 1 and len(node.inputs) == 2
            _require(is_usual, "weights of other integers")
            self._constants[node.output], self._scales[node.output] = integers, scales
        elif first in self._tables and kind != "Conv":
            self.pack_levels(node)
        elif kind in VIEWS:
            self.pack_view(node)
        elif kind in LAYERS or (is_map and kind in STEPS and not self._is_over_vector(node)):
            (LAYERS.get(kind) or STEPS[kind])(self, node)
        else:
            self.pack_vectors(node)

    def _is_over_vector(self, node: _Node) -> bool:
        axes = self._constants.get(node.inputs[-1], np.empty(0)).reshape(-1) % 4
        return node.kind.startswith("Reduce") and sorted(axes) != [2, 3]

    def _is_vector(self, name: str) -> bool:
        return name not in self._tables and self._shapes.get(name, (1, 1))[:2] == (1, 1)

    def _is_free(self, name: str, *operators: str, without: set[str]) -> bool:
        """Return whether one of these steps writes a map that is read once, without such values."""
        step = self._network.writers[name]
        return step["op"] in operators and not step.keys() & without and self._uses[name] == 1

    def _put_weights(self, names: list[str], order: tuple[int, ...], shape: list[int]) -> Any:
        """Store weights, output channels first, with their scales and biases; return offsets."""
        weights = self._constants[names[0]].transpose(order)
        vectors = {"scales": self._scales.get(names[0]), "bias": None}
        if len(names) > 1:
            vectors["bias"] = self._constants[names[1]].reshape(-1)
        places = {"weights": self._network.put(weights, shape)}
        for name, values in vectors.items():
            if values is not None:
                _require(len(values) == len(weights), "scales by another axis")
                places[name] = self._network.put(values, shape[:1])
        return places

    def pack_levels(self, node: _Node) -> None:
        table, values = self._tables[node.inputs[0]], self._constants.get(node.inputs[-1])
        if node.kind == "Transpose":
            _require(list(node.attributes["perm"]) == [0, 3, 1, 2], "another order of axes")
        elif node.kind == "Cast":
            _require(node.attributes["to"] == onnx.TensorProto.FLOAT, "pixels of another type")
        else:
            if node.kind not in LEVELS or values is None or values.size not in (1, 3):
                raise NotPackable(f"{node.kind} of the photo")
            table = LEVELS[node.kind](table, values.reshape(-1)).astype(np.float32)
        self._tables[node.output] = table

    def pack_view(self, node: _Node) -> None:
        name, is_same = node.inputs[0], self._is_vector(node.inputs[0])
        if node.kind == "Gather":
            places = self._constants.get(node.inputs[1], np.empty(0)).reshape(-1)
            is_same &= np.array_equal(places, np.arange(self._shapes.get(name, (0,))[-1]))
        # A view of a vector has all values on one axis.
        is_same &= sum(size != 1 for size in self._sizes.get(node.output, (0, 0))) <= 1
        _require(is_same, f"{node.kind} of a map")
        self._names[node.output] = name
        # Nodes that read the view read the map.
        self._uses[name] += self._uses[node.output] - 1

    def pack_convolution(self, node: _Node) -> None:
        name, is_photo = node.inputs[0], node.inputs[0] in self._tables
        outputs, depth, rows, columns = self._constants[node.inputs[1]].shape
        if is_photo:
            table = self._network.put(self._tables[name])
            self._network.add("look-up", name, (*self._size, 3), table=table)
        channels, groups = self._shapes[name][2], node.attributes.get("group", 1)
        _require(rows == columns, "a window that isn't square")
        values, size = self._place_window(node, [rows, columns])
        stored, op = stored_channels(outputs), "convolve"
        shape = [stored, rows, rows, channels if is_photo else stored_channels(channels)]
        if groups > 1:
            _require(depth == 1 and outputs == groups and not is_photo, "a grouped convolution")
            is_known = rows in (3, 5) and values["stride"] in (1, 2)
            _require(is_known, f"a depthwise convolution of {rows} × {rows}")
            op, shape = "depthwise", [stored, rows, rows, 1]
        values |= self._put_weights(node.inputs[1:], (0, 2, 3, 1), shape)
        values |= {"in": name, "window": rows} | ({"isPhoto": True} if is_photo else {})
        self._network.add(op, node.output, (*size, outputs), **values)

    def _place_window(
        self, node: _Node, window: list[int], is_mean: bool = False
    ) -> tuple[dict[str, Any], list[int]]:
        """Return a window's stride and padding, and height and width of the output."""
        values = WINDOW | node.attributes
        (stride, other), pads = values["strides"], values["pads"]
        _require(stride == other and set(values["dilations"]) == {1}, "dilation, or two strides")
        _require(values["auto_pad"] == b"NOTSET", "automatic padding")
        is_small = all(pad < side for pad, side in zip(pads, [*window, *window], strict=True))
        _require(is_small, "padding as large as the window")
        size, is_cut = [], any(pads)
        for axis, side in enumerate(self._shapes[node.inputs[0]][:2]):
            steps, rest = divmod(side + pads[axis] + pads[axis + 2] - window[axis], stride)
            # A last window that is cut off must begin inside the map.
            is_more = values["ceil_mode"] and rest and (steps + 1) * stride < side + pads[axis]
            is_cut |= bool(is_more)
            size.append(steps + 1 + bool(is_more))
        # Runtimes then count different places.
        _require(not (is_mean and is_cut and values["count_include_pad"]), "a mean with padding")
        return {"stride": stride, "top": pads[0], "left": pads[1]}, size

    def pack_pool(self, node: _Node) -> None:
        name, is_mean = node.inputs[0], POOLS[node.kind]
        *whole, channels = self._shapes[name]
        window = list(node.attributes.get("kernel_shape", whole))
        values, size = self._place_window(node, window, is_mean)
        values |= {"in": name, "window": window, "mean": is_mean}
        self._network.add("pool", node.output, (*size, channels), **values)

    def pack_bounds(self, node: _Node) -> None:
        name, *names = node.inputs
        _require(not node.attributes, f"a {node.kind} of this kind")
        given = zip(("low", "high"), names, strict=False)
        bounds: dict[str, Any] = {key: float(self._constants[one]) for key, one in given if one}
        if node.kind == "Relu":
            bounds = {"low": 0.0}
        if self._is_free(name, "convolve", "depthwise", "add", without={"low", "high"}):
            self._network.join(name, node.output, **bounds)
        else:
            bounds |= {"in": name, "kind": "clip"}
            self._network.add("activate", node.output, self._shapes[name], **bounds)

    def pack_activation(self, node: _Node) -> None:
        if node.kind == "HardSigmoid":
            line = {"alpha": 0.2, "beta": 0.5} | node.attributes
            is_usual = np.allclose([line["alpha"], line["beta"]], [1 / 6, 0.5], atol=1e-6)
            _require(is_usual, "a HardSigmoid of this slope")
        values = {"in": node.inputs[0], "kind": ACTIVATIONS[node.kind]}
        self._network.add("activate", node.output, self._shapes[node.inputs[0]], **values)

    def pack_product(self, node: _Node) -> None:
        for name, gate in (node.inputs, node.inputs[::-1]):
            step = self._network.writers[gate]
            is_own = step.get("kind") in GATED and step["in"] == name
            if is_own and self._is_free(gate, "activate", without=set()):
                self._network.join(gate, node.output, kind=GATED[step["kind"]])
                return
        name, factors = sorted(node.inputs, key=lambda one: self._shapes[one][:2], reverse=True)
        is_scale = self._shapes[factors] == (1, 1, self._shapes[name][2])
        _require(is_scale, "a product of two maps")
        values = {"in": name, "factors": factors}
        self._network.add("scale", node.output, self._shapes[name], **values)

    def pack_sum(self, node: _Node) -> None:
        _require(len({self._shapes[name] for name in node.inputs}) == 1, "a sum of two shapes")
        writers, bounds = self._network.writers, {"low", "high", "residual"}
        for name, other in (node.inputs, node.inputs[::-1]):
            is_known = writers[other]["number"] < writers[name]["number"]
            if is_known and self._is_free(name, "convolve", without=bounds):
                self._network.join(name, node.output, residual=other)
                return
        first, other = node.inputs
        values = {"in": first, "other": other}
        self._network.add("add", node.output, self._shapes[first], **values)

    def pack_layer(self, node: _Node) -> None:
        name, attributes = node.inputs[0], LAYER | node.attributes
        is_plain = attributes | {"transB": 0} == LAYER and self._is_vector(name)
        _require(is_plain, f"a {node.kind} of this kind")
        order = (0, 1) if attributes["transB"] else (1, 0)
        outputs, depth = self._constants[node.inputs[1]].transpose(order).shape
        if name in self._shapes:
            shape = [stored_channels(outputs), stored_channels(depth)]
            values = self._put_weights(node.inputs[1:], order, shape)
            values |= {"in": name, "window": 1, "stride": 1, "top": 0, "left": 0}
            self._network.add("convolve", node.output, (1, 1, outputs), **values)
            return
        matrix = self._put_weights(node.inputs[1:2], order, [outputs, depth])
        matrix |= {"rows": outputs, "columns": depth}
        self._network.tail.append(["MatMul", [name, matrix], node.outputs])
        for bias in node.inputs[2:]:
            self._network.tail.append(["Add", [node.output, self._operand(bias)], node.outputs])

    def pack_vectors(self, node: _Node) -> None:
        if node.kind == "BatchNormalization":
            _require(self._is_vector(node.inputs[0]), "BatchNormalization of a map")
            scale, bias, mean, variance = (self._constants[name] for name in node.inputs[1:])
            factors = scale / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
            for kind, name, values in (
                ("Mul", node.inputs[0], factors),
                ("Add", node.output, bias - mean * factors),
            ):
                self._constants[""] = values
                self.pack_vectors(node._replace(kind=kind, inputs=[name, ""]))
            return
        _require(node.kind in VECTORS, node.kind)
        names, most = node.inputs, {"Max": 2, "Split": 1}.get(node.kind, len(node.inputs))
        is_usual = len(names) <= most
        is_usual &= all(node.attributes.get(key, value) == value for key, value in VECTOR.items())
        if node.kind in ALONG_AXIS:
            sizes = list(self._sizes.get(node.output, (0, 0)))
            sizes[node.attributes.get("axis", -1)] = 1
            is_usual &= set(sizes) == {1}
        if node.kind.startswith("Reduce"):
            is_usual &= list(self._constants[names[1]].reshape(-1)) == [1]
            names = names[:1]
        is_usual &= not any(name in self._scales for name in names)
        _require(all(map(self._is_vector, names)), f"{node.kind} of maps")
        _require(is_usual, f"{node.kind} of this kind")
        operands = [self._operand(name) for name in names]
        self._network.tail.append([node.kind, operands, node.outputs])

    def _operand(self, name: str) -> str | dict[str, int]:
        values = self._constants.get(name)
        if values is None:
            return name
        return {"at": self._network.put(values), "count": values.size}


LAYERS = {
    "Conv": _Packer.pack_convolution,
    "Gemm": _Packer.pack_layer,
    "MatMul": _Packer.pack_layer,
}
STEPS = {
    **dict.fromkeys(POOLS, _Packer.pack_pool),
    **dict.fromkeys(ACTIVATIONS, _Packer.pack_activation),
    **dict.fromkeys(("Clip", "Relu"), _Packer.pack_bounds),
    "Mul": _Packer.pack_product,
    "Add": _Packer.pack_sum,
}
"""Methods that pack nodes of maps; other nodes become vector operators."""
