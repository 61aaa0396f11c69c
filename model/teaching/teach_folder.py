"""Teach a model from a folder with a few photos of each label."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..browser.small_graph import describe_features, make_small_graph
from ..bundle import DEFAULT_MODEL, Bundle, Metric, get_bundle
from ..calibration.graph_outputs import Floats, Run, open_graph
from ..classifier import read_file
from ..errors import DataError, PhotoError
from ..photo import read
from ..preprocess import preprocess
from ..storage.labelled_photos import Dataset, LabelledPhoto, discover
from ..storage.photo_files import map_ordered
from ..text import clean, find_confusing
from . import loupe_file
from .few_shot_head import FewShotHead, LeftOut, fit_head, merge_near_copies
from .taught_bundle import publish_head

MAX_PHOTOS = 500


@dataclass(frozen=True, eq=False)
class TaughtModel:
    """A few-shot head with its figures.

    ``photos`` [N] are those it was fitted to, in the order of ``left_out``; ``skipped`` has the
    names of photos that couldn't be read, with the reason.
    """

    manifest: loupe_file.LoupeManifest
    head: FewShotHead
    left_out: LeftOut
    photos: tuple[Path, ...]
    skipped: dict[str, str]

    @property
    def accuracy(self) -> Metric | None:
        """The share of left-out photo groups that are right; None if it can't be known yet."""
        return self.manifest.metric

    @property
    def confusions(self) -> list[tuple[str, str, int]]:
        """(label, what it was called instead, photo groups), the most frequent first."""
        labels, counts = self.manifest.labels, Counter(self.left_out.outcomes).most_common()
        return [(labels[one], labels[other], n) for (one, other), n in counts if one != other]

    def save(self, path: str | Path) -> None:
        """Write the model as a ``.loupe`` file, which the *Teach* page and ``import`` read."""
        Path(path).write_bytes(loupe_file.write_loupe(self.manifest, self.head))

    def publish(self, name: str, **options: Any) -> Bundle:
        """Publish the model as a bundle; ``options`` are those of ``publish_head``."""
        return publish_head(self.manifest, self.head, name, photos=self.photos, **options)


def teach(folder: str | Path, base: str = DEFAULT_MODEL, *, title: str = "") -> TaughtModel:
    """Fit a head to the photos in ``folder/LABEL/…``, in seconds and without torch.

    A folder inside a label's is one photo group: photos of one recording, or of one thing in one
    place. Photos beside it are a group each, unless they are near copies.

    Args:
        folder: one folder per label, with at most 500 photos in all.
        title: what people read; by default the folder's name.

    Raises:
        DataError: the folders or the photos don't fit, or the base has no features.
        BundleError: there is no such base.
    """
    folder = Path(folder).resolve()
    dataset = discover(folder)
    labels = _check(folder, dataset)
    bundle, run, of_base = open_base(base)
    recipe = bundle.manifest.recipe

    def compute(photo: LabelledPhoto) -> Floats | str:
        try:
            image = read(read_file(photo.path), resize=recipe.min_decode_size).image
        except PhotoError as error:
            return str(error)
        return np.asarray(run(preprocess(image, recipe)[None])[1][0])

    results = list(map_ordered(compute, dataset.photos))
    skipped = {
        photo.name: result
        for photo, result in zip(dataset.photos, results, strict=True)
        if isinstance(result, str)
    }
    skipped |= dict.fromkeys(dataset.ignored, "It isn't a photo.")
    beside = (path.name for path in sorted(folder.glob("[!.]*")) if path.is_file())
    skipped |= dict.fromkeys(map(clean, beside), "It isn't in a label's folder.")
    photos = [photo for photo in dataset.photos if photo.name not in skipped]
    if empty := set(dataset.labels) - {photo.label for photo in photos}:
        raise DataError(
            f"None of the photos of {min(empty)} can be read. Add some, or remove its folder."
        )
    features = np.array([result for result in results if not isinstance(result, str)])
    targets = np.array([dataset.labels.index(photo.label) for photo in photos])
    # A photo beside its label's folders is a recording of its own.
    recordings = ["/".join(photo.path.relative_to(folder).parts[:2]) for photo in photos]
    numbers = np.unique(recordings, return_inverse=True)[1]
    groups = merge_near_copies(features.astype(float), targets, numbers, of_base["near_copy"])
    head, left_out = fit_head(features, targets, groups, of_base["fallback_cosine"])
    pictures = np.concatenate([run(picture[None])[1] for picture in loupe_file.draw(*recipe.size)])
    logits, novelty = head.logits(pictures).tolist(), head.ood_scores(pictures).tolist()
    title = clean(title or folder.name)[: loupe_file.MAX_LABEL_CHARS].strip()
    manifest = _describe(
        head,
        left_out,
        title=title if loupe_file.is_label(title) else "Taught model",
        labels=labels,
        base=loupe_file.LoupeBase(
            name=bundle.name,
            version=bundle.version,
            features=of_base["sha256"],
            size=of_base["size"],
        ),
        golden=loupe_file.LoupeGolden(logits=logits, novelty=novelty),
    )
    paths = tuple(photo.path for photo in photos)
    return TaughtModel(manifest, head, left_out, paths, skipped)


def open_base(name: str) -> tuple[Bundle, Run, dict[str, Any]]:
    """Open a model, its small graph as phones run it, and ``features`` of its ``model.json``.

    Raises:
        BundleError: there is none of that name, or it can't be opened.
        DataError: its graph has no features.
    """
    bundle = get_bundle(name)
    graph = make_small_graph(bundle.read("graph.onnx"))
    if features := describe_features(name, bundle.manifest.recipe, graph):
        return bundle, open_graph(graph), features
    raise DataError(f"{name} can't be a base: its graph has no features. Use {DEFAULT_MODEL}.")


def _describe(head: FewShotHead, left_out: LeftOut, **fields: Any) -> loupe_file.LoupeManifest:
    """Return the manifest of a head that was fitted here; ``fields`` are its others."""
    outcomes = left_out.outcomes

    def by_label(indices: Iterable[int]) -> tuple[int, ...]:
        counts = Counter(indices)
        return tuple(counts[label] for label in range(len(head.bias)))

    accuracy = loupe_file.GroupAccuracy(
        right=by_label(label for label, called in outcomes if label == called),
        counted=by_label(label for label, _ in outcomes),
        folds=left_out.folds,
    )
    return loupe_file.LoupeManifest(
        temperature=head.temperature,
        ood_threshold=head.ood_threshold,
        promise=left_out.promise,
        made=datetime.now(UTC).date().isoformat(),
        photos=by_label(left_out.targets),
        groups=by_label(left_out.group_labels),
        accuracy=accuracy if outcomes else None,
        head=loupe_file.describe_file(loupe_file.pack_head(head)),
        **fields,
    )


def _check(folder: Path, dataset: Dataset) -> tuple[str, ...]:
    """Return the labels as people read them."""
    if dataset.is_split:
        raise DataError(
            f"{folder} is split into parts. Name the folder of the training photos, with one "
            "folder per label; teaching tests on photos left out in turn, so it needs no split."
        )
    labels = tuple(clean(label) for label in dataset.labels)
    if len(labels) > loupe_file.MAX_LABELS or len(dataset.photos) > MAX_PHOTOS:
        raise DataError(
            f"{folder} has {len(dataset.photos):,} photos of {len(labels)} labels, and teaching "
            f"takes at most {MAX_PHOTOS} of {loupe_file.MAX_LABELS}. Train on them instead: "
            "python -m model train FOLDER --name NAME"
        )
    refused = [label for label in labels if not loupe_file.is_label(label)]
    if bad := refused or find_confusing(labels):
        raise DataError(
            f"A folder can't be the label {bad[0]!r}: it needs 1 to {loupe_file.MAX_LABEL_CHARS} "
            "characters, a visible one, and to differ from others in more than spaces and marks. "
            "Rename it."
        )
    return labels
