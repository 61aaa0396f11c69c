"""The samples' preprocessing: the same bytes as ``model/preprocess.py`` and ``model/photo``."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.photo import read
from model.preprocess import FILTERS, PreprocessConfig, preprocess
from model.samples import samples
from model.settings import ROOT
from tests.photos import encoded, turned
from tests.python import import_file

SIZES = [(320, 240), (240, 321), (101, 33), (33, 1200), (60, 50)]


@pytest.fixture(scope="module")
def sample() -> ModuleType:
    return import_file(ROOT / "model/exporting/converters/preprocess.py")


def photo(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(size[0]).integers(0, 256, (12, 9, len(mode)), dtype=np.uint8)
    return Image.fromarray(noise.squeeze()).resize(size, Image.Resampling.BICUBIC)


def recipe(**values: Any) -> PreprocessConfig:
    return PreprocessConfig.model_validate({"resize": (64, 48), **values})


@pytest.mark.parametrize("filter_", FILTERS)
@pytest.mark.parametrize("method", ["crop", "squish"])
@pytest.mark.parametrize("crop", [None, (40, 40), (80, 32)])
@pytest.mark.parametrize("greyscale", [False, True], ids=["colour", "greyscale"])
def test_pixels_match_the_servers(
    sample: ModuleType, filter_: str, method: str, crop: tuple[int, int] | None, greyscale: bool
) -> None:
    config = recipe(method=method, interpolation=filter_, crop=crop, greyscale=greyscale)
    for size in SIZES:
        expected = preprocess(photo(size), config)
        pixels = sample.preprocess(photo(size), config.model_dump(mode="json"))
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, expected), size


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("greyscale", [False, True], ids=["colour", "greyscale"])
def test_padding_matches_the_servers(sample: ModuleType, padding: str, greyscale: bool) -> None:
    config = recipe(method="pad", padding=padding, greyscale=greyscale)
    for size in [*SIZES, (4000, 20)]:
        expected = preprocess(photo(size), config)
        assert np.array_equal(
            sample.preprocess(photo(size), config.model_dump(mode="json")), expected
        ), size


DEEP = np.random.default_rng(1).integers(0, 2**16, (50, 60), dtype=np.uint16)
FILES = {
    "turned": encoded(photo((120, 90)), exif=turned(6)),
    "large": encoded(samples()[0].open().resize((2400, 1600)), quality=90),
    "grey": encoded(photo((120, 90), "L"), "PNG"),
    "grey-alpha": encoded(photo((120, 90), "LA"), "PNG"),
    "alpha": encoded(photo((120, 90), "RGBA"), "PNG"),
    "16-bit": encoded(Image.fromarray(DEEP), "PNG"),
}


@pytest.mark.parametrize("decoding", ["scaled", "whole"])
@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_files_are_read_as_on_the_server(
    sample: ModuleType, tmp_path: Path, data: bytes, decoding: str
) -> None:
    config = recipe(decoding=decoding)
    path = tmp_path / "photo"
    path.write_bytes(data)
    expected = preprocess(read(data, resize=config.min_decode_size).image, config)
    assert np.array_equal(sample.read_pixels(path, config.model_dump(mode="json")), expected)
