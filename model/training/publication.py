"""Publishing a training run: its network is exported, calibrated, measured and put in place."""

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..browser.small_graph import make_small_graph
from ..bundle import HASH_DIGITS, TRAINING_PHOTOS, Bundle, ManifestDraft, publish
from ..calibration.calibrate_folder import publish_small_card
from ..calibration.cross_validation import (
    HELD_OUT,
    MEASURED_BY,
    CalibrationResult,
    accuracy_metric,
    calibrate,
)
from ..calibration.graph_head import write_calibration
from ..calibration.graph_outputs import (
    MIN_PHOTOS,
    CalibrationOutputs,
    GraphOutputs,
    Run,
    open_graph,
    run_graph,
    run_photos,
)
from ..errors import DataError
from ..evaluation.held_out import add_samples
from ..learner.inference_module import export_onnx
from ..storage.disk import translate_disk_errors
from .finetune import FineTuneResult
from .prepare import decode_photos
from .probe import cross_fit
from .run_record import read_run
from .stored_predictions import save_predictions
from .training_run import MIN_PHOTOS_PER_LABEL, TrainingRun


@dataclass(frozen=True)
class Publication:
    """A run, and the fine-tuned weights that it publishes; None for the linear head."""

    run: TrainingRun
    tuned: FineTuneResult | None
    has_choice: bool
    """An epoch ended, so the held-out photos chose what is published."""

    @property
    def is_pooled(self) -> bool:
        """True if all photos calibrate a linear head that was fitted to all of them."""
        return self.tuned is None and self.run.can_pool

    def publish(self, learner: Any, models_dir: Path) -> Bundle:
        """Export, calibrate and publish the learner."""
        parameters = sum(parameter.numel() for parameter in learner.model.parameters())
        architecture = self.run.backbone.architecture.model_copy(update={"parameters": parameters})
        split = self.run.data.split
        trained = (*split.train, *split.held_out) if self.is_pooled else split.train
        data = self.run.draft.data.model_copy(update={"photos": len(trained)})
        draft = self.run.draft.model_copy(update={"architecture": architecture, "data": data})
        results: list[CalibrationResult] = []

        def write_files(folder: Path) -> ManifestDraft:
            self.run.progress.update("Compiling", 0, 0)
            export_onnx(learner.model, draft, folder)
            hashes = {self.run.data.hashes[photo.name][:HASH_DIGITS] for photo in trained}
            (folder / TRAINING_PHOTOS).write_text("\n".join(sorted(hashes)) + "\n")
            graph = (folder / "graph.onnx").read_bytes()
            try:
                result = self._calibrate(graph)
                results.append(result)
                self._save(result.outputs, result.calibration.temperature, result.accepted)
                measured = write_calibration(draft, folder, result)
            except DataError as error:
                self.run.progress.note(f"Not calibrated: {error}")
                outputs = self._measure(open_graph(graph), "Full graph")
                metric = accuracy_metric(outputs, self._on, self._by)
                self._save(outputs, 1.0, np.ones(len(outputs), bool))
                measured = draft.model_copy(update={"metrics": (metric,)})
            return self._test(measured, graph)

        with translate_disk_errors(models_dir):
            is_candidate = self.run.config.candidate
            bundle = publish(draft, models_dir, write_files, is_candidate=is_candidate)
            for result in results:
                publish_small_card(bundle, result)
            if self.run.config.samples:
                photos = ((photo.path, photo.label) for photo in self.run.data.split.held_out)
                self.run.progress.note(add_samples(bundle, photos))
            return bundle

    @property
    def _on(self) -> str:
        if self.is_pooled:
            return "all photos, each by a linear head fitted to the others"
        return f"{HELD_OUT}, {self.run.data.split.how}"[:200]

    @property
    def _by(self) -> str:
        chose = "; these photos also chose the epoch"
        return MEASURED_BY if self.is_pooled or not self.has_choice else MEASURED_BY + chose

    def _measure(self, run: Run, stage: str) -> GraphOutputs:
        """Return a graph's outputs for the photos that calibrate the model."""
        data = self.run.data
        pixels, photos, targets = iter(data.held_out), data.split.held_out, data.held_out_targets
        if self.is_pooled:
            pixels = chain(data.training_pixels(), pixels)
            photos, targets = (*data.split.train, *photos), [*data.targets, *targets]
        counted = self.run.progress.track(stage, pixels, len(photos))
        outputs = run_graph(run, counted, targets)
        groups = [data.report.groups[photo.name] for photo in photos] if self.is_pooled else None
        return replace(
            outputs,
            names=tuple(photo.name for photo in photos),
            groups=np.array(groups) if groups else None,
        )

    def _save(self, outputs: GraphOutputs, temperature: float, accepted: NDArray[np.bool_]) -> None:
        if record := read_run(self.run.config.run):
            split, hashes = self.run.data.split, self.run.data.hashes
            save_predictions(
                record,
                outputs,
                [hashes[name] for name in outputs.names],
                split.labels,
                sides=(
                    [hashes[photo.name] for photo in split.train],
                    [hashes[photo.name] for photo in split.held_out],
                ),
                temperature=temperature,
                accepted=accepted,
            )

    def _test(self, draft: ManifestDraft, graph: bytes) -> ManifestDraft:
        """Return the draft with the accuracy on the test photos, if there are any."""
        split = self.run.data.split
        if not split.test:
            return draft
        # These photos influenced no choice.
        pixels = decode_photos(split.test, self.run.data.config, "Test photos", self.run.progress)
        tested = run_graph(open_graph(graph), pixels, split.targets(split.test))
        metric = accuracy_metric(tested, "the test folder", f"{MEASURED_BY}, once")
        return draft.model_copy(update={"metrics": (metric, *draft.metrics)})

    def _calibrate(self, graph: bytes) -> CalibrationResult:
        """Calibrate on the held-out photos, or on all photos out of fold."""
        if not self.is_pooled and len(self.run.data.held_out) < MIN_PHOTOS:
            head = "--epochs 0 and " if self.tuned else ""
            raise DataError(
                f"that takes {MIN_PHOTOS} held-out photos, or {head}{MIN_PHOTOS_PER_LABEL} photos "
                "of every label that don't look alike."
            )
        run, small_run = open_graph(graph), open_graph(make_small_graph(graph))
        full = self._measure(run, "Full graph")
        small = self._measure(small_run, "Small graph")
        reference = None
        if self.is_pooled:
            full, small = cross_fit(full, small, self.run.config.seed)
        else:
            data = self.run.data
            pixels = self.run.progress.track(
                "Training photos", data.training_pixels(), len(data.copies)
            )
            reference = run_graph(run, pixels, data.targets)
        ood_sets, small_ood_sets = self._ood_sets(run), self._ood_sets(small_run)
        self.run.progress.update("Calibrating", 0, 0)
        return calibrate(
            full,
            reference,
            ood_sets,
            small=CalibrationOutputs(small, small_ood_sets),
            seed=self.run.config.seed,
            on=self._on,
            by=self._by,
            command=self.run.config.command or "model.training.train",
            min_photos=0 if self.is_pooled else MIN_PHOTOS,
            notes=self._notes(),
        )

    def _ood_sets(self, run: Run) -> dict[str, GraphOutputs]:
        """Return a graph's outputs for the OOD photos, without sets that are too small."""
        ood_sets, config, progress = {}, self.run.data.config, self.run.progress
        for name, paths in self.run.ood_photos.items():
            try:
                outputs, left_out = run_photos(run, paths, config, "Unknown photos", progress)
            except DataError as error:
                progress.note(f"{name}: {error}")
                continue
            ood_sets[name] = outputs
            if left_out:
                progress.note(f"{name}: {len(left_out):,} unreadable photos or copies skipped")
        return ood_sets

    def _notes(self) -> tuple[str, ...]:
        """Return the card's notes about the training."""
        if tuned := self.tuned:
            line = (
                f"Fine-tuned for at most {tuned.epochs} epochs (learning rate {tuned.lr:.1e}); the "
                f"average after epoch {tuned.epoch + 1} was chosen on the held-out photos."
            )
        else:
            photos = "all photos" if self.is_pooled else "the training photos"
            line = f"A linear head on pretrained features, fitted to {photos}."
        findings = self.run.data.report.findings
        return (line, *(f"{item.description}: {len(item.names):,}."[:300] for item in findings))
