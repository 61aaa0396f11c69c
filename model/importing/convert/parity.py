"""The same photos through fastai's own transforms and through Loupe: the outputs must agree."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ...classifier import Classifier, read_file
from ...errors import ExportRefused, PhotoError
from ...photo import read
from ...samples import samples, shapes
from ...storage.photo_files import list_photos

MAX_PHOTOS = 200
"""Photos of a folder that are compared."""

TOLERANCE = 1e-3
"""Largest difference of a probability from fastai's."""

SIDES = ((2400, 1600), (48, 40))
"""A large and a small photo beside the samples: width and height."""


@dataclass(frozen=True)
class Photos:
    """Photos to compare on: ``files`` in the sandbox, and their original ``names``.

    ``left_out`` counts those that fastai opens differently from Loupe by design: rotated by
    EXIF (fastai ignores that), transparent, or in a format that it can't open.
    """

    files: tuple[Path, ...]
    names: tuple[str, ...]
    left_out: int


@dataclass(frozen=True)
class Parity:
    """The number of photos, the largest difference of a probability, and the photo that has it."""

    photos: int
    difference: float
    worst: str

    @property
    def close(self) -> bool:
        """True if the probabilities match fastai's; False for NaN."""
        return self.difference <= TOLERANCE


def gather_photos(folder: Path | None, to: Path) -> Photos:
    """Put photos into ``to``: those of ``folder``, else the samples and drawn shapes.

    Raises:
        ExportRefused: no photo of the folder can be compared.
    """
    photos: list[tuple[str, bytes, str]] = []
    left_out = 0
    for path in list_photos(folder) if folder else []:
        if len(photos) == MAX_PHOTOS:
            break
        if kind := _comparable(path):
            photos.append((path.name, path.read_bytes(), kind))
        else:
            left_out += 1
    if folder and not photos:
        raise ExportRefused(
            f"{folder} has no photo to compare on. Add upright JPEG, PNG or WebP photos."
        )
    photos = photos or _builtin_photos()
    files = []
    for number, (_, data, kind) in enumerate(photos):
        files.append(to / f"{number:03d}.{kind}")
        files[-1].write_bytes(data)
    return Photos(tuple(files), tuple(name for name, _, _ in photos), left_out)


def _comparable(path: Path) -> str:
    """Return the photo's file ending if fastai opens it as Loupe does, else an empty string."""
    try:
        read(read_file(path))
        with Image.open(path, formats=["JPEG", "PNG", "WEBP"]) as image:
            upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
            plain = image.mode in ("RGB", "L") and "transparency" not in image.info
            single = getattr(image, "n_frames", 1) == 1
            return str(image.format).lower() if upright and plain and single else ""
    except (PhotoError, OSError):
        return ""


def _builtin_photos() -> list[tuple[str, bytes, str]]:
    """Return the samples, drawn shapes, and a sample in other sizes: name, bytes, file ending."""
    photos = [(sample.name, sample.read(), sample.path.suffix[1:]) for sample in samples()]
    drawn = zip(("disc", "stripes", "noise"), shapes(), strict=True)
    photos += [(name, _encoded(image, "PNG"), "png") for name, image in drawn]
    first = samples()[0].open().convert("RGB")
    return photos + [
        (f"{width} × {height} pixels", _encoded(first.resize((width, height)), "JPEG"), "jpg")
        for width, height in SIDES
    ]


def _encoded(image: Image.Image, format: str) -> bytes:
    file = BytesIO()
    image.save(file, format)
    return file.getvalue()


def compare(classifier: Classifier, photos: Photos, expected: NDArray[np.float32]) -> Parity:
    """Identify each photo from its bytes; compare with fastai's, float32 [photos, labels].

    Raises:
        ExportRefused: ``expected`` has another shape.
    """
    if expected.shape != (len(photos.files), len(classifier.bundle.labels)):
        raise ExportRefused(f"The reference outputs have the shape {expected.shape}.")
    probabilities = [
        classifier.identify(path.read_bytes(), timeout=None).probabilities for path in photos.files
    ]
    differences = np.abs(np.asarray(probabilities, dtype=np.float32) - expected).max(axis=1)
    # NaN if any difference is: argmax finds the first of them.
    worst = int(differences.argmax())
    return Parity(len(photos.files), float(differences[worst]), photos.names[worst])
