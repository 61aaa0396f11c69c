"""Calibrate a bundle, or its small graph alone, on a folder of held-out photos: ``calibrate``.

The small graph, which runs in browsers, has a calibration of its own in ``small.json``.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ..browser.small_graph import make_small_graph
from ..bundle import (
    Bundle,
    Calibration,
    GraphAgreement,
    ManifestDraft,
    SmallCard,
    publish,
    write_small_card,
)
from ..errors import DataError
from ..evaluation.labelled_folders import UNRECORDED
from ..events import SILENT, Progress
from ..settings import settings
from ..text import list_some
from . import cross_validation
from .graph_head import write_calibration
from .graph_outputs import CalibrationOutputs, CalibrationPhotos, open_graph

UNRECORDED_BY = f"{cross_validation.MEASURED_BY}; the model may have been trained on these photos"

TOLERANCE = 0.01
"""Largest difference of thresholds fitted to the same photos on two machines."""


def calibrate_bundle(
    bundle: Bundle,
    folder: Path,
    unknown: Mapping[str, Path] = MappingProxyType({}),
    *,
    coverage: float = cross_validation.TARGET_COVERAGE,
    command: str = "",
    models_dir: Path | None = None,
    progress: Progress = SILENT,
) -> Bundle:
    """Calibrate a bundle and publish the result as a new version of it.

    Args:
        bundle: the model; it must give one label per photo.
        folder: one folder per label, with photos that the model was not trained on.
        unknown: folders with photos of none of the labels, by a name that visitors read.
        coverage: target share of photos whose prediction set holds the true label.
        models_dir: where to publish; by default the data folder's models.

    Raises:
        DataError: the folder, its names, the number of photos or the model do not fit, or the
            model was trained on these photos.
    """
    draft = bundle.manifest.to_draft()
    photos = CalibrationPhotos.find(bundle, folder, unknown).without_trained()
    full, small, notes = _run_graphs(photos, progress)
    progress.update("Calibrating", 0, 0)
    result = cross_validation.calibrate(
        full.held_out,
        ood_sets=full.ood_sets,
        small=small,
        coverage=coverage,
        command=command,
        by=UNRECORDED_BY if UNRECORDED in notes else cross_validation.MEASURED_BY,
        notes=notes,
    )

    def write_files(new: Path) -> ManifestDraft:
        for name in bundle.manifest.files:
            (new / name).write_bytes(bundle.read(name))
        return write_calibration(draft, new, result)

    models_dir = models_dir or settings().data / "models"
    calibrated = publish(draft, models_dir, write_files, samples_of=bundle)
    publish_small_card(calibrated, result)
    return calibrated


def calibrate_small_graph(
    bundle: Bundle,
    folder: Path,
    unknown: Mapping[str, Path] = MappingProxyType({}),
    *,
    reference: Path | None = None,
    command: str = "",
    progress: Progress = SILENT,
) -> SmallCard:
    """Fit and measure the small graph of an existing bundle, whose version stays.

    A bundle without calibration gets figures only.

    Args:
        bundle, unknown, command, progress: see ``calibrate_bundle``.
        folder: the held-out photos that it was calibrated on, one folder per label.
        reference: the photos that it was trained on, if training calibrated it.

    Raises:
        DataError: the photos don't fit the model, or aren't those it was calibrated on.
        OSError: the result cannot be written.
    """
    manifest = bundle.manifest
    photos = CalibrationPhotos.find(bundle, folder, unknown)
    if manifest.calibration:
        photos = photos.without_trained()
    full, small, notes = _run_graphs(photos, progress)
    if manifest.calibration is None:
        return write_small_figures(bundle, **accuracies(full, small, "labelled photos"))
    training = None
    if reference:
        photos = CalibrationPhotos.find(bundle, reference)
        training = photos.run(open_graph(bundle.read("graph.onnx")), progress)[0].held_out
    accuracy, rule = manifest.metric("accuracy"), manifest.calibration.prediction_set
    if manifest.card is None or accuracy is None or rule is None:
        raise DataError("The model wasn't calibrated by Loupe. Leave out --small to do so.")
    progress.update("Calibrating", 0, 0)
    result = cross_validation.calibrate(
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


def publish_small_card(bundle: Bundle, result: cross_validation.CalibrationResult) -> SmallCard:
    """Write what was fitted to the small graph of a published bundle beside the bundle."""
    if result.small is None:
        raise ValueError("calibrated without the small graph's outputs")
    return write_small_figures(bundle, full_metrics=result.metrics, **vars(result.small))


def write_small_figures(bundle: Bundle, **values: Any) -> SmallCard:
    """Write the small card of a published bundle; ``values`` are its fields but for the version."""
    digest = hashlib.sha256(make_small_graph(bundle.read("graph.onnx"))).hexdigest()
    card = SmallCard(format=1, version=bundle.version, graph=digest, **values)
    write_small_card(bundle, card)
    return card


def _run_graphs(
    photos: CalibrationPhotos, progress: Progress
) -> tuple[CalibrationOutputs, CalibrationOutputs, tuple[str, ...]]:
    """Return the outputs of the full and the small graph, and the card's notes on the photos."""
    for note in photos.notes:
        progress.note(note)
    graph = photos.bundle.read("graph.onnx")
    full, skipped = photos.run(open_graph(graph), progress)
    small, _ = photos.run(open_graph(make_small_graph(graph)), progress)
    notes = [*photos.notes]
    for reason, names in skipped.items():
        if names:
            notes.append(f"{reason}: {len(names):,}")
            # The card, which visitors read, names no file of the owner.
            progress.note(f"{notes[-1]} ({list_some(names, 5)})")
    return full, small, tuple(notes)


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
        "metrics": (cross_validation.accuracy_metric(small.held_out, name, UNRECORDED_BY),),
        "full_metrics": (cross_validation.accuracy_metric(full.held_out, name, UNRECORDED_BY),),
        "agreement": tuple(
            GraphAgreement(
                name=name,
                photos=len(one),
                top_label=int((one.predicted == two.predicted).sum()),
            )
            for name, (one, two) in sets.items()
        ),
    }
