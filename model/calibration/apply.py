"""A calibration put into a bundle's files: the graph's tail, golden answers, the manifest."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from ..bundle.card import ModelCard
from ..evaluation.statistics import wilson_interval
from .fit import CalibrationResult
from .graph_head import attach_head
from .statistics import probabilities

__all__ = ["OURS", "share", "write_calibration"]

OURS = "measured by Loupe"


def write_calibration(
    values: dict[str, Any],
    folder: Path,
    trust: CalibrationResult,
    *,
    on: str,
    by: str = OURS,
    command: str,
    seed: int | None = None,
    notes: tuple[str, ...] = (),
) -> None:
    """Write ``graph.onnx`` and ``golden.npz`` of ``folder`` anew, and complete ``values``.

    Args:
        values: the manifest without ``files``; gets confidence, card and metrics.
            Metrics that somebody else measured stay.
        folder: a bundle in the making, with its graph and its golden answers.
        trust: what was found.
        on: the held-out photos, in words.
        by: who measured, and how far that can be believed; begins with ``OURS``.
        command: what was typed.
        seed: of the split, where one was drawn.
        notes: lines for the card.
    """
    path = folder / "graph.onnx"
    graph = attach_head(
        path.read_bytes(), trust.confidence.temperature, trust.score, multilabel=False
    )
    path.write_bytes(graph)
    _golden(folder / "golden.npz", graph, trust.confidence.temperature)
    values["confidence"] = trust.confidence.model_dump(mode="json")
    values["metrics"] = [
        *_metrics(trust, on, by),
        *[one for one in values.get("metrics", ()) if not one["by"].startswith(OURS)],
    ]
    values["card"] = ModelCard(
        on=on,
        photos=trust.photos,
        folds=trust.folds,
        confusion=trust.confusion,
        reliability=trust.reliability,
        before=trust.before,
        mistakes=trust.mistakes,
        scores=trust.scores,
        strangers=trust.strangers,
        command=command,
        seed=seed,
        notes=notes,
    ).model_dump(mode="json")


def _golden(path: Path, graph: bytes, temperature: float) -> None:
    """Keep the learner's own logits, and compute what follows from them anew.

    Probabilities come from those logits and not from the graph, so that the graph
    stays held to the learner.
    """
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
        pixels, logits = kept["pixels"], kept["logits"]
    shares = probabilities(logits, temperature)
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    novelty = [session.run(["novelty"], {"pixels": one[None]})[0][0] for one in pixels]
    np.savez_compressed(
        path,
        pixels=pixels,
        logits=logits,
        probabilities=shares.astype(np.float32),
        novelty=np.array(novelty, np.float32),
    )


def share(name: str, count: int, photos: int, on: str, by: str) -> dict[str, Any]:
    """A metric of ``count`` of ``photos``, with its 95 % interval, as the manifest has it."""
    low, high = wilson_interval(count, photos)
    return _metric(name, (count / photos, low, high), photos, on, by)


def _metric(
    name: str, figures: tuple[float, float, float], photos: int, on: str, by: str
) -> dict[str, Any]:
    value, low, high = (round(figure, 4) for figure in figures)
    return {
        "name": name,
        "value": value,
        "low": low,
        "high": high,
        "photos": photos,
        "on": on,
        "by": by,
    }


def _metrics(trust: CalibrationResult, on: str, by: str) -> list[dict[str, Any]]:
    counts = {"accuracy": trust.right, "coverage": trust.covered, "kept": trust.kept}
    errors = {
        "calibration_error": trust.error,
        "calibration_error_before": trust.error_before,
    }
    return [
        *(share(name, count, trust.photos, on, by) for name, count in counts.items()),
        # An error has no simple interval: the card's bins show what it is made of.
        *(_metric(name, (error,) * 3, trust.photos, on, by) for name, error in errors.items()),
    ]
