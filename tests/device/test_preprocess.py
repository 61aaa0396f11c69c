"""The browser's pixels are those of ``model/preprocess.py``, byte for byte."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.photo import read
from model.preprocess import PreprocessConfig, preprocess
from tests.device.node import run_node
from tests.device.site import SLOW_FIREFOX, Site, run_script
from tests.device.vectors import COMPARE, pack, photos_and_recipes
from tests.photos import drawn, encoded, turned


def compared_in_node(file: Path) -> Any:
    compare = "return compare(new Uint8Array(readFileSync(given)), preprocess);"
    module = 'const { preprocess } = await load("engine/preprocess.mjs");'
    return run_node(f"{module} {COMPARE} {compare}", str(file))


@pytest.mark.slow
def test_pixels_equal_pillows(tmp_path: Path) -> None:
    """Cover every filter, method and padding, greyscale, enlarging, odd sizes and narrow strips."""
    jobs = photos_and_recipes(seed=11, count=340)
    assert {recipe.greyscale for _, recipe in jobs} == {False, True}
    file = tmp_path / "jobs"
    file.write_bytes(pack(jobs))
    assert compared_in_node(file) == {"jobs": len(jobs), "wrong": []}


def test_every_colour_has_pillows_brightness(tmp_path: Path) -> None:
    """Compare every third level of each channel, without resizing."""
    levels = np.arange(0, 256, 3, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(86, -1, 3)
    recipe = PreprocessConfig(resize=(86, 1849), greyscale=True)
    photos = [Image.fromarray(part) for part in np.split(colours, 4, axis=1)]
    file = tmp_path / "jobs"
    file.write_bytes(pack([(photo, recipe) for photo in photos]))
    assert compared_in_node(file) == {"jobs": 4, "wrong": []}


@pytest.mark.parametrize("side", [224, 300])
@pytest.mark.parametrize("filter_", ["hamming", "lanczos", "bicubic"])
def test_large_photos_equal_pillows(tmp_path: Path, filter_: Any, side: int) -> None:
    """At an exact multiple, samples lie on the filter's centre."""
    recipe = PreprocessConfig(resize=(side, side), interpolation=filter_)
    file = tmp_path / "jobs"
    file.write_bytes(pack([(drawn(672, 672, seed=side), recipe), (drawn(900, 600), recipe)]))
    assert compared_in_node(file) == {"jobs": 2, "wrong": []}


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
    file = tmp_path / "jobs"
    file.write_bytes(pack([(photo, recipe)]))
    assert compared_in_node(file) == {"jobs": 1, "wrong": []}


@pytest.mark.browser
@pytest.mark.parametrize("browser", SLOW_FIREFOX)
def test_pixels_equal_pillows_in_browsers(web: Site, browser: str) -> None:
    """Browsers compute other sines and cosines than Node."""
    jobs = photos_and_recipes(seed=12, count=120)
    script = f"""
      {COMPARE}
      const {{ preprocess }} = await import("/device/engine/preprocess.mjs");
      return compare(await fetchBytes("/jobs"), preprocess);
    """
    with web.changed({"/jobs": pack(jobs)}):
        assert run_script(web, browser, script) == {"jobs": len(jobs), "wrong": []}


@pytest.mark.browser
@pytest.mark.parametrize("browser", SLOW_FIREFOX)
def test_decoded_files_give_pillows_pixels(web: Site, browser: str) -> None:
    """JPEG of all eight EXIF turns, with and without subsampled colour, and PNG."""
    photo = drawn(131, 90, seed=3)
    grey = photo.convert("L")
    files = {
        **{f"turn {turn}": encoded(photo, "JPEG", exif=turned(turn)) for turn in range(1, 9)},
        "4:2:0": encoded(photo, "JPEG", subsampling=2, quality=70),
        "4:2:2": encoded(photo, "JPEG", subsampling=1, quality=70),
        "4:4:4": encoded(photo, "JPEG", subsampling=0, quality=95),
        "progressive": encoded(photo, "JPEG", progressive=True),
        "grey": encoded(grey, "JPEG"),
        "png": encoded(photo, "PNG"),
        "grey png": encoded(grey, "PNG"),
        "palette png": encoded(photo.quantize(64), "PNG"),
        "turned png": encoded(photo, "PNG", exif=turned(6)),
    }
    crop = PreprocessConfig(resize=(64, 48), interpolation="bicubic")
    pad = PreprocessConfig(resize=(64, 64), method="pad", crop=(60, 60))
    greyscale = PreprocessConfig(resize=(64, 48), greyscale=True)
    script = """
      const { decode } = await import("/device/engine/photo.mjs");
      const { preprocess } = await import("/device/engine/preprocess.mjs");
      const { names, recipes, limits } = await (await fetch("/jobs.json")).json();
      const wrong = [];
      for (const name of names) {
        for (const [number, recipe] of recipes.entries()) {
          const file = new Blob([await fetchBytes(`/files/${name}`)]);
          const image = await decode(file, recipe, limits);
          const pixels = await preprocess(image, recipe, {isFitted: true});
          const expected = await fetchBytes(`/pixels/${name}/${number}`);
          const differing = expected.filter((value, place) => value !== pixels[place]).length;
          if (differing || pixels.length !== expected.length) wrong.push(`${name}: ${differing}`);
        }
      }
      return wrong;
    """
    recipes = [crop, pad, greyscale]
    served: dict[str, bytes | None] = {
        "/jobs.json": json.dumps(
            {
                "names": [name.replace(" ", "_").replace(":", "") for name in files],
                "recipes": [recipe.model_dump(mode="json") for recipe in recipes],
                "limits": {"bytes": 2**20, "pixels": 1e6, "side": 16},
            }
        ).encode()
    }
    for name, data in files.items():
        path = name.replace(" ", "_").replace(":", "")
        served[f"/files/{path}"] = data
        for number, recipe in enumerate(recipes):
            pixels = preprocess(read(data, resize=2**16).image, recipe)
            served[f"/pixels/{path}/{number}"] = pixels.tobytes()
    with web.changed(served):
        assert run_script(web, browser, script) == []
