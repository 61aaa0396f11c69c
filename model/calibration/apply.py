"""Apply a calibration to a bundle: rewrite the graph head, golden outputs and manifest."""

import io
from pathlib import Path

import numpy as np
import onnxruntime as ort

from ..bundle import ManifestDraft, Metric, ModelCard
from ..evaluation.metrics import wilson_interval
from .fit import CalibrationResult
from .graph_head import attach_head
from .statistics import probabilities

__all__ = ["MEASURED_BY", "proportion_metric", "write_calibration"]

MEASURED_BY = "measured by Loupe"


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
