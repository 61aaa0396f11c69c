"""Teach a model from a folder with a few photos of each label."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import DEFAULT_MODEL, Bundle
from ..calibration.graph_outputs import Floats
from ..classifier import read_file
from ..errors import DataError, PhotoError
from ..evaluation.metrics import Proportion
from ..photo import read
from ..preprocess import preprocess
from ..storage.photo_files import map_ordered
from ..text import clean
from ..training.data.discover import Dataset, discover
from .few_shot_head import FewShotHead
from .left_out import LeftOut, fit_head, merge_near_copies
from .loupe_file import (
    MAX_LABEL_CHARS,
    MAX_LABELS,
    LoupeManifest,
    draw,
    pack_head,
    write_loupe,
)
from .taught_bundle import publish_head
from .teaching_base import TeachingBase

MAX_PHOTOS = 500


@dataclass(frozen=True, eq=False)
class TaughtModel:
    """A few-shot head with its figures.

    ``photos`` [N] are those it was fitted to, in the order of ``left_out``; ``skipped`` has the
    names of photos that couldn't be read, with the reason.
    """

    manifest: LoupeManifest
    head: FewShotHead
    base: TeachingBase
    left_out: LeftOut
    photos: tuple[Path, ...]
    skipped: dict[str, str]

    @property
    def accuracy(self) -> Proportion | None:
        """The share of left-out photo groups that are right; None if it can't be known yet."""
        outcomes = self.left_out.outcomes
        right = sum(label == called for label, called in outcomes)
        return Proportion.of(right, len(outcomes)) if outcomes else None

    @property
    def confusions(self) -> list[tuple[str, str, int]]:
        """(label, what it was called instead, photo groups), the most frequent first."""
        labels, counts = self.manifest.labels, Counter(self.left_out.outcomes).most_common()
        return [(labels[one], labels[other], n) for (one, other), n in counts if one != other]

    def save(self, path: str | Path) -> None:
        """Write the model as a ``.loupe`` file, which the *Teach* page and ``import`` read."""
        Path(path).write_bytes(write_loupe(self.manifest, self.head))

    def publish(self, name: str, **options: Any) -> Bundle:
        """Publish the model as a bundle; ``options`` are those of ``publish_head``."""
        photos = self.photos
        return publish_head(self.manifest, self.head, self.base, name, photos=photos, **options)


def teach(folder: str | Path, base: str = DEFAULT_MODEL, *, title: str = "") -> TaughtModel:
    """Fit a head to the photos in ``folder/LABEL/…``, in seconds and without torch.

    A folder inside a label's is one photo group: photos of one recording, or of one thing in one
    place. Photos beside it are a group each, unless they are near copies.

    Args:
        folder: one folder per label, with at most 500 photos in all.
        base: the model whose features are used.
        title: what people read; by default the folder's name.

    Raises:
        DataError: the folders or the photos don't fit.
        BundleError: there is no such base.
    """
    folder = Path(folder).resolve()
    dataset = discover(folder)
    labels = tuple(clean(label) for label in dataset.labels)
    _check(folder, dataset, labels)
    opened = TeachingBase.open(base)
    results = list(map_ordered(lambda photo: _features(opened, photo.path), dataset.photos))
    pairs = list(zip(dataset.photos, results, strict=True))
    skipped = {photo.name: result for photo, result in pairs if isinstance(result, str)}
    photos = [photo for photo in dataset.photos if photo.name not in skipped]
    if empty := set(dataset.labels) - {photo.label for photo in photos}:
        raise DataError(
            f"None of the photos of {min(empty)} can be read. Add some, or remove its folder."
        )
    features = np.stack([result for result in results if not isinstance(result, str)])
    targets = np.array([dataset.labels.index(photo.label) for photo in photos])
    # A photo's own path where it is in no folder of its label's.
    recordings = ["/".join(photo.path.relative_to(folder).parts[:2]) for photo in photos]
    numbers = np.unique(recordings, return_inverse=True)[1]
    near_copy, fallback = (opened.features[name] for name in ("near_copy", "fallback_cosine"))
    groups = merge_near_copies(features.astype(np.float64), targets, numbers, near_copy)
    head, left_out = fit_head(features, targets, groups, fallback)
    manifest = describe_head(head, left_out, opened, labels, title or folder.name)
    paths = tuple(photo.path for photo in photos)
    return TaughtModel(manifest, head, opened, left_out, paths, skipped)


def describe_head(
    head: FewShotHead, left_out: LeftOut, base: TeachingBase, labels: tuple[str, ...], title: str
) -> LoupeManifest:
    """Return the manifest of a head that was fitted here."""
    packed, bundle = pack_head(head), base.bundle
    pictures = base.compute_features(draw(*bundle.manifest.recipe.size))
    counted = [label for label, _ in left_out.outcomes]
    right = [label for label, called in left_out.outcomes if label == called]

    def by_label(indices: Any) -> tuple[int, ...]:
        return tuple(np.bincount(np.array(indices, int), minlength=len(labels)).tolist())

    accuracy = {"right": by_label(right), "counted": by_label(counted), "folds": left_out.folds}
    return LoupeManifest.model_validate(
        {
            "title": clean(title)[:MAX_LABEL_CHARS].strip() or "Taught model",
            "labels": labels,
            "base": {
                "name": bundle.name,
                "version": bundle.version,
                "features": base.features["sha256"],
                "size": base.features["size"],
            },
            "temperature": head.temperature,
            "ood_threshold": head.ood_threshold,
            "promise": left_out.promise,
            "made": datetime.now(UTC).date().isoformat(),
            "photos": by_label(left_out.targets),
            "groups": by_label(left_out.group_labels),
            "accuracy": accuracy if counted else None,
            "head": {"sha256": hashlib.sha256(packed).hexdigest(), "bytes": len(packed)},
            "golden": {
                "drawing": 1,
                "logits": head.logits(pictures).tolist(),
                "novelty": head.ood_scores(pictures).tolist(),
            },
        }
    )


def _check(folder: Path, dataset: Dataset, labels: tuple[str, ...]) -> None:
    if dataset.is_split:
        raise DataError(
            f"{folder} is split into parts. Name the folder of the training photos, with one "
            "folder per label; what is left out in turn is measured without a split."
        )
    if len(labels) > MAX_LABELS or len(dataset.photos) > MAX_PHOTOS:
        raise DataError(
            f"{folder} has {len(dataset.photos):,} photos of {len(labels)} labels, and teaching "
            f"takes at most {MAX_PHOTOS} of {MAX_LABELS}. Train on them instead: "
            "python -m model train FOLDER --name NAME"
        )
    if unusable := [label for label in labels if not 0 < len(label) <= MAX_LABEL_CHARS]:
        raise DataError(f"The label {unusable[0]!r} needs 1 to {MAX_LABEL_CHARS} characters.")
    if len(set(labels)) < len(labels):
        raise DataError("Two labels' folders differ only in spaces or marks. Rename one.")


def _features(base: TeachingBase, path: Path) -> Floats | str:
    """Return a photo's features, or why it can't be read."""
    recipe = base.bundle.manifest.recipe
    try:
        image = read(read_file(path), resize=recipe.min_decode_size).image
    except PhotoError as error:
        return str(error)
    return np.asarray(base.compute_features([preprocess(image, recipe)])[0])
