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
from ...photo_files import list_photos
from ...samples import samples, shapes

__all__ = ["Parity", "Photos", "compare", "gather_photos"]

MOST = 200
"""Photos of a folder that are compared."""

TOLERANCE = 1e-3
"""How far a probability may be from fastai's."""

SIDES = ((2400, 1600), (48, 40))
"""A large and a small photo beside the samples: width and height."""


@dataclass(frozen=True)
class Photos:
    """Photos to compare on, as ``files`` in the workroom by the ``names`` they came under.

    ``left_out`` counts those that fastai opens in another way than Loupe by design:
    turned by EXIF (fastai does not turn), transparent, or of a kind it cannot open.
    """

    files: tuple[Path, ...]
    names: tuple[str, ...]
    left_out: int


@dataclass(frozen=True)
class Parity:
    """What came out: the largest difference in a probability, the whole way from bytes,
    and in how many photos.

    ``whole`` is the largest where large JPEGs are decoded in full, as fastai does.
    """

    photos: int
    difference: float
    whole: float

    @property
    def close(self) -> bool:
        """Whether the answers are fastai's. Written so that NaN is not."""
        return self.difference <= TOLERANCE


def gather_photos(folder: Path | None, room: Path) -> Photos:
    """Put photos into ``room``: those of ``folder``, else the samples and drawn shapes.

    Raises:
        ExportRefused: none of the folder's can be compared.
    """
    found: list[tuple[str, bytes, str]] = []
    left_out = 0
    for path in list_photos(folder) if folder else []:
        if len(found) == MOST:
            break
        if kind := _comparable(path):
            found.append((path.name, path.read_bytes(), kind))
        else:
            left_out += 1
    if folder and not found:
        raise ExportRefused(
            f"{folder} holds no photo to compare on: it takes upright JPEG, PNG or WebP."
        )
    found = found or _shipped()
    files = []
    for number, (_, data, kind) in enumerate(found):
        files.append(room / f"{number:03d}.{kind}")
        files[-1].write_bytes(data)
    return Photos(tuple(files), tuple(name for name, _, _ in found), left_out)


def _comparable(path: Path) -> str:
    """Return the photo's file ending if fastai opens it as Loupe does, else an empty text."""
    try:
        read(read_file(path))
        with Image.open(path, formats=["JPEG", "PNG", "WEBP"]) as image:
            upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
            plain = image.mode in ("RGB", "L") and "transparency" not in image.info
            single = getattr(image, "n_frames", 1) == 1
            return str(image.format).lower() if upright and plain and single else ""
    except (PhotoError, OSError):
        return ""


def _shipped() -> list[tuple[str, bytes, str]]:
    found = [(one.name, one.read(), one.path.suffix[1:]) for one in samples()]
    drawn = dict(zip(("disc", "stripes", "noise"), shapes(), strict=True))
    found += [(name, _encoded(image, "PNG"), "png") for name, image in drawn.items()]
    first = samples()[0].open().convert("RGB")
    for size in SIDES:
        name = f"{size[0]} × {size[1]} pixels"
        found.append((name, _encoded(first.resize(size), "JPEG"), "jpg"))
    return found


def _encoded(image: Image.Image, format: str) -> bytes:
    file = BytesIO()
    image.save(file, format)
    return file.getvalue()


def compare(classifier: Classifier, photos: Photos, theirs: NDArray[np.float32]) -> Parity:
    """Answer for each photo from its bytes, and compare with fastai's probabilities.

    Args:
        theirs: float32 [photos, labels].

    Raises:
        ExportRefused: they differ, also where JPEGs are decoded in full.
    """
    if theirs.shape != (len(photos.files), len(classifier.bundle.labels)):
        raise ExportRefused(f"Its own answers have the shape {theirs.shape}, which fits nothing.")
    worst, worst_name, from_bytes = 0.0, "", 0.0
    for path, name, wanted in zip(photos.files, photos.names, theirs, strict=True):
        found = _answer(classifier, path.read_bytes())
        away = float(np.abs(found - wanted).max())
        # Written so that NaN is the worst of all, here and below.
        from_bytes = from_bytes if away <= from_bytes else away
        if path.suffix in (".jpg", ".jpeg"):
            with Image.open(path) as image:
                found = _answer(classifier, image.convert("RGB"))
        difference = float(np.abs(found - wanted).max())
        if not difference <= worst:
            worst, worst_name = difference, name
    if not worst <= TOLERANCE:
        raise ExportRefused(
            f"Loupe would answer differently from fastai: for the photo {worst_name} a probability "
            f"differs by {worst:.2g}, and {TOLERANCE:g} is allowed. Nothing was written."
        )
    return Parity(len(photos.files), from_bytes, worst)


def _answer(classifier: Classifier, source: bytes | Image.Image) -> NDArray[np.float32]:
    return np.asarray(classifier.identify(source, timeout=None).probabilities, dtype=np.float32)
