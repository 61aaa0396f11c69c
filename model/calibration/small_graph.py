"""The calibration of the small graph, which runs in browsers: ``small.json`` beside a bundle."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ..browser.small_graph import make_small_graph
from ..bundle import Bundle, Calibration, GraphAgreement, SmallCard, write_small_card
from ..errors import DataError
from .calibration_photos import CalibrationPhotos, StageUpdate
from .cross_validation import MEASURED_BY, CalibrationResult, calibrate
from .graph_outputs import CalibrationOutputs, open_graph
from .measurements import accuracy_metric

__all__ = ["accuracies", "calibrate_small_graph", "publish_small_card", "write_small_estimate"]

UNCALIBRATED_BY = f"{MEASURED_BY}; the model may have been trained on these photos"

TOLERANCE = 0.01
"""Most by which thresholds differ that were fitted to the same photos on another machine."""


def publish_small_card(bundle: Bundle, result: CalibrationResult) -> SmallCard:
    """Write what was fitted to the small graph of a published bundle beside the bundle.

    Args:
        bundle: the bundle that has this calibration.
        result: with the result for the small graph.

    Raises:
        OSError: it cannot be written.
    """
    small = result.small
    if small is None:
        raise ValueError("calibrated without the small graph's outputs")
    small_graph = make_small_graph(bundle.read("graph.onnx"))
    return _write(bundle, small_graph, full_metrics=result.metrics, **vars(small))


def write_small_estimate(bundle: Bundle, values: Mapping[str, Any]) -> None:
    """Write the small card of a published bundle whose temperature is estimated.

    Args:
        bundle: the bundle.
        values: the card's fields that aren't about the bundle.
    """
    _write(bundle, make_small_graph(bundle.read("graph.onnx")), **values)


def _write(bundle: Bundle, small_graph: bytes, **values: Any) -> SmallCard:
    digest = hashlib.sha256(small_graph).hexdigest()
    card = SmallCard(format=1, version=bundle.version, graph=digest, **values)
    write_small_card(bundle, card)
    return card


def calibrate_small_graph(
    bundle: Bundle,
    folder: Path,
    unknown: Mapping[str, Path] = MappingProxyType({}),
    *,
    reference: Path | None = None,
    command: str = "",
    progress: StageUpdate = lambda stage, done, total: None,
) -> SmallCard:
    """Fit and measure the small graph of an existing bundle, whose version stays.

    A bundle without calibration gets figures only.

    Args:
        bundle: the model; it must give one label per photo.
        folder: the held-out photos that it was calibrated on, one folder per label.
        unknown: folders with photos of none of the labels, by a name that visitors read.
        reference: the photos that it was trained on, if training calibrated it.
        command: the command line that was used, for the card.
        progress: called with the stage, the number of photos done, and their total.

    Raises:
        DataError: the photos don't fit the model, or aren't those it was calibrated on.
        OSError: the result cannot be written.
    """
    manifest = bundle.manifest
    graph = bundle.read("graph.onnx")
    small_graph = make_small_graph(graph)
    photos = CalibrationPhotos.find(bundle, folder, unknown)
    full, notes = photos.run(open_graph(graph), progress)
    small, _ = photos.run(open_graph(small_graph), progress)
    if manifest.calibration is None:
        return _write(bundle, small_graph, **accuracies(full, small, "labelled photos"))
    training = None
    if reference:
        of_training = CalibrationPhotos.find(bundle, reference)
        training = of_training.run(open_graph(graph), progress)[0].held_out
    accuracy, rule = manifest.metric("accuracy"), manifest.calibration.prediction_set
    if manifest.card is None or accuracy is None or rule is None:
        raise DataError("The model wasn't calibrated by Loupe. Leave out --small to do so.")
    progress("Calibrating", 0, 0)
    result = calibrate(
        full.held_out,
        training,
        full.ood_sets,
        small=small,
        coverage=rule.coverage,
        seed=manifest.card.seed,
        on=manifest.card.on,
        by=accuracy.by,
        command=command,
        notes=notes,
    )
    if not _is_close(result.calibration, manifest.calibration):
        raise DataError(
            "With these photos, the model's calibration comes out differently. Use the held-out "
            "photos and the --reference that it was calibrated with, or calibrate it again without "
            "--small."
        )
    return publish_small_card(bundle, result)


def _is_close(one: Calibration, other: Calibration) -> bool:
    return one.ood_detector == other.ood_detector and np.allclose(
        _numbers(one), _numbers(other), rtol=0, atol=TOLERANCE
    )


def _numbers(calibration: Calibration) -> list[float]:
    rule = calibration.prediction_set
    thresholds = rule.label_thresholds if rule else ()
    return [calibration.temperature, calibration.ood_threshold or 0.0, *thresholds]


def accuracies(full: CalibrationOutputs, small: CalibrationOutputs, name: str) -> dict[str, Any]:
    """Return the figures of a model without calibration; ``name`` is the labelled photos' name."""
    sets = {name: (full.held_out, small.held_out)}
    sets |= {other: (outputs, small.ood_sets[other]) for other, outputs in full.ood_sets.items()}
    return {
        "metrics": (accuracy_metric(small.held_out, name, UNCALIBRATED_BY),),
        "full_metrics": (accuracy_metric(full.held_out, name, UNCALIBRATED_BY),),
        "agreement": tuple(
            GraphAgreement(
                name=name,
                photos=len(one),
                top_label=int((one.predicted == two.predicted).sum()),
            )
            for name, (one, two) in sets.items()
        ),
    }
