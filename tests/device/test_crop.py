"""The corners mark the part that ``model/preprocess.py`` keeps."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.preprocess import PreprocessConfig, preprocess
from tests.device.node import run_node

VALUES: dict[str, dict[str, Any]] = {
    "centre": {},
    "centre, then cropped": {"crop": (56, 56)},
    "odd margin": {"crop": (49, 41)},
    "wide": {"resize": (48, 80), "crop": (40, 72)},
    "squished": {"method": "squish"},
    "squished, then cropped": {"method": "squish", "crop": (48, 48)},
    "padded": {"method": "pad", "padding": "border"},
    "padded, then cropped": {"method": "pad", "padding": "border", "crop": (48, 48)},
}
USUAL = {"resize": (64, 64), "interpolation": "box"}
RECIPES = {
    name: PreprocessConfig.model_validate({**USUAL, **values}) for name, values in VALUES.items()
}
SIZES = [(200, 200), (250, 120), (111, 240), (255, 101)]


def in_node(script: str, *arguments: Any) -> Any:
    """Run a script that can use ``crop`` and ``arguments_``; return what it returns."""
    crop = 'const [crop, arguments_] = [await load("view/crop.mjs"), given];'
    return run_node(f"{crop} {script}", arguments)


def coordinates(width: int, height: int) -> Image.Image:
    """Return a photo whose red is the column and whose green is the row."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(width)
    pixels[..., 1] = np.arange(height)[:, None]
    return Image.fromarray(pixels)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_seen_box_is_the_part_that_preprocessing_keeps(name: str, size: tuple[int, int]) -> None:
    recipe = RECIPES[name]
    pixels = preprocess(coordinates(*size), recipe).astype(float)
    seen = in_node(
        "return crop.seenBox(...arguments_);",
        {"width": size[0], "height": size[1]},
        recipe.model_dump(mode="json"),
    )
    # Middles of the outermost pixels that show the photo; padding repeats its edges.
    for first, extent, values in (
        (seen["left"], seen["width"], pixels[recipe.size[0] // 2, :, 0]),
        (seen["top"], seen["height"], pixels[:, recipe.size[1] // 2, 1]),
    ):
        scale = np.median(np.diff(values)[np.diff(values) > 0])
        assert values.min() == pytest.approx(first + scale / 2 - 0.5, abs=scale / 2 + 0.5)
        assert values.max() == pytest.approx(first + extent - scale / 2 - 0.5, abs=scale / 2 + 0.5)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("is_mirrored", [False, True], ids=["rear", "front"])
@pytest.mark.parametrize("frame", [(1280, 960), (960, 1280), (1920, 1080), (640, 480)], ids=str)
def test_cropped_frame_has_the_part_between_the_corners(
    name: str, frame: tuple[int, int], is_mirrored: bool
) -> None:
    recipe = RECIPES[name]
    picture = {"width": 390, "height": 580}
    width = 358
    corners = {
        "left": 16,
        "top": 64,
        "width": width,
        "height": width * recipe.size[0] / recipe.size[1],
    }
    values = recipe.model_dump(mode="json")
    placed, seen = in_node(
        """
          const [frame, picture, corners, recipe, isMirrored] = arguments_;
          const placed = crop.placeFrame(frame, picture, corners, recipe, isMirrored);
          return [placed, crop.seenBox(placed.region, recipe)];
        """,
        {"width": frame[0], "height": frame[1]},
        picture,
        corners,
        values,
        is_mirrored,
    )
    scale = placed["width"] / frame[0]
    assert scale == pytest.approx(placed["height"] / frame[1])
    assert placed["left"] <= 0.01
    assert placed["top"] <= 0.01
    assert placed["left"] + placed["width"] >= picture["width"] - 0.01
    assert placed["top"] + placed["height"] >= picture["height"] - 0.01
    region = placed["region"]
    assert 0 <= region["x"] <= region["x"] + region["width"] <= frame[0]
    assert 0 <= region["y"] <= region["y"] + region["height"] <= frame[1]
    left = (region["x"] + seen["left"]) * scale
    if is_mirrored:
        left = placed["width"] - left - seen["width"] * scale
    on_screen = {
        "left": placed["left"] + left,
        "top": placed["top"] + (region["y"] + seen["top"]) * scale,
        "width": seen["width"] * scale,
        "height": seen["height"] * scale,
    }
    # Frames are cut at whole pixels.
    assert on_screen == pytest.approx(corners, abs=2 * max(scale, 1))


def test_nothing_beyond_the_recipes_margin_is_cut() -> None:
    recipe = RECIPES["centre, then cropped"].model_dump(mode="json")
    corners = {"left": 16, "top": 64, "width": 280, "height": 280}
    placed = in_node(
        "return crop.placeFrame(...arguments_);",
        {"width": 1280, "height": 960},
        {"width": 390, "height": 580},
        corners,
        recipe,
    )
    scale = placed["width"] / 1280
    assert placed["region"]["width"] * scale == pytest.approx(280 * 64 / 56, abs=1)
    assert placed["region"]["height"] * scale == pytest.approx(280 * 64 / 56, abs=1)
