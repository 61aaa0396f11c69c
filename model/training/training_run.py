"""A training run: its stages and the data that they share."""

import platform
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..browser.small_graph import make_small_graph
from ..bundle import Bundle, ManifestDraft, publish, title_from_name
from ..calibration.calibrate_folder import publish_small_card
from ..calibration.calibration_photos import list_ood_photos
from ..calibration.cross_validation import MEASURED_BY, CalibrationResult, calibrate
from ..calibration.graph_head import write_calibration
from ..calibration.graph_outputs import (
    CalibrationOutputs,
    GraphOutputs,
    Run,
    open_graph,
    run_graph,
    run_photos,
)
from ..calibration.measurements import accuracy_metric
from ..engine_info import SERVER_ENGINES
from ..errors import DataError
from ..learner.inference_module import InferenceModule
from ..learner.onnx_export import export_onnx
from ..learner.rebuild import empty_learner
from ..storage.atomic import replace_atomically
from ..storage.disk import translate_disk_errors
from .backbones import Backbone, get_backbone, load_pretrained, supports_drop_path
from .config import Hyperparameters, Progress, TrainingConfig
from .finetune import FineTuneResult
from .loaders import build_loaders
from .prepare import PreparedData, decode_photos, prepare_data
from .probe import Probe, compute_features, fit_probe

PROBE_FILE = "features.npz"
"""The fitted probe, and the features of the training photos."""

PACKAGES = ("torch", "fastai", "timm", "torchvision", "onnx", "scikit-learn")


@dataclass(frozen=True)
class TrainingRun:
    """One training run: its configuration, folder and progress, and its prepared photos.

    ``ood_photos`` are photos of none of the labels, by the name of their folder; ``draft``
    is the manifest before anything is measured.
    """

    config: TrainingConfig
    run_dir: Path
    progress: Progress
    backbone: Backbone
    ood_photos: dict[str, list[Path]]
    data: PreparedData
    draft: ManifestDraft

    @classmethod
    def prepare(cls, config: TrainingConfig, run_dir: Path, progress: Progress) -> "TrainingRun":
        """Read and split the photos.

        Raises:
            DataError: there are too few photos, or no backbone of that name.
        """
        backbone = get_backbone(config.arch)
        ood_photos = list_ood_photos(config.unknown)
        preprocessing = backbone.preprocess_config(config.image_size)
        data = prepare_data(config, preprocessing, run_dir, progress)
        draft = _draft(config, backbone, data)
        return cls(config, run_dir, progress, backbone, ood_photos, data, draft)

    def fit_probe(self) -> Probe:
        """Fit a linear probe to the backbone's features, or load the one fitted before.

        Raises:
            EngineUnavailable: pretrained weights are neither installed nor downloadable.
        """
        path = self.run_dir / PROBE_FILE
        if path.is_file():
            with np.load(path, allow_pickle=False) as saved:
                return Probe(saved["weight"], saved["bias"], float(saved["accuracy"]))
        learner = empty_learner(self.draft)
        source = load_pretrained(learner.model[0], self.backbone.architecture.body)
        self.progress.note(f"Starting from {source}")
        module: Any = InferenceModule.from_model(learner.model, self.draft).eval()
        module = module.to(memory_format=torch.channels_last)
        data, began = self.data, time.monotonic()
        features = compute_features(module, data.training_pixels(), len(data.copies), self.progress)
        held_out = compute_features(module, data.held_out, len(data.held_out), self.progress)
        probe = fit_probe(features, data.targets, held_out, data.held_out_targets)
        seconds = time.monotonic() - began
        self.progress.note(
            f"Linear head on pretrained features: {probe.accuracy:.1%} of the held-out photos "
            f"correct, after {seconds:.0f} s",
        )
        with replace_atomically(path) as new, new.open("wb") as file:
            np.savez(file, features=features, **asdict(probe))
        return probe

    def build_learner(self, probe: Probe, hyperparameters: Hyperparameters) -> Any:
        """Return a ``Learner`` over the photos, with pretrained weights and the probe's head."""
        from fastai.vision.all import LabelSmoothingCrossEntropyFlat, accuracy

        loaders = build_loaders(self.data, self.backbone, hyperparameters)
        options = {"path": self.run_dir, "metrics": accuracy}
        if hyperparameters.drop_path and supports_drop_path(self.backbone.architecture.body):
            options["drop_path_rate"] = hyperparameters.drop_path
        learner = empty_learner(self.draft, loaders, **options)
        load_pretrained(learner.model[0], self.backbone.architecture.body)
        weights = {"weight": torch.from_numpy(probe.weight), "bias": torch.from_numpy(probe.bias)}
        learner.model[1][-1].load_state_dict(weights)
        learner.loss_func = LabelSmoothingCrossEntropyFlat(eps=hyperparameters.smoothing)
        if torch.cuda.is_available():
            learner.to_fp16()
        return learner

    def load_better_weights(self, learner: Any, probe: Probe, tuned: FineTuneResult | None) -> None:
        """Load the fine-tuned weights into a learner unless the linear head is better."""
        if tuned is None:
            reason = "No time for an epoch" if self.config.epochs else "Nothing was fine-tuned"
            self.progress.note(f"{reason}; keeping the linear head.")
        elif tuned.accuracy < probe.accuracy - 1e-6:
            self.progress.note("Fine-tuning didn't help; keeping the linear head.")
        else:
            learner.model.load_state_dict(tuned.state)
        learner.model.eval().cpu()

    def publish(self, learner: Any, models_dir: Path, notes: tuple[str, ...]) -> Bundle:
        """Export, calibrate and publish a trained learner."""
        parameters = sum(parameter.numel() for parameter in learner.model.parameters())
        architecture = self.backbone.architecture.model_copy(update={"parameters": parameters})
        draft = self.draft.model_copy(update={"architecture": architecture})
        results: list[CalibrationResult] = []

        def write_files(folder: Path) -> ManifestDraft:
            self.progress.note("Compiling")
            export_onnx(learner.model, draft, folder)
            graph = (folder / "graph.onnx").read_bytes()
            if result := self._calibrate(graph, notes):
                results.append(result)
                measured = write_calibration(draft, folder, result)
            else:
                metric = accuracy_metric(self._held_out(open_graph(graph)), self._on, self._by)
                measured = draft.model_copy(update={"metrics": (metric,)})
            return self._test(measured, graph)

        with translate_disk_errors(models_dir):
            bundle = publish(draft, models_dir, write_files)
            for result in results:
                publish_small_card(bundle, result)
            return bundle

    @property
    def _on(self) -> str:
        return f"held-out photos, {self.data.split.how}"[:200]

    @property
    def _by(self) -> str:
        return f"{MEASURED_BY}; these photos also chose the epoch"

    def _held_out(self, run: Run) -> GraphOutputs:
        """Return a graph's outputs for the held-out photos."""
        outputs = run_graph(run, self.data.held_out, self.data.held_out_targets)
        names = tuple(photo.name for photo in self.data.split.held_out)
        return replace(outputs, names=names)

    def _test(self, draft: ManifestDraft, graph: bytes) -> ManifestDraft:
        """Return the draft with the accuracy on the test photos, if there are any."""
        split = self.data.split
        if not split.test:
            return draft
        # These photos influenced no choice.
        pixels = decode_photos(split.test, self.data.config, "Test photos", self.progress)
        tested = run_graph(open_graph(graph), pixels, split.targets(split.test))
        metric = accuracy_metric(tested, "the test folder", f"{MEASURED_BY}, once")
        return draft.model_copy(update={"metrics": (metric, *draft.metrics)})

    def _calibrate(self, graph: bytes, notes: tuple[str, ...]) -> CalibrationResult | None:
        """Calibrate on the held-out photos; return None if there are too few."""
        run = open_graph(graph)
        full = CalibrationOutputs(self._held_out(run), self._ood_sets(run))
        reference = run_graph(run, self.data.training_pixels(), self.data.targets)
        run = open_graph(make_small_graph(graph))
        small = CalibrationOutputs(self._held_out(run), self._ood_sets(run))
        self.progress.note("Calibrating")
        try:
            return calibrate(
                full.held_out,
                reference,
                full.ood_sets,
                small=small,
                seed=self.config.seed,
                on=self._on,
                by=self._by,
                command=self.config.command or "model.training.train",
                notes=notes,
            )
        except DataError as error:
            self.progress.note(f"Not calibrated: {error}")
            return None

    def _ood_sets(self, run: Run) -> dict[str, GraphOutputs]:
        """Return a graph's outputs for the OOD photos, without sets that are too small."""
        ood_sets, on_photo = {}, partial(self.progress.update, "Unknown photos")
        for name, paths in self.ood_photos.items():
            try:
                ood_sets[name], left_out = run_photos(run, paths, self.data.config, on_photo)
            except DataError as error:
                self.progress.note(f"{name}: {error}")
                continue
            if left_out:
                self.progress.note(f"{name}: {len(left_out):,} unreadable photos or copies skipped")
        return ood_sets

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
            "title": config.title or title_from_name(config.name),
            "description": config.description,
            "labels": data.split.labels,
            "recipe": data.config,
            "architecture": backbone.architecture,
            "engines": SERVER_ENGINES,
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
