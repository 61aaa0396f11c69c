"""The complete import: inspect, convert in a separate process, compare, publish."""

import io
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ...bundle import Bundle, ManifestDraft, check_name, publish, title_from_name
from ...classifier import Classifier
from ...engines.compiled import OnnxEngine
from ...errors import ExportRefused
from ...events import SILENT, Progress
from ...settings import settings
from ...storage.disk import hash_file
from .. import launcher
from ..inspect import ExportReport, inspect_export
from ..inspect.weights import UNNEEDED_SETTINGS_MESSAGE, WeightsSettings, missing_settings_message
from .parity import TOLERANCE, Parity, Photos, compare, gather_photos
from .worker_report import WorkerReport, worker_ended, worker_refused

MAX_SECONDS = 900.0
"""Seconds that converting may take."""

STAGES = {
    "reading": "Reading the file without running it",
    "loading": "Rebuilding the network",
    "compiling": "Exporting it to ONNX",
    "comparing": "Running fastai's own transforms and the network",
    "testing": "Golden test, and the same photos through Loupe",
}
"""Stages of an import in their order, in words."""


@dataclass(frozen=True)
class ImportResult:
    """A published bundle, the report on its export, and how far their predictions differ.

    ``skipped`` counts photos that fastai opens differently by design.
    """

    bundle: Bundle
    report: ExportReport
    parity: Parity
    skipped: int


def import_export(
    path: Path,
    name: str,
    *,
    trust: bool = False,
    title: str = "",
    licence: str = "",
    photos: Path | None = None,
    weights: WeightsSettings | None = None,
    is_candidate: bool = False,
    progress: Progress = SILENT,
) -> ImportResult:
    """Turn the file of ``learn.export()``, or weights alone, into a bundle in the data folder.

    Args:
        path: the export, or a file of weights.
        name: the model's name.
        trust: run the network's own code, where only that can rebuild it.
        title: what people read; by default the name.
        licence: the model's, as the owner states it.
        photos: a folder of photos to compare on; by default the samples.
        weights: the description of a file of weights; None for an export.
        is_candidate: leave the version of that name in use, if there is one.
        progress: told of each of ``STAGES`` in words, and of what was found and done.

    Raises:
        ExportRefused: it is no vision classifier, can't be rebuilt or compiled here, or its
            predictions would differ. The model of that name, if any, is unchanged.
        BundleError: the new bundle fails its own check.
    """
    check_name(name)
    progress.update(STAGES["reading"], 0, 0)
    report = inspect_export(path)
    check_report(report, trust=trust, weights=weights)
    with launcher.sandbox_folder() as folder:
        chosen = gather_photos(photos, folder / "photos")
        runs_code = trust and report.needs_trust
        action = f"{'Running its code' if runs_code else 'Converting it'} in a separate process"
        task = {
            "export": str(path.resolve()),
            "photos": [file.name for file in chosen.files],
            "trust": runs_code,
            "weights": weights and weights.model_dump(mode="json"),
        }
        notes = {
            "isolated": f"{action} (no network, no secrets from your environment)…",
            "connected": f"{action} (no secrets from your environment, but this system can't block "
            "its network)…",
        }

        def tell_stage(stage: str) -> None:
            # Only known stages are shown: trusted code may write anything into the file.
            if stage in STAGES:
                progress.update(STAGES[stage], 0, 0)
            elif stage in notes:
                progress.note(notes[stage])

        limits = launcher.Limits(MAX_SECONDS, 0, settings().memory_mb)
        status = launcher.run(folder, task, limits, tell_stage)
        out = folder / "out"
        try:
            converted = _read_report(out, status)
            draft = converted.draft(
                name,
                title=title or title_from_name(name),
                licence=licence,
                source=path.stem,
                export=f"sha256:{hash_file(path)}",
            )
        except ValidationError as error:
            raise ExportRefused(f"The import process returned an invalid report: {error}") from None
        names = ["graph.onnx", "golden.npz"]
        if converted.learner:
            names.append("weights.safetensors")
        progress.update(STAGES["testing"], 0, 0)
        draft, fill, parity = _prove(folder, draft, names, chosen, progress)
        models_dir = settings().data / "models"
        bundle = publish(draft, models_dir, fill, is_candidate=is_candidate)
        return ImportResult(bundle, report, parity, chosen.left_out)


def check_report(
    report: ExportReport, *, trust: bool, weights: WeightsSettings | None = None
) -> None:
    """Refuse a file whose inspection shows that it can't be imported.

    Raises:
        ExportRefused: with all findings.
    """
    fatal = [
        problem.message
        for problem in report.problems
        if problem.fatal and not (trust and problem.code == "own-network")
    ]
    if not fatal and (report.kind == "weights") is not (weights is not None):
        fatal.append(missing_settings_message() if weights is None else UNNEEDED_SETTINGS_MESSAGE)
    if fatal:
        raise ExportRefused(" ".join(fatal))


def _read_report(out: Path, status: int) -> WorkerReport:
    """Return the worker's report, or raise its refusal."""
    try:
        if status == 0:
            data = launcher.read_file(out / launcher.REPORT, 2**24)
            return WorkerReport.model_validate_json(data)
        raise worker_refused(launcher.read_file(out / launcher.REFUSAL, 2**16))
    except OSError as error:
        if status == 0:
            raise ExportRefused(f"The import process returned no report: {error}") from None
        raise worker_ended(status) from None


def _prove(
    folder: Path,
    draft: ManifestDraft,
    names: list[str],
    photos: Photos,
    progress: Progress,
) -> tuple[ManifestDraft, Callable[[Path], None], Parity]:
    """Make the bundle in the sandbox folder, and compare it with fastai."""
    out = folder / "out"

    def fill(to: Path) -> None:
        for name in names:
            _copy(out / name, to / name)

    try:
        classifier = _classifier(draft, folder, fill)
        classifier.run_golden_test()
    except (OSError, ValidationError) as error:
        raise ExportRefused(f"The import produced an invalid bundle: {error}") from None
    expected = _reference(out)
    parity = compare(classifier, photos, expected)
    if not parity.close:
        recipe = draft.recipe.model_copy(update={"decoding": "whole"})
        draft = draft.model_copy(update={"recipe": recipe})
        whole = compare(_classifier(draft, folder, fill), photos, expected)
        if not whole.close:
            raise ExportRefused(
                f"Loupe would answer differently from fastai: for the photo {whole.worst} a "
                f"probability differs by {whole.difference:.2g}, and {TOLERANCE:g} is allowed. "
                "Nothing was written."
            )
        progress.note(
            "Large JPEGs decoded at a smaller scale move a probability by up to "
            f"{parity.difference:.0e}, so this model decodes them in full, which takes longer."
        )
        parity = whole
    progress.note(
        f"Compared {parity.photos} photos through fastai and through Loupe: at most "
        f"{parity.difference:.0e} apart."
    )
    return draft, fill, parity


def _classifier(draft: ManifestDraft, folder: Path, fill: Callable[[Path], None]) -> Classifier:
    trial = publish(draft, folder / "models", fill)
    return Classifier(trial, OnnxEngine(trial))


def _reference(out: Path) -> NDArray[np.float32]:
    try:
        data = io.BytesIO(launcher.read_file(out / launcher.ANSWERS, 2**28))
        with np.load(data, allow_pickle=False) as arrays:
            return np.asarray(arrays["probabilities"], dtype=np.float32)
    except Exception as error:  # zipfile, zlib and NumPy each raise their own
        raise ExportRefused(f"The reference outputs can't be read: {error}") from error


def _copy(path: Path, to: Path) -> None:
    with os.fdopen(launcher.open_file(path), "rb") as source, to.open("xb") as target:
        shutil.copyfileobj(source, target, 2**20)
