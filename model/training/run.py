"""A training run: its stages and the data that they share."""

import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..atomic import replace_atomically
from ..bundle import Bundle, ManifestDraft, Metric, publish
from ..calibration import CalibrationResult, GraphOutputs, calibrate, write_calibration
from ..calibration.calibrate_folder import list_ood_photos
from ..calibration.graph_head import proportion_metric
from ..calibration.graph_outputs import run_graph
from ..disk import name_full_disk
from ..errors import DataError
from ..learner.inference_module import InferenceModule
from ..learner.rebuild import empty_learner
from ..preprocess import Pixels
from .backbones import Backbone, get_backbone, load_pretrained, supports_drop_path
from .config import Hyperparameters, TrainingConfig
from .finetune import FineTuneResult
from .loaders import build_loaders
from .onnx_export import export_onnx
from .prepare import PreparedData, decode_photos, load_pixels, prepare_data
from .probe import Probe, compute_features, fit_probe
from .progress import OnProgress, TrainingProgress

__all__ = ["FEATURES_FILE", "TrainingRun"]

FEATURES_FILE = "features.npy"
PROBE_FILE = "probe.npz"
PACKAGES = ("torch", "fastai", "timm", "torchvision", "onnx", "scikit-learn")


@dataclass(frozen=True)
class TrainingRun:
    """One training run: its configuration, folder and progress, and its prepared photos.

    ``ood_photos`` are photos of none of the labels, by the name of their folder; ``draft``
    is the manifest before anything is measured.
    """

    config: TrainingConfig
    run_dir: Path
    on_progress: OnProgress
    backbone: Backbone
    ood_photos: dict[str, list[Path]]
    data: PreparedData
    draft: ManifestDraft

    @classmethod
    def prepare(
        cls, config: TrainingConfig, run_dir: Path, on_progress: OnProgress
    ) -> "TrainingRun":
        """Read and split the photos.

        Raises:
            DataError: there are too few photos, or no backbone of that name.
        """
        backbone = get_backbone(config.arch)
        ood_photos = list_ood_photos(config.unknown)
        preprocessing = backbone.preprocess_config(config.image_size)
        data = prepare_data(config, preprocessing, run_dir, on_progress)
        draft = _draft(config, backbone, data)
        return cls(config, run_dir, on_progress, backbone, ood_photos, data, draft)

    def note(self, stage: str, note: str) -> None:
        """Report a line of text."""
        self.on_progress(TrainingProgress(stage, note=note))

    def fit_probe(self) -> Probe:
        """Fit a linear probe to the backbone's features, or load the one fitted before.

        Raises:
            EngineUnavailable: pretrained weights are neither installed nor downloadable.
        """
        path = self.run_dir / PROBE_FILE
        if path.is_file() and (self.run_dir / FEATURES_FILE).is_file():
            with np.load(path, allow_pickle=False) as saved:
                return Probe(saved["weight"], saved["bias"], float(saved["accuracy"]))
        learner = empty_learner(self.draft)
        source = load_pretrained(learner.model[0], self.backbone)
        self.note("Features", f"Starting from {source}")
        module: Any = InferenceModule.from_model(learner.model, self.draft).eval()
        module = module.to(memory_format=torch.channels_last)
        data, began = self.data, time.monotonic()
        features = compute_features(
            module, data.training_pixels(), len(data.copies), self.on_progress
        )
        with replace_atomically(self.run_dir / FEATURES_FILE) as new, new.open("wb") as file:
            np.save(file, features)
        held_out = compute_features(module, data.held_out, len(data.held_out), self.on_progress)
        probe = fit_probe(features, data.targets, held_out, data.held_out_targets)
        seconds = time.monotonic() - began
        self.note(
            "Features",
            f"Linear head on pretrained features: {probe.accuracy:.1%} of the held-out photos "
            f"correct, after {seconds:.0f} s",
        )
        with replace_atomically(path) as new, new.open("wb") as file:
            np.savez(file, weight=probe.weight, bias=probe.bias, accuracy=np.array(probe.accuracy))
        return probe

    def build_learner(self, probe: Probe, hyperparameters: Hyperparameters) -> Any:
        """Return a ``Learner`` over the photos, with pretrained weights and the probe's head."""
        from fastai.vision.all import LabelSmoothingCrossEntropyFlat, accuracy

        loaders = build_loaders(
            self.data.copies,
            self.data.targets,
            self.data.held_out,
            self.data.held_out_targets,
            self.data.split.labels,
            self.backbone,
            hyperparameters,
        )
        options = {"path": self.run_dir, "metrics": accuracy}
        if hyperparameters.drop_path and supports_drop_path(self.backbone):
            options["drop_path_rate"] = hyperparameters.drop_path
        learner = empty_learner(self.draft, loaders, **options)
        load_pretrained(learner.model[0], self.backbone)
        probe.copy_to(learner.model[1][-1])
        learner.loss_func = LabelSmoothingCrossEntropyFlat(eps=hyperparameters.smoothing)
        if torch.cuda.is_available():
            learner.to_fp16()
        return learner

    def load_better_weights(self, learner: Any, probe: Probe, tuned: FineTuneResult | None) -> None:
        """Load the fine-tuned weights into a learner unless the linear head is better."""
        if tuned is None:
            reason = "No time for an epoch" if self.config.epochs else "Nothing was fine-tuned"
            self.note("Finishing", f"{reason}; keeping the linear head.")
        elif tuned.accuracy < probe.accuracy - 1e-6:
            self.note("Finishing", "Fine-tuning didn't help; keeping the linear head.")
        else:
            learner.model.load_state_dict(tuned.state)
        learner.model.eval().cpu()

    def publish(self, learner: Any, models_dir: Path, notes: tuple[str, ...]) -> Bundle:
        """Export, calibrate and publish a trained learner."""
        parameters = sum(parameter.numel() for parameter in learner.model.parameters())
        draft = self.draft.model_copy(
            update={"architecture": self.backbone.architecture(parameters)}
        )

        def write_files(folder: Path) -> ManifestDraft:
            self.note("Finishing", "Compiling")
            export_onnx(learner, draft, folder)
            return self._measure(draft, folder, notes)

        with name_full_disk(models_dir):
            return publish(draft, models_dir, write_files)

    def _measure(self, draft: ManifestDraft, folder: Path, notes: tuple[str, ...]) -> ManifestDraft:
        """Calibrate the exported graph and return the draft with the figures."""
        graph, split = folder / "graph.onnx", self.data.split
        on = f"held-out photos, {split.how}"[:200]
        by = "measured by Loupe; these photos also chose the epoch"
        names = tuple(photo.name for photo in split.held_out)
        held_out = run_graph(graph, self.data.held_out, self.data.held_out_targets, names)
        result = self._calibrate(graph, held_out)
        if result is None:
            metrics = (_accuracy_metric(held_out, on, by),)
            draft = draft.model_copy(update={"metrics": metrics})
        else:
            draft = write_calibration(
                draft,
                folder,
                result,
                on=on,
                by=by,
                command=self.config.command or "model.training.train",
                seed=self.config.seed,
                notes=notes,
            )
        if split.test:
            tested = self._test_metric(graph)
            draft = draft.model_copy(update={"metrics": (tested, *draft.metrics)})
        return draft

    def _calibrate(self, graph: Path, held_out: GraphOutputs) -> CalibrationResult | None:
        """Calibrate on the held-out photos; return None if there are too few."""
        reference = run_graph(graph, self.data.training_pixels(), self.data.targets)
        ood_sets = {}
        for name, paths in self.ood_photos.items():
            try:
                ood_sets[name] = run_graph(graph, self._ood_pixels(paths))
            except DataError as error:
                self.note("Unknown photos", f"{name}: {error}")
        self.note("Finishing", "Calibrating")
        try:
            return calibrate(held_out, reference, ood_sets, seed=self.config.seed)
        except DataError as error:
            self.note("Finishing", f"Not calibrated: {error}")
            return None

    def _ood_pixels(self, paths: list[Path]) -> Iterator[Pixels]:
        return decode_photos(
            paths, self.data.config, "Unknown photos", self.on_progress, skip_unreadable=True
        )

    def _test_metric(self, graph: Path) -> Metric:
        """Return the accuracy on the test photos, which were used for no choice."""
        photos, labels = self.data.split.test, self.data.split.labels
        pixels = load_pixels(photos, self.data.scans, self.run_dir)
        if pixels is None:
            paths = [photo.path for photo in photos]
            pixels = np.stack(
                [*decode_photos(paths, self.data.config, "Test photos", self.on_progress)]
            )
        outputs = run_graph(graph, pixels, [labels.index(photo.label) for photo in photos])
        return _accuracy_metric(outputs, "the test folder", "measured by Loupe, once")

    def notes(self, probe: Probe, tuned: FineTuneResult | None) -> tuple[str, ...]:
        """Return the card's notes about the training."""
        accuracy = f"{probe.accuracy:.1%} of the held-out photos"
        lines = [f"Linear head on pretrained features: {accuracy} correct."]
        if tuned:
            lines.append(
                f"Fine-tuned for at most {tuned.epochs} epochs (learning rate {tuned.lr:.1e}); the "
                f"average after epoch {tuned.epoch + 1} was chosen on the held-out photos."
            )
        lines += [f"{item.description}: {len(item.names):,}." for item in self.data.report.findings]
        return tuple(line[:300] for line in lines)


def _draft(config: TrainingConfig, backbone: Backbone, data: PreparedData) -> ManifestDraft:
    return ManifestDraft.model_validate(
        {
            "name": config.name,
            "title": config.title or config.name.replace("-", " ").replace("_", " ").capitalize(),
            "description": config.description,
            "labels": data.split.labels,
            "recipe": data.config,
            "architecture": backbone.architecture(),
            "engines": ("compiled", "learner"),
            "licence": config.licence,
            "data": {
                "title": config.folder.name,
                "source": config.source or "the owner's own photos",
                "licence": config.licence,
                "photos": len(data.split.train),
            },
            "provenance": {
                "command": (config.command or "model.training.train")[:200],
                "seed": str(config.seed),
                "python": platform.python_version(),
                **{package: version(package) for package in PACKAGES},
            },
        }
    )


def _accuracy_metric(outputs: GraphOutputs, on: str, by: str) -> Metric:
    correct = int((outputs.logits.argmax(axis=1) == outputs.targets).sum())
    return proportion_metric("accuracy", correct, len(outputs), on, by)
