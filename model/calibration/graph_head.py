"""The graph head: ONNX nodes from logits and features to probabilities and the OOD score.

Writing a calibration to a bundle replaces the head, the golden outputs and the manifest.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.utils
from onnx import numpy_helper, parser

from ..browser.device_files import run_graph
from ..browser.small_graph import EXACT
from ..bundle import Calibration, ManifestDraft
from ..errors import BundleDamaged
from .cross_validation import MEASURED_BY, CalibrationResult
from .fit import probabilities
from .graph_outputs import Floats
from .ood_detectors import OPSET, Detector


def attach_head(graph: bytes, temperature: float, detector: Detector | None) -> bytes:
    """Return the graph with a new head, which replaces an existing one.

    Args:
        graph: ONNX with outputs ``logits`` and ``features``.
        detector: computes ``novelty``, the OOD score; None for a graph without it.

    Raises:
        BundleDamaged: the graph lacks an output, or its operators are too old.
    """
    model = onnx.load_from_string(graph)
    trunk = _extract_trunk(model, "logits", "features")
    opset = next((entry.version for entry in model.opset_import if not entry.domain), 0)
    if opset < OPSET:
        raise BundleDamaged(
            f"The graph uses ONNX opset {opset}; calibration needs {OPSET} or newer. Import the "
            "model again."
        )
    _add_probabilities(trunk.graph, temperature)
    probabilities_output = trunk.graph.output.add()
    probabilities_output.CopyFrom(trunk.graph.output[0])
    probabilities_output.name = "probabilities"
    if detector is not None:
        head = detector.graph()
        trunk.graph.node.extend(head.node)
        trunk.graph.initializer.extend(head.initializer)
        trunk.graph.output.extend(head.output)
    onnx.checker.check_model(trunk)
    return bytes(trunk.SerializeToString())


def _add_probabilities(graph: onnx.GraphProto, temperature: float) -> None:
    nodes = parser.parse_graph(
        "head (float[N, C] logits) => (float[N, C] probabilities) {"
        "calib_scaled = Div(logits, calib_temperature) "
        "probabilities = Softmax <axis = 1> (calib_scaled) }"
    )
    graph.node.extend(nodes.node)
    graph.initializer.append(
        numpy_helper.from_array(np.array(temperature, np.float32), "calib_temperature")
    )


def _extract_trunk(model: onnx.ModelProto, *outputs: str) -> onnx.ModelProto:
    """Return what computes these outputs, without a head."""
    present = {output.name for output in model.graph.output}
    if missing := [name for name in outputs if name not in present]:
        raise BundleDamaged(f"The graph has no output {missing[0]!r}. Import the model again.")
    inputs = [part.name for part in model.graph.input]
    trunk = onnx.utils.Extractor(model).extract_model(inputs, [*outputs])
    # ``onnx`` would put another "Extracted from" around it at each calibration.
    trunk.graph.name = model.graph.name
    return trunk


def replace_classifier(graph: bytes, weight: Floats, bias: Floats) -> bytes:
    """Return a graph whose ``logits`` are a new linear layer's on the same ``features``.

    Args:
        graph: ONNX with an output ``features`` [N, D].
        weight: float32 [labels, D]; it is not rounded in the small graph either.
        bias: float32 [labels].
    """
    model = _extract_trunk(onnx.load_from_string(graph), "features")
    layer = parser.parse_graph(
        f"layer (float[N, D] features) => (float[N, {len(bias)}] logits) "
        f"{{ logits = Gemm <transB = 1> (features, {EXACT}weight, {EXACT}bias) }}"
    )
    model.graph.node.extend(layer.node)
    model.graph.output.extend(layer.output)
    for name, array in (("weight", weight), ("bias", bias)):
        model.graph.initializer.append(numpy_helper.from_array(array, EXACT + name))
    return bytes(model.SerializeToString())


def write_calibration(
    draft: ManifestDraft, folder: Path, result: CalibrationResult
) -> ManifestDraft:
    """Rewrite ``graph.onnx`` and ``golden.npz`` in ``folder``, and return the new draft.

    Args:
        draft: the manifest without the calibration. Metrics measured by others stay.
        folder: an unpublished bundle with its graph and its golden outputs.
    """
    _rewrite_graph(folder, result.calibration.temperature, result.detector)
    others = [metric for metric in draft.metrics if not metric.by.startswith(MEASURED_BY)]
    return draft.model_copy(
        update={
            "calibration": result.calibration,
            "metrics": (*(one for one in result.metrics if one.name != "shown"), *others),
            "card": result.card,
        }
    )


def write_temperature(draft: ManifestDraft, folder: Path, estimate: Calibration) -> ManifestDraft:
    """Write an estimated temperature as ``write_calibration`` writes a measured calibration."""
    _rewrite_graph(folder, estimate.temperature, None)
    return draft.model_copy(update={"calibration": estimate})


def _rewrite_graph(folder: Path, temperature: float, detector: Detector | None) -> None:
    """Replace the head of ``graph.onnx``, and what ``golden.npz`` says of its outputs.

    Probabilities are computed from those logits, not by the graph, so that the golden test
    still compares the graph with the learner.
    """
    path = folder / "graph.onnx"
    graph = attach_head(path.read_bytes(), temperature, detector)
    path.write_bytes(graph)
    path = folder / "golden.npz"
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as golden:
        pixels, logits = golden["pixels"], golden["logits"]
    arrays: dict[str, Any] = {"pixels": pixels, "logits": logits}
    arrays["probabilities"] = probabilities(logits, temperature).astype(np.float32)
    if detector:
        arrays["novelty"] = run_graph(graph, pixels)["novelty"]
    np.savez_compressed(path, **arrays)
