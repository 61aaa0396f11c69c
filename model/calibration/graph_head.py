"""The graph head: ONNX nodes from logits and features to probabilities and the OOD score.

Writing a calibration to a bundle replaces the head, the golden outputs and the manifest.
"""

import io
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper, parser

from ..bundle import ManifestDraft, Metric, ModelCard
from ..errors import BundleDamaged
from ..evaluation.metrics import wilson_interval
from .cross_validation import CalibrationResult
from .ood_detectors import OPSET, Detector
from .statistics import probabilities

__all__ = ["MEASURED_BY", "attach_head", "proportion_metric", "write_calibration"]

MEASURED_BY = "measured by Loupe"


def attach_head(
    graph: bytes, temperature: float, detector: Detector | None, multilabel: bool
) -> bytes:
    """Return the graph with a new head, which replaces an existing one.

    Args:
        graph: ONNX with outputs ``logits`` and ``features``.
        temperature: what logits are divided by.
        detector: computes ``novelty``, the OOD score; None for a graph without it.
        multilabel: take the sigmoid of each logit instead of the softmax of all.

    Raises:
        BundleDamaged: the graph lacks an output, or its operators are too old.
    """
    model = onnx.load_from_string(graph)
    outputs = {output.name: output for output in model.graph.output}
    if missing := [name for name in ("logits", "features") if name not in outputs]:
        raise BundleDamaged(f"The graph has no output {missing[0]!r}. Import the model again.")
    opset = next((entry.version for entry in model.opset_import if not entry.domain), 0)
    if opset < OPSET:
        raise BundleDamaged(
            f"The graph uses ONNX opset {opset}; calibration needs {OPSET} or newer. Import the "
            "model again."
        )
    _prune(model.graph, needed=_ancestors(model.graph, {"logits", "features"}))
    _add_probabilities(model.graph, temperature, multilabel)
    del model.graph.output[:]
    probabilities_output = onnx.ValueInfoProto()
    probabilities_output.CopyFrom(outputs["logits"])
    probabilities_output.name = "probabilities"
    model.graph.output.extend([outputs["logits"], outputs["features"], probabilities_output])
    if detector is not None:
        model.graph.node.extend(detector.nodes())
        model.graph.initializer.extend(detector.initializers())
        model.graph.output.append(
            helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["N"])
        )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _add_probabilities(graph: onnx.GraphProto, temperature: float, multilabel: bool) -> None:
    activation = "Sigmoid(calib_scaled)" if multilabel else "Softmax <axis = 1> (calib_scaled)"
    nodes = parser.parse_graph(
        "head (float[N, C] logits) => (float[N, C] probabilities) {"
        f"calib_scaled = Div(logits, calib_temperature) probabilities = {activation} }}"
    )
    graph.node.extend(nodes.node)
    graph.initializer.append(
        numpy_helper.from_array(np.array(temperature, np.float32), "calib_temperature")
    )


def _ancestors(graph: onnx.GraphProto, names: set[str]) -> set[str]:
    """Return the names of all values that ``names`` are computed from, themselves included."""
    ancestors = set(names)
    producers = {name: node for node in graph.node for name in node.output}
    pending = list(names)
    while pending:
        node = producers.get(pending.pop())
        for name in _inputs(node) if node else ():
            if name not in ancestors:
                ancestors.add(name)
                pending.append(name)
    return ancestors


def _inputs(node: onnx.NodeProto) -> list[str]:
    """Return the names that a node reads, including inside its subgraphs."""
    names = list(node.input)
    for attribute in node.attribute:
        for graph in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
            names += [name for inner in graph.node for name in _inputs(inner)]
    return names


def _prune(graph: onnx.GraphProto, needed: set[str]) -> None:
    """Remove the nodes, initializers and shapes of values that are not needed."""
    for field, names in (
        (graph.node, lambda node: node.output),
        (graph.initializer, lambda initializer: [initializer.name]),
        (graph.value_info, lambda value: [value.name]),
    ):
        remaining = [item for item in field if needed & set(names(item))]
        del field[:]
        field.extend(remaining)


def write_calibration(
    draft: ManifestDraft,
    folder: Path,
    result: CalibrationResult,
    *,
    on: str,
    by: str = MEASURED_BY,
    command: str,
    seed: int | None = None,
    notes: tuple[str, ...] = (),
) -> ManifestDraft:
    """Rewrite ``graph.onnx`` and ``golden.npz`` in ``folder``, and return the new draft.

    Args:
        draft: the manifest without the calibration. Metrics measured by others stay.
        folder: an unpublished bundle with its graph and its golden outputs.
        result: the calibration and its figures.
        on: the held-out photos, in words.
        by: who measured and with which reservation; begins with ``MEASURED_BY``.
        command: the command line that was used.
        seed: of the split, if one was drawn.
        notes: lines for the card.
    """
    path = folder / "graph.onnx"
    temperature = result.calibration.temperature
    graph = attach_head(path.read_bytes(), temperature, result.detector, multilabel=False)
    path.write_bytes(graph)
    _rewrite_golden(folder / "golden.npz", graph, temperature)
    others = [metric for metric in draft.metrics if not metric.by.startswith(MEASURED_BY)]
    card = ModelCard(
        on=on,
        photos=result.photos,
        folds=result.folds,
        confusion=result.confusion,
        reliability=result.reliability,
        reliability_uncalibrated=result.reliability_uncalibrated,
        mistakes=result.mistakes,
        detectors=result.detectors,
        ood_sets=result.ood_sets,
        command=command,
        seed=seed,
        notes=notes,
    )
    return draft.model_copy(
        update={
            "calibration": result.calibration,
            "metrics": (*_metrics(result, on, by), *others),
            "card": card,
        }
    )


def _rewrite_golden(path: Path, graph: bytes, temperature: float) -> None:
    """Keep the learner's own logits, and replace the probabilities and OOD scores.

    Probabilities are computed from those logits, not by the graph, so that the golden test
    still compares the graph with the learner.
    """
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as golden:
        pixels, logits = golden["pixels"], golden["logits"]
    ort_session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    ood_scores = [ort_session.run(["novelty"], {"pixels": photo[None]})[0][0] for photo in pixels]
    np.savez_compressed(
        path,
        pixels=pixels,
        logits=logits,
        probabilities=probabilities(logits, temperature).astype(np.float32),
        novelty=np.array(ood_scores, np.float32),
    )


def proportion_metric(name: str, count: int, photos: int, on: str, by: str) -> Metric:
    """Return the metric of ``count`` in ``photos`` with its 95% interval."""
    low, high = wilson_interval(count, photos)
    return _metric(name, (count / photos, low, high), photos, on, by)


def _metric(
    name: str, figures: tuple[float, float, float], photos: int, on: str, by: str
) -> Metric:
    value, low, high = (round(figure, 4) for figure in figures)
    return Metric.model_validate(
        {
            "name": name,
            "value": value,
            "low": low,
            "high": high,
            "photos": photos,
            "on": on,
            "by": by,
        }
    )


def _metrics(result: CalibrationResult, on: str, by: str) -> list[Metric]:
    counts = {
        "accuracy": result.correct,
        "coverage": result.covered,
        "kept": result.id_accepted,
    }
    errors = {
        "calibration_error": result.ece,
        "calibration_error_before": result.ece_uncalibrated,
    }
    return [
        *(proportion_metric(name, count, result.photos, on, by) for name, count in counts.items()),
        # A calibration error has no simple interval; the card's bins show its parts.
        *(_metric(name, (error,) * 3, result.photos, on, by) for name, error in errors.items()),
    ]
