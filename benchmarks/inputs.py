"""The model and the photos that are measured; the photos are made from the samples."""

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import model
from model import Classifier
from model.samples import samples

from .environment import BUILD, MODEL

SMALL_SIZE_PX, PHONE_SIZE_PX = (500, 375), (4000, 3000)
"""Width and height of a small photo and of a phone's, in pixels."""

GRAIN = 5.0
"""Noise of a phone's sensor, in levels of 255; with it, files are as large as a phone's."""

SIZED_WIDTH_PX = {60: 480, 1000: 2240, 5000: 5200}
"""Width of photos with a phone's noise, in pixels, by the size of their files in kB."""


def classifier() -> Classifier:
    """Return the measured model on the compiled engine, regardless of the settings."""
    return model.load(MODEL, "compiled")


def small_photo() -> bytes:
    """Return a photo of 500 × 375 pixels as JPEG, about 50 kB."""
    return _jpeg(_cropped_sample("cat").resize(SMALL_SIZE_PX, Image.Resampling.LANCZOS))


def small_file() -> Path:
    """Write the small photo of a cat to a file and return its path."""
    return write_photo("cat-small.jpg", small_photo())


def phone_photo(
    name: str = "cat", turn: int = 0, size_px: tuple[int, int] = PHONE_SIZE_PX
) -> bytes:
    """Return a photo with a phone's noise as JPEG; ``turn`` shifts the noise.

    It has 0.25 bytes per pixel or a little more: 3 MB at 4000 × 3000 pixels.
    """
    image = _cropped_sample(name).resize(size_px, Image.Resampling.BICUBIC)
    noise = np.roll(_noise(size_px), 97 * turn, axis=0)
    pixels = np.asarray(image).astype(np.int16) + noise[:, :, None]
    return _jpeg(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)))


def photos_of_size(kilobytes: int, count: int) -> list[bytes]:
    """Return ``count`` different photos with the noise of a phone, each of roughly that size."""
    names, width = cycle(sample.name for sample in samples()), SIZED_WIDTH_PX[kilobytes]
    return [phone_photo(next(names), n, (width, width * 3 // 4)) for n in range(count)]


def small_photos(count: int) -> list[bytes]:
    """Return ``count`` different small photos: crops of the samples, the same in every run."""
    random = np.random.default_rng(0)
    pictures = cycle([_cropped_sample(sample.name) for sample in samples()])

    def crop(image: Image.Image) -> bytes:
        width = int(random.integers(image.width // 2, image.width + 1))
        height = width * 3 // 4
        left = int(random.integers(0, image.width - width + 1))
        top = int(random.integers(0, image.height - height + 1))
        box = (left, top, left + width, top + height)
        return _jpeg(image.resize(SMALL_SIZE_PX, Image.Resampling.BICUBIC, box))

    return [crop(image) for image in islice(pictures, count)]


def write_photo(name: str, data: bytes) -> Path:
    """Write ``data`` to a file of that name in the build folder and return its path."""
    path = BUILD / "photos" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def write_photos(folder: str, photos: Sequence[bytes]) -> list[Path]:
    """Write photos to files of a folder in the build folder and return their paths."""
    return [write_photo(f"{folder}/{at:04}.jpg", data) for at, data in enumerate(photos)]


@cache
def _noise(size_px: tuple[int, int]) -> NDArray[np.int16]:
    noise = np.random.default_rng(0).normal(0, GRAIN, size_px[::-1])
    return np.rint(noise).astype(np.int16)


def _cropped_sample(name: str) -> Image.Image:
    """Return a sample cut to 4 : 3 around its centre."""
    sample = next(sample for sample in samples() if sample.name == name)
    image = sample.open().convert("RGB")
    width = min(image.width, image.height * 4 // 3)
    height = width * 3 // 4
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _jpeg(image: Image.Image) -> bytes:
    data = BytesIO()
    image.save(data, "JPEG", quality=90, subsampling="4:2:0")
    return data.getvalue()
