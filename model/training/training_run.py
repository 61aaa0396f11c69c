"""A training run: linear probe, learner, and the choice between them."""

import hashlib
import json
import multiprocessing
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..bundle import ManifestDraft, title_from_name
from ..calibration.graph_outputs import MIN_PHOTOS, Floats, list_ood_photos
from ..engine_info import SERVER_ENGINES
from ..events import Progress
from ..learner import installed_versions
from ..learner.inference_module import InferenceModule
from ..learner.rebuild import empty_learner
from ..preprocess import Pixels
from ..resources import cores
from ..storage.disk import replace_atomically
from .backbones import Backbone, get_backbone, load_pretrained, supports_drop_path
from .config import DEFAULT_EPOCHS, FEATURES_FILE, Hyperparameters, TrainingConfig
from .finetune import FineTuneResult
from .prepare import PreparedData, prepare_data
from .probe import Probe, compute_features, fit_probe
from .run_record import RunRecord

BATCH_SIZE = 32
MIN_PHOTOS_FOR_WORKERS = 500
"""Fewest photos for which worker processes prepare the batches."""


def build_loaders(data: PreparedData, backbone: Backbone, hyperparameters: Hyperparameters) -> Any:
    """Return ``DataLoaders`` with augmented training photos and exact held-out ones.

    Args:
        backbone: its mean, standard deviation and interpolation are used.
        hyperparameters: strength of the augmentation.
    """
    from fastai.vision.all import CategoryBlock, DataBlock, ImageBlock, Normalize

    labels, count = list(data.split.labels), len(data.copies)
    photos = [*data.copies, *data.held_out]
    targets = [*data.targets, *data.held_out_targets]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=labels, sort=False)),
        get_x=lambda place: _open_photo(photos[place]),
        get_y=lambda place: labels[targets[place]],
        splitter=lambda items: (list(range(count)), list(range(count, len(items)))),
        item_tfms=[_augmentation(data.held_out.shape[1], backbone, hyperparameters)],
        batch_tfms=[Normalize.from_stats(backbone.architecture.mean, backbone.architecture.std)],
    )
    # fastai's blocks hold functions that can't be pickled for processes that aren't forked.
    can_fork = multiprocessing.get_start_method() == "fork"
    use_workers = can_fork and count >= MIN_PHOTOS_FOR_WORKERS
    return block.dataloaders(
        list(range(len(photos))),
        bs=min(BATCH_SIZE, max(2, count // 2)),
        val_bs=BATCH_SIZE,
        num_workers=min(4, max(1, cores() - 1)) if use_workers else 0,
        drop_last=True,
    )


def _open_photo(photo: Path | Pixels) -> Any:
    from fastai.vision.all import PILImage

    if isinstance(photo, Path):
        with Image.open(photo, formats=["JPEG"]) as copy:
            return PILImage.create(np.asarray(copy.convert("RGB")))
    return PILImage.create(photo)


def _augmentation(side: int, backbone: Backbone, hyperparameters: Hyperparameters) -> Any:
    """Return a fastai transform: random crop, horizontal flip and RandAugment.

    Source: timm's own training transforms (Cubuk et al., RandAugment, 2020).
    """
    from fastai.vision.all import PILImage, Transform
    from timm.data.auto_augment import rand_augment_transform
    from timm.data.transforms import RandomResizedCropAndInterpolation
    from torchvision.transforms import Compose, RandomHorizontalFlip

    steps = [
        RandomResizedCropAndInterpolation(  # type: ignore[no-untyped-call]
            side, scale=(hyperparameters.min_scale, 1.0), interpolation=backbone.interpolation
        ),
        RandomHorizontalFlip(),
    ]
    if hyperparameters.magnitude:
        mean = tuple(round(255 * value) for value in backbone.architecture.mean)
        steps.append(
            rand_augment_transform(
                f"rand-m{hyperparameters.magnitude}-mstd0.5-inc1",
                {"translate_const": int(side * 0.3), "img_mean": mean},
            )
        )
    augment = Compose(steps)

    class Augmentation(Transform):  # type: ignore[misc]
        """Augmentation of training photos only."""

        split_idx = 0

        def encodes(self, image: PILImage) -> Any:
            return PILImage.create(np.asarray(augment(image)))

    return Augmentation()


MIN_PHOTOS_PER_LABEL = 10
"""Fewest photos of each label by which a linear head is calibrated; those alike count once."""

FEW_PHOTOS_PER_LABEL = 30
"""Photos of the smallest label below which training points to teaching."""

PACKAGES = ("torch", "fastai", "timm", "torchvision", "onnx", "scikit-learn")


@dataclass(frozen=True)
class TrainingRun:
    """The configuration, folder, photos and backbone that the stages of a run share.

    ``ood_photos`` are photos of none of the labels, by the name of their set; ``draft`` is the
    manifest before anything is measured.
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
        photos = (*data.split.train, *data.split.held_out)
        smallest, count = Counter(photo.label for photo in photos).most_common()[-1]
        if count < FEW_PHOTOS_PER_LABEL:
            progress.note(
                f"With fewer than {FEW_PHOTOS_PER_LABEL} photos per label ({smallest} has {count}) "
                "and up to 500 in all, teaching takes seconds: "
                f"python -m model teach FOLDER --name {config.name} (docs/teaching.md)"
            )
        return cls(config, run_dir, progress, backbone, ood_photos, data, draft)

    @property
    def epochs(self) -> int:
        """The most epochs: by default none if too few photos are held out to tell if they help."""
        if self.config.epochs is not None:
            return self.config.epochs
        is_measurable = len(self.data.split.held_out) >= MIN_PHOTOS
        return DEFAULT_EPOCHS if is_measurable or self.config.search else 0

    @property
    def can_pool(self) -> bool:
        """True if all photos can calibrate a linear head, each by a head fitted to the others.

        If the owner has held out enough photos, those alone calibrate it.
        """
        split, groups = self.data.split, defaultdict[str, set[int]](set)
        for photo in (*split.train, *split.held_out):
            groups[photo.label].add(self.data.report.groups[photo.name])
        is_given = split.train[0].part is not None and len(split.held_out) >= MIN_PHOTOS
        return not is_given and min(map(len, groups.values())) >= MIN_PHOTOS_PER_LABEL

    def fit_probe(self) -> Probe:
        """Fit a linear probe to the backbone's features of the training photos.

        Raises:
            EngineUnavailable: pretrained weights are neither installed nor downloadable.
        """
        self.compute_features()
        probe = fit_probe(self.load_features()[0], self.data.targets)
        self.progress.note(
            f"Linear head on pretrained features: {self._accuracy(probe):.1%} of the held-out "
            "photos correct"
        )
        return probe

    def fit_to_all(self) -> Probe:
        """Fit a linear head to the features of all photos."""
        features = np.concatenate(self.load_features())
        return fit_probe(features, [*self.data.targets, *self.data.held_out_targets])

    def compute_features(self) -> None:
        """Compute and cache the backbone's features of the photos that lack them."""
        keys, known = self._feature_keys(), load_cache(self.run_dir)
        if not (missing := [place for place, key in enumerate(keys) if key not in known]):
            return
        learner = empty_learner(self.draft)
        source = load_pretrained(learner.model[0], self.backbone.architecture.body)
        self.progress.note(f"Starting from {source}")
        module: Any = InferenceModule.from_model(learner.model, self.draft).eval()
        module = module.to(memory_format=torch.channels_last)
        pixels = self.data.pixels_at(missing)
        computed = compute_features(module, pixels, len(missing), self.progress)
        # Features of a network that was used before may have another length.
        known = {key: row for key, row in known.items() if row.shape == computed[0].shape}
        known |= {keys[place]: row for place, row in zip(missing, computed, strict=True)}
        path = self.run_dir / FEATURES_FILE
        with replace_atomically(path) as new, new.open("wb") as file:
            np.savez(file, keys=np.array([*known]), features=np.stack([*known.values()]))

    def load_features(self) -> tuple[Floats, Floats]:
        """Return the backbone's features of training and of held-out photos, float32 [N, D]."""
        known = load_cache(self.run_dir)
        features = np.stack([known[key] for key in self._feature_keys()])
        count = len(self.data.copies)
        return features[:count], features[count:]

    def _feature_keys(self) -> list[str]:
        """Return a key of all that each photo's features depend on, training photos first."""
        network = f"{self.backbone.architecture.body}-{self.data.config.size}"
        sides = (("copy", self.data.split.train), ("photo", self.data.split.held_out))
        return [
            f"{network}-{side}-{self.data.hashes[photo.name]}"
            for side, photos in sides
            for photo in photos
        ]

    def describe(self, record: RunRecord) -> None:
        """Add the photos' fingerprint and counts to a run's record."""
        split, hashes = self.data.split, self.data.hashes
        parts = {"trained": split.train, "held_out": split.held_out, "test": split.test}
        rows = sorted((hashes[one.name], one.label, part) for part in parts for one in parts[part])
        record.photos = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
        record.counts = {part: len(photos) for part, photos in parts.items()}
        record.counts["labels"] = len(split.labels)

    def _accuracy(self, probe: Probe) -> float:
        return probe.accuracy(self.load_features()[1], self.data.held_out_targets)

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

    def choose(self, probe: Probe, tuned: FineTuneResult | None) -> FineTuneResult | None:
        """Return the fine-tuned weights, or None if the linear head is better."""
        if tuned and tuned.accuracy > self._accuracy(probe) - 1e-6:
            return tuned
        reason = "Nothing was fine-tuned"
        if tuned:
            reason = "Fine-tuning didn't help"
        elif self.epochs:
            reason = "No time for an epoch"
        elif self.config.epochs is None:
            reason = (
                f"{len(self.data.held_out)} held-out photos can't tell whether fine-tuning helps "
                f"(--epochs {DEFAULT_EPOCHS} tries it)"
            )
        self.progress.note(f"{reason}; keeping the linear head.")
        return None


def load_cache(run_dir: Path) -> dict[str, NDArray[np.float32]]:
    """Return the features cached in a run's folder, float32 [D] each, by key."""
    try:
        with np.load(run_dir / FEATURES_FILE, allow_pickle=False) as saved:
            return dict(zip(saved["keys"].tolist(), saved["features"], strict=True))
    except (OSError, ValueError, KeyError, BadZipFile):
        return {}


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
                "title": f"photos of {len(data.split.labels):,} labels",
                "source": config.source or "the owner's own photos",
                "licence": config.licence,
                "photos": len(data.split.train),
            },
            "provenance": {
                "command": (config.command or "model.training.train")[:200],
                "seed": str(config.seed),
                **installed_versions(PACKAGES),
            },
        }
    )
