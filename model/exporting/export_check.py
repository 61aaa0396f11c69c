"""The comparison of an exported model with the original, on photos."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..bundle import Bundle
from ..classifier import read_file
from ..engine_info import DEFAULT_ENGINE
from ..engines import start, why_unavailable
from ..errors import ConversionFailed, DataError, PhotoError
from ..photo import read
from ..preprocess import NO_DOWNSCALE, Pixels, preprocess
from ..samples import samples, shapes
from ..storage.photo_files import list_photos

MAX_PHOTOS = 50

TOLERANCE = 1e-3
"""Largest difference of a probability that an export may have."""

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Written:
    """The result of writing a format.

    Attributes:
        checks: a sentence for each comparison with the original.
        values: the words ``$word`` of the format's ``about.md``, beside the common ones.
    """

    checks: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckPhotos:
    """The photos on which an export is compared: up to 50 of a folder, else the sample photos."""

    folder: Path | None = None

    def __iter__(self) -> Iterator[Image.Image]:
        """Yield upright RGB images, decoded in full, as other programs do.

        Raises:
            DataError: the folder has no readable photo.
        """
        if self.folder is None:
            yield from (read(sample.read(), resize=NO_DOWNSCALE).image for sample in samples())
            yield from shapes()
            return
        count = 0
        for path in _spread(list_photos(self.folder)):
            try:
                yield read(read_file(path), resize=NO_DOWNSCALE).image
            except PhotoError:
                continue
            count += 1
            if count == MAX_PHOTOS:
                return
        if not count:
            raise DataError(f"{self.folder} has no photo that can be read. Name another folder.")


def _spread(paths: list[Path]) -> list[Path]:
    """Return the paths, evenly spaced ones first: a folder may be sorted by label."""
    step = max(1, math.ceil(len(paths) / MAX_PHOTOS))
    return [path for first in range(step) for path in paths[first::step]]


@dataclass(frozen=True, slots=True)
class Reference:
    """The original's outputs for N photos.

    Attributes:
        name: the source of the outputs, for messages.
        is_graph: True if the source is the bundle's own graph.
        pixels: uint8 [N, height, width, 3].
        probabilities: float32 [N, labels], calibrated if the bundle is.
        logits: float32 [N, labels].
        ood_score: float32 [N], or None if the bundle has no OOD detector.
        ood_threshold: above it a photo shows none of the labels; None if nothing is rejected.
    """

    name: str
    is_graph: bool
    pixels: Pixels
    probabilities: Float32
    logits: Float32
    ood_score: Float32 | None
    ood_threshold: float | None = None


def run_reference(bundle: Bundle, photos: CheckPhotos) -> Reference:
    """Run the fastai learner on photos; the full graph, if the learner can't run here.

    Raises:
        DataError: no photo is readable.
        BundleDamaged: a file of the bundle is damaged.
    """
    pixels = np.stack([preprocess(image, bundle.manifest.recipe) for image in photos])
    has_learner = "learner" in bundle.manifest.engines and not why_unavailable(bundle, "learner")
    engine = start(bundle, "learner" if has_learner else DEFAULT_ENGINE)
    rows = [engine.run(photo[None]) for photo in pixels]
    scores = [row.ood_score for row in rows if row.ood_score is not None]
    return Reference(
        "the fastai learner" if has_learner else "the full graph in ONNX Runtime",
        not has_learner,
        pixels,
        np.concatenate([row.probabilities for row in rows]),
        np.concatenate([row.logits for row in rows]),
        np.concatenate(scores) if scores else None,
        _ood_threshold(bundle),
    )


def golden_reference(bundle: Bundle) -> Reference:
    """Return the learner's outputs that were recorded when the bundle was made."""
    golden = bundle.golden
    return Reference(
        "the recorded outputs of the learner",
        False,
        golden.pixels,
        golden.probabilities,
        golden.logits,
        golden.ood_score,
        _ood_threshold(bundle),
    )


def require_network(bundle: Bundle, format: str) -> None:
    """Check that a bundle has its network and not only its graph.

    Raises:
        ConversionFailed: no name rebuilds the network.
    """
    if "learner" not in bundle.manifest.engines:
        raise ConversionFailed(
            f"{format} needs the network itself, and {bundle.name!r} has only its graph: no name "
            "in timm, torchvision or fastai rebuilds it. Export it to onnx or tflite."
        )


def _ood_threshold(bundle: Bundle) -> float | None:
    calibration = bundle.manifest.calibration
    return None if calibration is None else calibration.ood_threshold


@dataclass(frozen=True, slots=True)
class Comparison:
    """The largest differences of an export's outputs from the original's.

    Attributes:
        reference: the name of the reference.
        photos: the number of photos.
        same_top: the number of photos with the same top label.
        probability: largest difference of a probability; NaN if one is.
        ood_score: largest difference of an OOD score, relative above one; None without scores.
        same_unknown: number with the same decision on “none of these”; None without a threshold.
    """

    reference: str
    photos: int
    same_top: int
    probability: float
    ood_score: float | None = None
    same_unknown: int | None = None

    def __str__(self) -> str:
        score = "" if self.ood_score is None else f", `novelty` by {self.ood_score:.1g}"
        unknown = (
            ""
            if self.same_unknown is None
            else f", the same decision on “none of these” on {self.same_unknown:,}"
        )
        return (
            f"On {self.photos:,} photos, compared with {self.reference}: the same top label on "
            f"{self.same_top:,}{unknown}; probabilities differ by at most {self.probability:.1g}"
            f"{score}."
        )

    def require_close(self, what: str) -> None:
        """Refuse an export whose outputs differ too much.

        Raises:
            ConversionFailed: a probability differs by more than ``TOLERANCE``.
        """
        # Written so that NaN is refused.
        if not self.probability <= TOLERANCE:
            raise ConversionFailed(
                f"{what} doesn't answer as {self.reference} does: a probability differs by "
                f"{self.probability:.2g}, and {TOLERANCE:g} is allowed. Nothing was written."
            )


def compare(
    reference: Reference, probabilities: Float32, ood_score: Float32 | None = None
) -> Comparison:
    """Compare an export's outputs with the original's for the same pixels.

    Args:
        reference: the original's outputs.
        probabilities: float32 [N, labels].
        ood_score: float32 [N]; None if the export has no such output.

    Raises:
        ConversionFailed: the shapes don't fit.
    """
    if probabilities.shape != reference.probabilities.shape:
        raise ConversionFailed(
            f"The converted model returns probabilities of the shape {probabilities.shape} instead "
            f"of {reference.probabilities.shape}."
        )
    score = same_unknown = None
    if reference.ood_score is not None and ood_score is not None:
        ours, theirs, threshold = reference.ood_score, ood_score.ravel(), reference.ood_threshold
        score = float((np.abs(theirs - ours) / np.maximum(1, np.abs(ours))).max())
        if threshold is not None:
            same_unknown = int(((theirs > threshold) == (ours > threshold)).sum())
    same = probabilities.argmax(axis=1) == reference.probabilities.argmax(axis=1)
    return Comparison(
        reference.name,
        len(probabilities),
        int(same.sum()),
        float(np.abs(probabilities - reference.probabilities).max()),
        score,
        same_unknown,
    )
