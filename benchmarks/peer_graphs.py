"""The measured network in the forms that transformers.js and LiteRT.js take."""

import json
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto, helper

from model import Bundle, LoupeError
from model.engines.compiled import GRAPH
from model.exporting.tflite_format import convert_graph

from .registry import NotMeasured

__all__ = ["make_float_graph", "write_litert", "write_transformers"]

BICUBIC = 3
"""The number of the filter in ``preprocessor_config.json``, which is Pillow's."""


def write_transformers(bundle: Bundle, folder: Path) -> None:
    """Write a bundle as a model of transformers.js, in float32 and in its 8-bit form ``q8``.

    Only for models that resize by ``crop`` with bicubic filter to a square, as ``imagenet`` does.

    Raises:
        ValueError: the bundle's preprocessing or graph is another.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    resize, crop = _square_sizes(bundle)
    manifest = bundle.manifest
    config = {
        "architectures": ["EfficientNetForImageClassification"],
        "model_type": "efficientnet",
        "id2label": dict(enumerate(manifest.labels)),
    }
    preprocessor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": resize},
        "resample": BICUBIC,
        "do_center_crop": True,
        "crop_size": {"height": crop, "width": crop},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(manifest.architecture.mean),
        "image_std": list(manifest.architecture.std),
    }
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    full, small = folder / "onnx" / "model.onnx", folder / "onnx" / "model_quantized.onnx"
    full.write_bytes(make_float_graph(bundle.read(GRAPH)).SerializeToString())
    # As its own conversion script does: onnxruntime-web runs no int8 convolutions.
    quantize_dynamic(full, small, weight_type=QuantType.QUInt8)


def make_float_graph(graph: bytes) -> ModelProto:
    """Return a bundle's graph with the input and output that transformers.js expects.

    Args:
        graph: takes ``pixels``, uint8 ``[N, height, width, 3]``, and normalises them itself.

    Returns:
        A model from ``pixel_values``, float32 ``[N, 3, height, width]``, normalised, to ``logits``.

    Raises:
        ValueError: there is no convolution after the normalisation.
    """
    model = onnx.load_from_string(graph)
    convolution = next((node for node in model.graph.node if node.op_type == "Conv"), None)
    if convolution is None:
        raise ValueError("the graph begins with no convolution")
    (pixels,) = model.graph.input
    batch, height, width, _ = (
        size.dim_param or size.dim_value for size in pixels.type.tensor_type.shape.dim
    )
    shape = [batch, 3, height, width]
    convolution.input[0] = "pixel_values"
    for node in model.graph.node:
        if node.op_type == "Shape" and node.input[0] == pixels.name:
            node.input[0] = "pixel_values"
    del model.graph.input[:], model.graph.value_info[:]
    model.graph.input.append(
        helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, shape)
    )
    logits = next(output for output in model.graph.output if output.name == "logits")
    del model.graph.output[:]
    model.graph.output.append(logits)
    _remove_unused(model)
    onnx.checker.check_model(model)
    return model


def _remove_unused(model: ModelProto) -> None:
    """Remove the nodes and tensors that no output needs."""
    needed = {output.name for output in model.graph.output}
    nodes = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(reversed(nodes))
    model.graph.initializer.extend(tensors)


def write_litert(bundle: Bundle, folder: Path) -> None:
    """Write a bundle as ``graph_float32.tflite`` with its labels and sizes in ``model.json``.

    Not with 8-bit weights: those that onnx2tf 2.6.9 writes give wrong answers even in Python.

    Raises:
        NotMeasured: the converter isn't installed, or it failed.
        ValueError: the bundle's preprocessing isn't ``crop`` with bicubic filter to a square.
    """
    resize, crop = _square_sizes(bundle)
    folder.mkdir(parents=True, exist_ok=True)
    info = {"labels": bundle.manifest.labels, "resize": resize, "crop": crop}
    (folder / "model.json").write_text(json.dumps(info))
    path = folder / "graph_float32.tflite"
    if path.is_file():
        return
    try:
        convert_graph(bundle.read(GRAPH), path)
    except LoupeError as error:
        raise NotMeasured(str(error)) from None


def _square_sizes(bundle: Bundle) -> tuple[int, int]:
    recipe = bundle.manifest.recipe
    sizes = (*recipe.resize, *recipe.size)
    if (recipe.method, recipe.interpolation) != ("crop", "bicubic") or len(set(sizes)) > 2:
        raise ValueError(f"peers can't preprocess as {bundle.name} does")
    return recipe.resize[0], recipe.size[0]
