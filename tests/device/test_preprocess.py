"""The browser's pixels are those of ``model/preprocess.py``, byte for byte."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.preprocess import PreprocessConfig, preprocess
from tests.device.node import run_node
from tests.device.site import NO_KERNELS, SLOW_FIREFOX, Site, run_script
from tests.device.vectors import COMPARE, DECODE, files_to_decode, pack, photos_and_recipes
from tests.photos import drawn, encoded, turned

Jobs = list[tuple[Image.Image, PreprocessConfig]]


def assert_equal_in_node(tmp_path: Path, jobs: Jobs) -> None:
    """Have Node compare its pixels with Python's, which are Pillow's."""
    file = tmp_path / "jobs"
    file.write_bytes(pack(jobs))
    compare = "return compare(new Uint8Array(readFileSync(given)), preprocess);"
    module = 'const { preprocess } = await load("engine/preprocess.mjs");'
    result = run_node(f"{module} {COMPARE} {compare}", str(file))
    assert result == {"jobs": len(jobs), "wrong": []}


@pytest.mark.slow
def test_pixels_equal_pillows(tmp_path: Path) -> None:
    """Cover every filter, method and padding, greyscale, enlarging, odd sizes and narrow strips."""
    jobs = photos_and_recipes(seed=11, count=340)
    assert {recipe.greyscale for _, recipe in jobs} == {False, True}
    assert_equal_in_node(tmp_path, jobs)


def test_every_colour_has_pillows_brightness(tmp_path: Path) -> None:
    """Compare every third level of each channel, without resizing."""
    levels = np.arange(0, 256, 3, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(86, -1, 3)
    recipe = PreprocessConfig(resize=(86, 1849), greyscale=True)
    parts = np.split(colours, 4, axis=1)
    assert_equal_in_node(tmp_path, [(Image.fromarray(part), recipe) for part in parts])


@pytest.mark.parametrize("side", [224, 300])
@pytest.mark.parametrize("filter_", ["hamming", "lanczos", "bicubic"])
def test_large_photos_equal_pillows(tmp_path: Path, filter_: Any, side: int) -> None:
    """At an exact multiple, samples lie on the filter's centre."""
    recipe = PreprocessConfig(resize=(side, side), interpolation=filter_)
    photos = [drawn(672, 672, seed=side), drawn(900, 600)]
    assert_equal_in_node(tmp_path, [(photo, recipe) for photo in photos])


def test_tall_photo_is_resized_vertically_first(tmp_path: Path) -> None:
    """Since Pillow 13, where the height shrinks by more than twice as much as the width.

    The order changes how the first pass is rounded, and so pixels.
    """
    recipe = PreprocessConfig(resize=(64, 64), method="squish", interpolation="bicubic")
    noise = np.random.default_rng(5).integers(0, 256, (900, 100, 3), dtype=np.uint8)
    photo = Image.fromarray(noise)
    bicubic = Image.Resampling.BICUBIC
    vertical_first = photo.resize((100, 64), bicubic).resize((64, 64), bicubic)
    horizontal_first = photo.resize((64, 900), bicubic).resize((64, 64), bicubic)
    pixels = preprocess(photo, recipe)
    assert np.array_equal(pixels, np.asarray(vertical_first))
    assert not np.array_equal(pixels, np.asarray(horizontal_first))
    assert_equal_in_node(tmp_path, [(photo, recipe)])


@pytest.mark.browser
@pytest.mark.parametrize("browser", SLOW_FIREFOX)
def test_pixels_equal_pillows_in_browsers(web: Site, browser: str) -> None:
    """Browsers compute other sines and cosines than Node. Some get no kernels."""
    jobs = photos_and_recipes(seed=12, count=120)
    script = f"""
      {COMPARE}
      const {{ preprocess }} = await import("/device/engine/preprocess.mjs");
      return compare(await fetchBytes("/jobs"), preprocess);
    """
    for more in ({}, NO_KERNELS):
        with web.changed({"/jobs": pack(jobs), **more}):
            assert run_script(web, browser, script) == {"jobs": len(jobs), "wrong": []}


@pytest.mark.browser
@pytest.mark.parametrize("browser", SLOW_FIREFOX)
@pytest.mark.parametrize(
    "values",
    [
        {"interpolation": "bicubic"},
        {"resize": (64, 64), "method": "pad", "crop": (60, 60)},
        {"greyscale": True},
    ],
    ids=["crop", "pad", "greyscale"],
)
def test_decoded_files_give_pillows_pixels(web: Site, browser: str, values: dict[str, Any]) -> None:
    """JPEG of all eight EXIF turns, with and without subsampled colour, and PNG."""
    photo = drawn(131, 90, seed=3)
    grey = photo.convert("L")
    files = {
        **{f"turn {turn}": encoded(photo, exif=turned(turn)) for turn in range(1, 9)},
        "4:2:0": encoded(photo, subsampling=2, quality=70),
        "4:2:2": encoded(photo, subsampling=1, quality=70),
        "4:4:4": encoded(photo, subsampling=0, quality=95),
        "progressive": encoded(photo, progressive=True),
        "grey": encoded(grey),
        "png": encoded(photo, "PNG"),
        "grey png": encoded(grey, "PNG"),
        "palette png": encoded(photo.quantize(64), "PNG"),
        "turned png": encoded(photo, "PNG", exif=turned(6)),
    }
    recipe = PreprocessConfig.model_validate({"resize": (64, 48), **values})
    _, served = files_to_decode([*files.values()], recipe, preprocessed=True, whole=True)
    with web.changed(served):
        results = run_script(web, browser, DECODE)
    equal = {"size": [None, None], "isWhole": True, "mean": 0, "most": 0, "differing": 0}
    assert dict(zip(files, results, strict=True)) == dict.fromkeys(files, equal)
