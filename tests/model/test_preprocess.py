"""Preprocessing: the same pixels as fastai's, one by one."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.preprocess import PreprocessConfig, preprocess
from tests.photos import drawn

SIZES = [
    (256, 256),
    (300, 200),
    (200, 300),
    (257, 255),
    (31, 47),
    (640, 97),
    (97, 640),
    (33, 33),
    (1001, 3),
    (3, 1001),
    (2, 2),
    (5, 1),
    (1, 1),
]
RECIPES = [
    PreprocessConfig(resize=(64, 64), method="crop", interpolation="bicubic", crop=(56, 56)),
    PreprocessConfig(resize=(64, 64), method="crop"),
    PreprocessConfig(resize=(48, 80), method="crop", crop=(40, 64)),
    PreprocessConfig(resize=(65, 43), method="crop", crop=(33, 22)),
    PreprocessConfig(resize=(64, 64), method="pad", padding="zeros"),
    PreprocessConfig(resize=(64, 64), method="pad", padding="border", crop=(50, 51)),
    PreprocessConfig(resize=(64, 48), method="pad", padding="reflection"),
    PreprocessConfig(resize=(64, 64), method="squish", interpolation="lanczos"),
    PreprocessConfig(resize=(40, 72), method="squish", interpolation="nearest", crop=(32, 32)),
]


def named(recipe: PreprocessConfig) -> str:
    return f"{recipe.method}-{recipe.padding}-{recipe.resize}-{recipe.crop}".replace(" ", "")


def by_fastai(image: Image.Image, recipe: PreprocessConfig) -> Any:
    """Return the result of fastai's own pipeline at validation, as ``Learner.predict`` runs it."""
    from fastai.vision.all import PILImage, Pipeline

    from model.learner.rebuild import item_transforms

    pipeline = Pipeline(item_transforms(recipe), split_idx=1)
    return np.asarray(pipeline(PILImage.create(np.asarray(image))))


@pytest.mark.torch
@pytest.mark.parametrize("recipe", RECIPES, ids=named)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pixels_equal_fastais_formulas(recipe: PreprocessConfig, size: tuple[int, int]) -> None:
    image = drawn(*size)
    found = preprocess(image, recipe)
    assert found.shape == (*recipe.size, 3)
    assert found.dtype == np.uint8
    high, wide = recipe.resize
    scale = min(size[0] / wide, size[1] / high)
    if recipe.method == "crop" and min(int(scale * wide), int(scale * high)) == 0:
        # fastai rounds such a crop down to nothing and answers for black.
        assert np.ptp(found) > 0 or size == (1, 1)
        return
    np.testing.assert_array_equal(found, by_fastai(image, recipe))


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
@pytest.mark.parametrize("size", [(1, 1), (1, 200), (200, 1), (2, 333)], ids=str)
def test_photo_of_one_pixel_is_preprocessed(
    recipe: PreprocessConfig, size: tuple[int, int]
) -> None:
    image = Image.new("RGB", size, (10, 200, 30))
    found = preprocess(image, recipe)
    assert found.shape == (*recipe.size, 3)
    if recipe.padding != "zeros":
        assert {tuple(pixel) for pixel in found.reshape(-1, 3).tolist()} == {(10, 200, 30)}


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
def test_colours_are_converted_before_the_photo_is_resized(recipe: PreprocessConfig) -> None:
    greyscale = recipe.model_copy(update={"greyscale": True})
    for size in SIZES:
        found = preprocess(drawn(*size), greyscale)
        converted = drawn(*size).convert("L").convert("RGB")
        np.testing.assert_array_equal(found, preprocess(converted, recipe))
        assert found.shape == (*recipe.size, 3)


def test_config_names_greyscale_only_where_it_is_set() -> None:
    """Else the built-in models, when built again, would get other versions."""
    colour = PreprocessConfig(resize=(64, 64))
    greyscale = PreprocessConfig(resize=(64, 64), greyscale=True)
    assert "greyscale" not in colour.model_dump(mode="json")
    assert PreprocessConfig.model_validate(greyscale.model_dump(mode="json")) == greyscale


def test_photo_is_not_modified() -> None:
    image = drawn(120, 80)
    before = image.tobytes()
    for recipe in RECIPES:
        preprocess(image, recipe)
        preprocess(image, recipe.model_copy(update={"greyscale": True}))
    assert (image.size, image.tobytes()) == ((120, 80), before)


def test_crop_beyond_the_edges_is_black() -> None:
    recipe = PreprocessConfig(resize=(32, 32), crop=(40, 40))
    found = preprocess(Image.new("RGB", (50, 50), "white"), recipe)
    assert found.shape == (40, 40, 3)
    assert (found[4:36, 4:36] == 255).all()
    assert found[:4].max() == 0


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_padding_a_long_photo_needs_bounded_memory(padding: str) -> None:
    """At 65,535 × 700 pixels, which are read, its square would be 12 GB."""
    image = Image.new("RGB", (6000, 60))
    recipe = PreprocessConfig.model_validate(
        {"resize": (64, 64), "method": "pad", "padding": padding}
    )
    tracemalloc.start()
    try:
        preprocess(image, recipe)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * image.width * image.height * 3
