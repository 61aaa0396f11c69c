"""``device/engine/photo_file.mjs``: large JPEGs are scaled down as Pillow's decoder does."""

import io
import json
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.photo import MAX_BYTES, MAX_PIXELS, read
from model.photo.prepared import parse_orientation
from model.preprocess import NO_DOWNSCALE, PreprocessConfig, fit_aspect
from model.samples import samples
from tests.device.node import run_node
from tests.device.site import SLOW_FIREFOX, Site, run_script
from tests.photos import encoded, turned

SCRIPT = """
  const { scaleDown, scaleFactor } = await load("engine/photo_file.mjs");
  const { jpegHeader } = await load("engine/photo_file.mjs");
  const { recipe, sizes, image, photo } = given;
  const factors = sizes.map(([width, height]) => scaleFactor({ width, height }, recipe));
  const data = Uint8ClampedArray.from(image?.data ?? []);
  const pixels = image && scaleDown({ ...image, data }, image.factor, image.missing);
  return {
    orientation: photo && jpegHeader(Uint8Array.from(photo)).orientation,
    factors, pixels: pixels && { ...pixels, data: Array.from(pixels.data) },
  };
"""


def run(values: dict[str, Any]) -> Any:
    return run_node(SCRIPT, values)


def scaled(image: Image.Image, factor: int, missing: tuple[int, int] = (0, 0)) -> np.ndarray:
    array = np.asarray(image.convert("RGBA"))
    values = {"data": array.ravel().tolist(), "width": image.width, "height": image.height}
    recipe = PreprocessConfig(resize=(64, 64)).model_dump(mode="json")
    given = {
        "recipe": recipe,
        "sizes": [],
        "image": {**values, "factor": factor, "missing": missing},
    }
    pixels = run(given)["pixels"]
    shape = (pixels["height"], pixels["width"], 4)
    return np.array(pixels["data"], np.uint8).reshape(shape)[..., :3]


@pytest.mark.parametrize("decoding", ["scaled", "whole"])
def test_factor_equals_the_decoders(decoding: Any) -> None:
    recipe = PreprocessConfig(resize=(48, 64), decoding=decoding)
    sides = [100, 127, 128, 255, 256, 257, 300, 511, 512, 513, 1023, 1024, 1500]
    sizes = [(width, height) for width in sides for height in (128, 256, 700, 1024)]
    factors = run({"recipe": recipe.model_dump(mode="json"), "sizes": sizes, "image": None})
    for (width, height), factor in zip(sizes, factors["factors"], strict=True):
        data = encoded(Image.new("RGB", (width, height)))
        decoded = read(data, resize=recipe.min_decode_size).image
        assert decoded.size == (-(-width // factor), -(-height // factor))


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("size", [(320, 240), (321, 243)])
def test_pixels_are_close_to_the_decoders(factor: int, size: tuple[int, int]) -> None:
    photo = next(sample for sample in samples() if sample.name == "coffee").open().convert("RGB")
    data = encoded(photo.resize(size), quality=90)
    whole = read(data, resize=NO_DOWNSCALE).image
    decoder = Image.open(io.BytesIO(data))
    decoder.draft(None, (size[0] // factor, size[1] // factor))
    expected = np.asarray(decoder.convert("RGB")).astype(int)
    given = scaled(whole, factor)
    assert given.shape == expected.shape
    # The last row and column have pixels that the decoder knows and the browser doesn't.
    inner = np.s_[: size[1] // factor, : size[0] // factor]
    difference = given[inner].astype(int) - expected[inner]
    # Colours of small details differ most: the decoder has them at full size.
    assert np.abs(difference).mean() < 1
    assert abs(difference.mean()) < 0.1


@pytest.mark.parametrize("missing", [(0, 0), (1, 0), (0, 3), (3, 1)])
def test_blocks_at_the_edges_are_means_of_the_pixels_there(missing: tuple[int, int]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (23, 30, 3), dtype=np.uint8)
    rows, columns = (
        np.maximum(0, np.arange(0, side + lacking, 4) - lacking)
        for side, lacking in zip((23, 30), missing[::-1], strict=True)
    )
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(int), rows), columns, axis=1)
    sizes = np.outer(np.diff(rows, append=23), np.diff(columns, append=30))
    given = scaled(Image.fromarray(pixels), 4, missing)
    np.testing.assert_array_equal(given, np.rint(sums / sizes[..., None]))


def exif(order: str, *, turn: int, kind: int = 3, start: int = 8) -> bytes:
    """An EXIF block that holds an orientation."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return (
        b"Exif\0\0" + mark + struct.pack(f"{order}IHHHIHHI", start, 1, 0x0112, kind, 1, turn, 0, 0)
    )


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        *((exif(order, turn=turn), turn) for order in "<>" for turn in range(1, 9)),
        (exif("<", turn=9), 1),
        (exif("<", turn=6, kind=4), 1),
        (exif("<", turn=6, start=2**31), 1),
        (b"Exif\0\0II", 1),
        (b"", 1),
    ],
)
def test_orientation_is_read_as_by_the_server(block: bytes, expected: int) -> None:
    photo = encoded(Image.new("RGB", (64, 48)), exif=block)
    recipe = PreprocessConfig(resize=(64, 64)).model_dump(mode="json")
    assert run({"recipe": recipe, "sizes": [], "photo": list(photo)})["orientation"] == expected
    assert parse_orientation(block[6:]) == expected


DECODE = """
  const { decode } = await import("/device/engine/photo.mjs");
  const { count, recipe, limits } = await (await fetch("/jobs.json")).json();
  const results = [];
  for (let file = 0; file < count; file++) {
    const photo = new Blob([await fetchBytes(`/file/${file}`)]);
    const { data, width, height } = await decode(photo, recipe, limits);
    const expected = await fetchBytes(`/pixels/${file}`);
    const total = expected.reduce((sum, value, place) => sum + Math.abs(value - data[place]), 0);
    results.push([width, height, data.length, total / expected.length]);
  }
  return results;
"""


def serve(
    files: list[bytes], recipe: PreprocessConfig
) -> tuple[list[tuple[int, int]], dict[str, bytes | None]]:
    """Return the sizes that ``DECODE`` should give, and what it fetches."""
    limits = {"bytes": MAX_BYTES, "pixels": MAX_PIXELS, "side": 16}
    jobs = {"count": len(files), "recipe": recipe.model_dump(mode="json"), "limits": limits}
    sizes = []
    served: dict[str, bytes | None] = {"/jobs.json": json.dumps(jobs).encode()}
    for number, data in enumerate(files):
        image = read(data, resize=recipe.min_decode_size).image
        if recipe.method == "crop":
            image = fit_aspect(image, recipe)
        sizes.append(image.size)
        served[f"/file/{number}"] = data
        served[f"/pixels/{number}"] = image.convert("RGBA").tobytes()
    return sizes, served


@pytest.mark.browser
@pytest.mark.parametrize("method", ["crop", "squish"])
def test_photos_are_scaled_as_on_the_server(web: Site, method: Any) -> None:
    recipe = PreprocessConfig(resize=(48, 48), method=method)
    coffee = next(sample for sample in samples() if sample.name == "coffee").open().convert("RGB")
    odd, coffee = coffee.resize((483, 325)), coffee.resize((484, 326))
    files = [
        encoded(coffee, "PNG"),
        encoded(odd, quality=90),
        *(encoded(coffee, quality=90, exif=turned(turn)) for turn in range(1, 9)),
        encoded(coffee, quality=90, progressive=True),
        encoded(coffee, subsampling="4:4:4"),
        encoded(coffee, subsampling="4:2:2"),
        encoded(coffee.convert("L")),
    ]
    sizes, served = serve(files, recipe)
    with web.changed(served):
        given = run_script(web, "chromium", DECODE)
    for (width, height), photo in zip(sizes, given, strict=True):
        assert photo[:3] == [width, height, 4 * width * height]
        assert photo[3] < 1
    # Only JPEGs are scaled.
    assert given[0][3] == 0
    assert sizes[0][0] > 1.9 * sizes[1][0]


@pytest.mark.browser
@pytest.mark.parametrize("browser", SLOW_FIREFOX)
@pytest.mark.parametrize("method", ["crop", pytest.param("squish", marks=pytest.mark.slow)])
def test_turned_photos_lack_pixels_at_the_servers_edge(
    web: Site, method: Any, browser: str
) -> None:
    recipe = PreprocessConfig(resize=(48, 48), method=method)
    coffee = next(sample for sample in samples() if sample.name == "coffee").open().convert("L")
    # Grey, because means of RGB then differ only by rounding.
    files = [
        encoded(coffee.resize(size), quality=90, exif=turned(turn))
        for size in ((483, 325), (387, 511))
        for turn in range(1, 9)
    ]
    sizes, served = serve(files, recipe)
    with web.changed(served):
        given = run_script(web, browser, DECODE)
    for (width, height), photo in zip(sizes, given, strict=True):
        assert photo[:2] == [width, height]
        assert photo[3] < 0.15
