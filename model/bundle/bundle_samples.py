"""``samples.json``: photos to try a model with, and the labels by which it introduces itself.

Like ``small.json`` it is beside ``bundle.json`` and isn't listed in it, so that neither the version
nor a share link depends on it. Its photos are ``sample-1.jpg``, ``sample-2.jpg`` … in its order: no
path is ever read from it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ..photo import Photo, read
from ..photo.formats import prepare
from ..samples import thumbnail_jpeg
from ..text import clean
from .bundle import Bundle
from .manifest import MAX_SAMPLES, SAMPLE_LIST, SAMPLE_PHOTOS
from .model_card import StrictModel
from .side_files import load_beside, read_beside, write_beside

MAX_PHOTO_BYTES = 40_000
MAX_LIST_BYTES = 64 * 2**10
SIDES_PX = (640, 560, 480, 400, 320, 240, 160, 80)
"""Longest sides that are tried until a photo fits; noise of the last has 12 kB."""

Label = Annotated[str, Field(min_length=1, max_length=200)]
Line = Annotated[str, AfterValidator(clean), Field(min_length=1, max_length=200)]


class SampleEntry(StrictModel):
    """A sample's texts; ``label`` is what it shows, None for a photo of none of the labels."""

    title: Line
    alt: Line
    label: Label | None = None
    author: Line | None = None
    licence: Line | None = None
    source: Line | None = None


class SampleList(StrictModel):
    """All of ``samples.json``; ``examples`` are things at hand, by default the samples' labels."""

    format: Literal[1]
    examples: Annotated[tuple[Label, ...], Field(max_length=20)] = ()
    samples: Annotated[tuple[SampleEntry, ...], Field(max_length=MAX_SAMPLES)] = ()


@dataclass(frozen=True, slots=True)
class BundleSample:
    """A sample: its texts, and two JPEGs without metadata, the photo and a square thumbnail."""

    entry: SampleEntry
    photo: bytes
    thumbnail: bytes

    @property
    def names(self) -> tuple[str, str]:
        """File names of photo and thumbnail, which change with the content."""
        photo, thumbnail = (hashlib.sha256(data) for data in (self.photo, self.thumbnail))
        return f"{photo.hexdigest()[:16]}.jpg", f"{thumbnail.hexdigest()[:16]}.jpg"

    @property
    def files(self) -> dict[str, bytes]:
        """Photo and thumbnail by name."""
        return dict(zip(self.names, (self.photo, self.thumbnail), strict=True))


Contents = tuple[SampleList, tuple[BundleSample, ...]]
NOTHING: Contents = (SampleList(format=1), ())


def read_samples(bundle: Bundle) -> tuple[BundleSample, ...]:
    """Return a bundle's samples; none if it has none, or damaged ones, which is logged."""
    return _contents(bundle)[1]


def familiar_labels(bundle: Bundle) -> list[str]:
    """Return all labels, things that people have at hand first: the examples, or the samples'."""
    listed, samples = _contents(bundle)
    shown = listed.examples or [sample.entry.label for sample in samples if sample.entry.label]
    return list(dict.fromkeys([*shown, *bundle.labels]))


def _contents(bundle: Bundle) -> Contents:
    return load_beside(bundle, SAMPLE_LIST, MAX_LIST_BYTES, _parse) or NOTHING


def _parse(values: Any, bundle: Bundle) -> Contents:
    listed = SampleList.model_validate(values)
    shown = {entry.label for entry in listed.samples if entry.label}
    if unknown := (shown | set(listed.examples)) - set(bundle.labels):
        raise ValueError(f"{min(unknown)!r} is none of the model's labels")
    samples = (
        BundleSample(entry, *_read_photo(bundle.folder / name))
        for entry, name in zip(listed.samples, SAMPLE_PHOTOS, strict=False)
    )
    return listed, tuple(samples)


def _read_photo(path: Path) -> tuple[bytes, bytes]:
    """Return a JPEG that is the same without its metadata, and a thumbnail of it."""
    data = read_beside(path, MAX_PHOTO_BYTES)
    photo, plain = read(data), prepare(data).data.removesuffix(b"\xff\x00" * 8)
    if photo.format != "JPEG" or data != plain + b"\xff\xd9":
        raise ValueError(f"{path.name} isn't a baseline JPEG without metadata")
    return data, thumbnail_jpeg(photo.image)


def sample_jpeg(photo: Photo) -> bytes:
    """Return a photo as a sample: a new JPEG without metadata of at most ``MAX_PHOTO_BYTES``."""
    jpegs = (photo.to_jpeg(side) for side in SIDES_PX)
    return next(data for data in jpegs if len(data) <= MAX_PHOTO_BYTES)


def write_samples(
    bundle: Bundle, samples: Sequence[tuple[SampleEntry, bytes]], examples: Sequence[str] = ()
) -> None:
    """Write a bundle's samples, JPEGs of ``sample_jpeg``, in place of previous ones."""
    listed = SampleList(
        format=1, examples=tuple(examples), samples=tuple(entry for entry, _ in samples)
    )
    text = listed.model_dump_json(exclude_defaults=True, indent=1) + "\n"
    _write_files(bundle.folder, [photo for _, photo in samples], text.encode())


def copy_samples(source: Bundle, folder: Path) -> None:
    """Copy a bundle's samples beside another version of it."""
    if samples := read_samples(source):
        text = read_beside(source.folder / SAMPLE_LIST, MAX_LIST_BYTES)
        _write_files(folder, [sample.photo for sample in samples], text)


def _write_files(folder: Path, photos: Sequence[bytes], text: bytes) -> None:
    # Readers read the photos again once the list has changed, so it is written last.
    files = {**dict(zip(SAMPLE_PHOTOS, photos, strict=False)), SAMPLE_LIST: text}
    for name, data in files.items():
        write_beside(folder / name, data)
