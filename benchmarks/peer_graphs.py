"""The measured network in the forms that transformers.js and LiteRT.js take."""

import json
from pathlib import Path

import onnx
import onnx.utils
from onnx import ModelProto, TensorProto, helper
from PIL import Image

from model import Bundle, LoupeError
from model.engines.compiled import GRAPH
from model.exporting.tflite_format import convert_graph

from .figure import NotMeasured


def write_transformers(bundle: Bundle, folder: Path) -> None:
    """Write a bundle as a model of transformers.js, in float32 and in its 8-bit form ``q8``.

    Raises:
        ValueError: see ``_square_sizes``.
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
        "resample": Image.Resampling.BICUBIC,
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
    """
    model = onnx.load_from_string(graph)
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    (pixels,) = model.graph.input
    batch, height, width, _ = (
        size.dim_param or size.dim_value for size in pixels.type.tensor_type.shape.dim
    )
    normalised = helper.make_tensor_value_info(
        convolution.input[0], TensorProto.FLOAT, [batch, 3, height, width]
    )
    for node in model.graph.node:
        if node.op_type == "Shape" and node.input[0] == pixels.name:
            node.input[0] = normalised.name
    del model.graph.value_info[:]
    model.graph.value_info.append(normalised)
    model = onnx.utils.Extractor(model).extract_model([normalised.name], ["logits"])
    for node in model.graph.node:
        node.input[:] = ["pixel_values" if name == normalised.name else name for name in node.input]
    model.graph.input[0].name = "pixel_values"
    onnx.checker.check_model(model)
    return model


def write_litert(bundle: Bundle, folder: Path) -> None:
    """Write a bundle as ``graph_float32.tflite`` with its labels and sizes in ``model.json``.

    Without 8-bit weights: files with such weights by onnx2tf 2.6.9 give wrong answers in Python.

    Raises:
        NotMeasured: the converter isn't installed, or it failed.
        ValueError: see ``_square_sizes``.
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
    """Return the sides to which the bundle resizes and crops, in pixels.

    Raises:
        ValueError: it prepares photos in another way than ``imagenet``, which peers can't follow.
    """
    recipe = bundle.manifest.recipe
    sizes = (*recipe.resize, *recipe.size)
    if (recipe.method, recipe.interpolation) != ("crop", "bicubic") or len(set(sizes)) > 2:
        raise ValueError(f"peers can't preprocess as {bundle.name} does")
    return recipe.resize[0], recipe.size[0]
