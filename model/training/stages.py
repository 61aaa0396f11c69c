"""A training, stage by stage; each leaves its result in the folder and is skipped next time."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from PIL import Image

from ..bundle import FORMAT
from ..classifier import read_file
from ..errors import DataError, PhotoError
from ..learner.inference_module import InferenceModule
from ..learner.rebuild import empty_learner
from ..photo import read
from ..photo_files import map_ordered, printable
from ..preprocess import Pixels, PreprocessConfig, preprocess
from .backbones import Backbone, load_pretrained
from .config import Hyperparameters, TrainingConfig
from .data import LabelledPhoto, PhotoScan, Report, Split, discover, report, scan_photos, split
from .finetune import FineTuneResult, fine_tune
from .loaders import copy_of, loaders
from .onnx_export import manifest_of
from .probe import Probe, features_of, fit_probe
from .progress import TrainingProgress, Watch

__all__ = ["FEATURES", "PreparedData", "draft", "material", "pixels_of", "probe", "tune"]

COPIES, HELD_OUT, PROBE = "copies", "held_out.npy", "probe.npz"
FEATURES = "features.npy"
SEEN = "photos.sha256"
"""The file that says which photos a training began with."""


@dataclass(frozen=True)
class PreparedData:
    """Photos ready to learn from.

    ``copies`` are small copies of ``split.train``; ``held_out`` uint8
    [N, height, width, 3] the exact pixels of ``split.held_out``; targets are
    indices of labels.
    """

    split: Split
    report: Report
    recipe: PreprocessConfig
    copies: tuple[Path, ...]
    targets: tuple[int, ...]
    held_out: Pixels
    held_out_targets: tuple[int, ...]

    def seen(self) -> Iterator[Pixels]:
        """Training photos as they would be answered, from their small copies."""
        for path in self.copies:
            with Image.open(path, formats=["JPEG"]) as copy:
                yield preprocess(copy.convert("RGB"), self.recipe)


def material(plan: TrainingConfig, chosen: Backbone, state: Path, watch: Watch) -> PreparedData:
    """Find, look at, report on and split the photos of a plan.

    Raises:
        DataError: they will not do, or are not those that this training began with.
    """
    recipe = chosen.recipe(plan.side)
    found = discover(plan.folder)
    looks = scan_photos(
        found.photos,
        state / COPIES,
        lambda image: copy_of(image, recipe),
        side=max(copy_side(recipe)),
        progress=lambda done, total: watch(TrainingProgress("Looking at the photos", done, total)),
    )
    _same_as_before(found.photos, looks, state)
    findings = report(found, looks)
    for finding in findings.findings:
        names = ", ".join(finding.which[:3])
        more = f" and {len(finding.which) - 3:,} more" if len(finding.which) > 3 else ""
        watch(
            TrainingProgress(
                "Report", note=f"{finding.what}: {len(finding.which):,} ({names}{more})"
            )
        )
    parts = split(found, findings, plan.seed)
    counts = f"{len(parts.train):,} to learn from, {len(parts.held_out):,} held out"
    watch(
        TrainingProgress("Report", note=f"{len(parts.labels)} labels, {counts}, split {parts.how}")
    )
    if missing := parts.unmeasured:
        watch(
            TrainingProgress(
                "Report", note=f"Held out of {', '.join(missing)}: none, so not measured."
            )
        )
    copies = {one.name: state / COPIES / one.copy for one in looks}
    place = {label: index for index, label in enumerate(parts.labels)}
    return PreparedData(
        split=parts,
        report=findings,
        recipe=recipe,
        copies=tuple(copies[photo.name] for photo in parts.train),
        targets=tuple(place[photo.label] for photo in parts.train),
        held_out=_held_out(parts.held_out, recipe, state / HELD_OUT, watch),
        held_out_targets=tuple(place[photo.label] for photo in parts.held_out),
    )


def _same_as_before(
    photos: Sequence[LabelledPhoto], looks: Sequence[PhotoScan], state: Path
) -> None:
    """What a training has kept counts for its own photos only, each on its own side.

    Raises:
        DataError: one was added, taken away, changed or moved since it began.
    """
    rows = [
        (photo.name, photo.label, photo.part, one.sha256)
        for photo, one in zip(photos, looks, strict=True)
    ]
    now = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    path = state / SEEN
    if path.is_file() and path.read_text() != now:
        raise DataError(
            "The photos are not those that this training began with: one was added, taken away, "
            f"moved or changed. Put them back, or delete {state} to begin anew."
        )
    _save(path, lambda file: file.write(now.encode()))


def copy_side(recipe: PreprocessConfig) -> tuple[int, int]:
    """Height and width that a photo must keep for its small copy and for its pixels."""
    return recipe.resize


def _held_out(
    photos: Sequence[LabelledPhoto], recipe: PreprocessConfig, path: Path, watch: Watch
) -> Pixels:
    if path.is_file():
        kept: Pixels = np.load(path, allow_pickle=False)
        if kept.shape == (len(photos), *recipe.size, 3):
            return kept
    found = np.stack([*pixels_of([one.path for one in photos], recipe, "Held-out photos", watch)])
    _save(path, lambda file: np.save(file, found))
    return found


def pixels_of(
    paths: Sequence[Path],
    recipe: PreprocessConfig,
    stage: str,
    watch: Watch,
    *,
    all_of_them: bool = True,
) -> Iterator[Pixels]:
    """Photos by a recipe, uint8 [height, width, 3] each, the way that every answer takes.

    Args:
        paths: the photos.
        recipe: the bundle's.
        stage: what is told to ``watch``.
        all_of_them: else those that cannot be read are left out, and how many is told.

    Raises:
        DataError: with ``all_of_them``, one cannot be read.
    """

    def one(path: Path) -> Pixels | None:
        try:
            data = read_file(path)
            image = read(data, resize=recipe.min_decode_size).image
        except PhotoError as error:
            if all_of_them:
                raise DataError(f"{printable(path)}: {error}") from error
            return None
        return preprocess(image, recipe)

    unread = 0
    for done, pixels in enumerate(map_ordered(one, paths), 1):
        watch(TrainingProgress(stage, done, len(paths)))
        if pixels is None:
            unread += 1
        else:
            yield pixels
    if unread:
        watch(TrainingProgress(stage, note=f"{stage}: {unread:,} cannot be read and are left out."))


def draft(plan: TrainingConfig, chosen: Backbone, parts: Split) -> dict[str, Any]:
    """The manifest of a plan before anything is known, without ``files``."""
    recipe = chosen.recipe(plan.side)
    photos = len(parts.train)
    return {
        "format": FORMAT,
        "name": plan.name,
        "title": plan.title or plan.name.replace("-", " ").replace("_", " ").capitalize(),
        "description": plan.description,
        "labels": list(parts.labels),
        "recipe": recipe.model_dump(mode="json"),
        "architecture": chosen.architecture().model_dump(mode="json"),
        "engines": ["compiled", "learner"],
        "licence": plan.licence,
        "data": {
            "title": plan.folder.name,
            "source": plan.source or "photos of whoever made this model",
            "licence": plan.licence,
            "photos": photos,
        },
        "made": {"with": "Loupe"},
    }


def probe(
    values: dict[str, Any], chosen: Backbone, photos: PreparedData, state: Path, watch: Watch
) -> Probe:
    """Fit a linear head to the features of the published network, once.

    Raises:
        EngineUnavailable: the published weights are not to be had.
    """
    path = state / PROBE
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            return Probe(kept["weight"], kept["bias"], float(kept["accuracy"]))
    learner = empty_learner(manifest_of(values))
    source = load_pretrained(learner.model[0], chosen)
    watch(TrainingProgress("Features", note=f"Starting from {source}"))
    module: Any = InferenceModule.around(learner.model, manifest_of(values)).eval()
    module = module.to(memory_format=torch.channels_last)
    began = time.monotonic()
    features = features_of(module, photos.seen(), len(photos.copies), "Features", watch)
    _save(state / FEATURES, lambda file: np.save(file, features))
    held_out = features_of(module, photos.held_out, len(photos.held_out), "Features", watch)
    found = fit_probe(features, photos.targets, held_out, photos.held_out_targets)
    note = (
        f"A linear head on published features: {found.accuracy:.1%} of the held-out photos "
        f"right, after {time.monotonic() - began:.0f} s"
    )
    watch(TrainingProgress("Features", note=note))
    arrays = {"weight": found.weight, "bias": found.bias, "accuracy": np.array(found.accuracy)}
    _save(path, lambda file: np.savez(file, allow_pickle=False, **arrays))
    return found


def _save(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that it is there as a whole or not at all."""
    new = path.with_name(f".{path.name}")
    with new.open("wb") as file:
        write(file)
    new.replace(path)


def tune(
    plan: TrainingConfig,
    values: dict[str, Any],
    chosen: Backbone,
    photos: PreparedData,
    head: Probe,
    hyper: Hyperparameters,
    state: Path,
    deadline: float | None,
    watch: Watch,
) -> FineTuneResult | None:
    """Fine-tune from the fitted head; None where there was no time for it."""

    def build() -> Any:
        return learner_with_head(values, chosen, photos, head, hyper, state)

    return fine_tune(
        build, hyper, plan.epochs, state, seed=plan.seed, deadline=deadline, watch=watch
    )


def learner_with_head(
    values: dict[str, Any],
    chosen: Backbone,
    photos: PreparedData,
    head: Probe,
    hyper: Hyperparameters,
    state: Path,
) -> Any:
    """A ``Learner`` over the photos, with published weights and the fitted head."""
    from fastai.vision.all import LabelSmoothingCrossEntropyFlat, accuracy

    data = loaders(
        photos.copies,
        photos.targets,
        photos.held_out,
        photos.held_out_targets,
        photos.split.labels,
        chosen,
        hyper,
    )
    manifest, extra = manifest_of(values), {"path": state, "metrics": accuracy}
    if chosen.library == "timm" and hyper.drop_path and _drops_paths(chosen.body):
        learner = empty_learner(manifest, data, drop_path_rate=hyper.drop_path, **extra)
    else:
        learner = empty_learner(manifest, data, **extra)
    load_pretrained(learner.model[0], chosen)
    head.put(learner.model[1][-1])
    learner.loss_func = LabelSmoothingCrossEntropyFlat(eps=hyper.smoothing)
    if torch.cuda.is_available():
        learner.to_fp16()
    return learner


def _drops_paths(body: str) -> bool:
    """Whether a timm network can leave out layers while it learns."""
    import timm

    try:
        timm.create_model(body, pretrained=False, num_classes=0, drop_path_rate=0.1)
    except TypeError:
        return False
    return True
