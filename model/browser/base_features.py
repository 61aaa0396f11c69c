"""The features of a bundle as a base for teaching: their hash, and constants measured on them."""

import hashlib
from typing import Any

from ..preprocess import PreprocessConfig

# By base: the cosine to a label's mean from which a photo is known, while too few photo groups were
# left out to promise anything; and the cosine from which two photos of one label are near copies.
# Chosen by benchmarks/teaching.py (docs/teaching.md). One more base is one more line.
BASES: dict[str, tuple[float, float]] = {
    "imagenet": (0.45, 0.95),
}


def describe_features(
    name: str, recipe: PreprocessConfig, small_graph: bytes
) -> dict[str, Any] | None:
    """Return ``features`` of ``model.json``; None for a graph that can't be a base.

    The hash is of what computes ``features`` from a photo: the recipe and the graph's nodes with
    their attributes and tensors, but not their names. So a recalibrated base has the same one.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(small_graph)
    output = next((item for item in model.graph.output if item.name == "features"), None)
    size = output.type.tensor_type.shape.dim[-1].dim_value if output else 0
    if not size:
        return None
    digests = {
        item.name: _digest(item.type.SerializeToString(deterministic=True))
        for item in model.graph.input
    }
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        digests[tensor.name] = _digest(str(values.dtype), values.shape, values.tobytes())
    for node in model.graph.node:
        inputs = [digests.get(name, "") for name in node.input]
        attributes = sorted(item.SerializeToString(deterministic=True) for item in node.attribute)
        for place, output in enumerate(node.output):
            digests[output] = _digest(node.domain, node.op_type, attributes, inputs, place)
    opset = sorted((entry.domain, entry.version) for entry in model.opset_import)
    # Without defaults, so that a new field of recipes doesn't change it.
    fields = sorted(recipe.model_dump(mode="json", exclude_defaults=True).items())
    digest = _digest(fields, opset, digests["features"])
    cosine, near_copy = BASES.get(name, BASES["imagenet"])
    return {"size": size, "sha256": digest, "fallback_cosine": cosine, "near_copy": near_copy}


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
