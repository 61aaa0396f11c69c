"""``device/engine/photo_file.mjs``: large JPEGs are scaled down as Pillow's decoder does."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.photo import read
from model.photo.prepared import parse_orientation
from model.preprocess import NO_DOWNSCALE, PreprocessConfig
from model.samples import samples
from tests.device.node import run_node
from tests.device.site import SLOW_FIREFOX, Site, run_script
from tests.device.vectors import DECODE, files_to_decode
from tests.photos import encoded, turned

COFFEE = next(sample for sample in samples() if sample.name == "coffee")


def in_node(script: str, given: Any) -> Any:
    return run_node(f'const module = await load("engine/photo_file.mjs"); {script}', given)


def scaled(image: Image.Image, factor: int, missing: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Return the RGB means of blocks, [height, width, 3]."""
    script = """
      const [data, width, height, ...rest] = given;
      const pixels = module.scaleDown({ data, width, height }, ...rest);
      return [pixels.height, pixels.width, Array.from(pixels.data)];
    """
    data = np.asarray(image.convert("RGBA")).ravel().tolist()
    height, width, pixels = in_node(script, [data, *image.size, factor, missing])
    return np.array(pixels, np.uint8).reshape(height, width, 4)[..., :3]


@pytest.mark.parametrize("decoding", ["scaled", "whole"])
def test_factor_equals_the_decoders(decoding: Any) -> None:
    recipe = PreprocessConfig(resize=(48, 64), decoding=decoding)
    sides = [100, 127, 128, 255, 256, 257, 300, 511, 512, 513, 1023, 1024, 1500]
    sizes = [(width, height) for width in sides for height in (128, 256, 700, 1024)]
    script = (
        "return given[0].map(([width, height]) => module.scaleFactor({ width, height }, given[1]));"
    )
    factors = in_node(script, [sizes, recipe.model_dump(mode="json")])
    for (width, height), factor in zip(sizes, factors, strict=True):
        data = encoded(Image.new("RGB", (width, height)))
        decoded = read(data, resize=recipe.min_decode_size).image
        assert decoded.size == (-(-width // factor), -(-height // factor))


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("size", [(320, 240), (321, 243)])
def test_pixels_are_close_to_the_decoders(factor: int, size: tuple[int, int]) -> None:
    photo = COFFEE.open().convert("RGB")
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
    script = "return module.jpegHeader(Uint8Array.from(given)).orientation;"
    assert in_node(script, list(photo)) == expected
    assert parse_orientation(block[6:]) == expected


RECIPES = {
    name: PreprocessConfig.model_validate({"resize": (48, 48), "method": name})
    for name in ("crop", "squish")
}


def decoded(web: Site, browser: str, files: list[bytes], method: str) -> list[dict[str, Any]]:
    """Return how a browser decodes photos, all of the size that the server makes them."""
    sizes, served = files_to_decode(files, RECIPES[method])
    with web.changed(served):
        results: list[dict[str, Any]] = run_script(web, browser, DECODE)
    assert [(*one["size"], one["isWhole"]) for one in results] == [(*size, True) for size in sizes]
    return results


@pytest.mark.browser
@pytest.mark.parametrize("method", RECIPES)
def test_photos_are_scaled_as_on_the_server(web: Site, method: str) -> None:
    coffee = COFFEE.open().convert("RGB")
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
    png, jpeg, *others = decoded(web, "chromium", files, method)
    assert all(photo["mean"] < 1 for photo in (jpeg, *others))
    # Only JPEGs are scaled.
    assert png["mean"] == 0
    assert png["size"][0] > 1.9 * jpeg["size"][0]


@pytest.mark.browser
@pytest.mark.parametrize("browser", SLOW_FIREFOX)
@pytest.mark.parametrize("method", ["crop", pytest.param("squish", marks=pytest.mark.slow)])
def test_turned_photos_lack_pixels_at_the_servers_edge(
    web: Site, method: str, browser: str
) -> None:
    coffee = COFFEE.open().convert("L")
    # Grey, because means of RGB then differ only by rounding.
    files = [
        encoded(coffee.resize(size), quality=90, exif=turned(turn))
        for size in ((483, 325), (387, 511))
        for turn in range(1, 9)
    ]
    assert all(photo["mean"] < 0.15 for photo in decoded(web, browser, files, method))
