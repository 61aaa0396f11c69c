"""Recipes read from learners make, to the last digit, what fastai's own pipeline makes."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.errors import ExportRefused
from model.preprocess import Pixels, PreprocessConfig, preprocess
from tests.model.importing.learners import loaders, pictures, tiny_learner

pytestmark = pytest.mark.torch

STATS = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures(tmp_path_factory.mktemp("pipeline") / "photos")


def by_fastai(data: Any, path: Path) -> Any:
    """The batch of one photo that ``learn.predict`` would hand to the network."""
    loader = data.test_dl([path], num_workers=0)
    return np.asarray(next(iter(loader))[0])


def pipeline(data: Any) -> Any:
    """Export a learner of the data, and read fastai's pipeline back without running anything."""
    from model.importing.convert.fastai_pipeline import FastaiPipeline
    from model.importing.convert.network_builder import Weights
    from model.importing.inspect.container import open_export
    from model.importing.inspect.learner import read_learner

    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "export.pkl")
        tiny_learner(data).export(path)
        with open_export(path) as export:
            parts = read_learner(export.root)
            return FastaiPipeline.from_parts(parts, Weights(export.read_storage))


def images_of(pixels: Pixels) -> Any:
    """Return float32 [1, 3, height, width], from 0 to 255."""
    import torch

    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()


def by_loupe(steps: Any, path: Path) -> Any:
    import torch

    from model.learner.inference_module import Scale

    images = images_of(preprocess(Image.open(path).convert("RGB"), steps.recipe)) / 255
    scale = steps.scale
    if steps.recipe.graph_size:
        scale = Scale.from_sizes(steps.recipe.size, steps.recipe.graph_size)
    if scale is not None:
        images = scale(images)
    mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in (steps.mean, steps.std))
    return np.asarray((images - mean) / std)


def cases() -> dict[str, Any]:
    """Item transforms, batch transforms, and the recipe that is expected."""
    from fastai.vision.all import (
        CropPad,
        Flip,
        Normalize,
        PadMode,
        RandomCrop,
        RandomErasing,
        RandomResizedCrop,
        RandomResizedCropGPU,
        Resize,
        ResizeMethod,
        Rotate,
        aug_transforms,
    )

    after = CropPad(40)
    after.order = 2
    bicubic = (Image.Resampling.BICUBIC, Image.Resampling.NEAREST)
    norm = Normalize.from_stats(*STATS, cuda=False)
    small = {"resize": (64, 64), "padding": "reflection"}
    return {
        "crop": (Resize(64), None, small),
        "oblong": (Resize((48, 72)), norm, {**small, "resize": (48, 72)}),
        "bicubic": (Resize(64, resamples=bicubic), norm, {**small, "interpolation": "bicubic"}),
        "squish": (Resize(64, ResizeMethod.Squish), None, {**small, "method": "squish"}),
        "pad-zeros": (
            Resize(64, ResizeMethod.Pad, pad_mode=PadMode.Zeros),
            None,
            {**small, "method": "pad", "padding": "zeros"},
        ),
        "pad-border": (
            Resize(64, ResizeMethod.Pad, pad_mode=PadMode.Border),
            norm,
            {**small, "method": "pad", "padding": "border"},
        ),
        "pad-reflection": (
            Resize(64, ResizeMethod.Pad, pad_mode=PadMode.Reflection),
            None,
            {**small, "method": "pad"},
        ),
        "random-crop": ([Resize(64), RandomCrop(48)], None, {**small, "crop": (48, 48)}),
        "crop-pad": ([Resize(32), after], None, {"resize": (32, 32), "crop": (40, 40)}),
        "random-resized": (
            RandomResizedCrop(64, min_scale=0.5),
            norm,
            {"resize": (80, 80), "method": "squish", "crop": (64, 64)},
        ),
        "random-resized-all": (
            RandomResizedCrop((48, 64), val_xtra=0),
            None,
            {"resize": (48, 64), "method": "squish"},
        ),
        "augmented": (Resize(64), [*aug_transforms(), norm], small),
        "augmented-size": (Resize(64), aug_transforms(size=48), {**small, "inside": (48, 48)}),
        "augmented-halved": (Resize(97), aug_transforms(size=(24, 32)), {"inside": (24, 32)}),
        "presized": (
            Resize(100),
            [*aug_transforms(size=40, min_scale=0.75), norm],
            {"resize": (100, 100), "inside": (40, 40)},
        ),
        "larger": (Resize(32), aug_transforms(size=48, max_warp=0), {"inside": (48, 48)}),
        "erasing": (Resize(64), [RandomErasing(p=1.0), norm], small),
        # What the recipe cannot say is measured, and goes into the graph.
        "corners": (Resize(64), Flip(size=48, align_corners=False), {**small, "inside": None}),
        "zeros": (Resize(64), Rotate(size=48, pad_mode="zeros", align_corners=False), {}),
        "nearest": (Resize(64), Flip(size=24, mode="nearest"), {"inside": None}),
        "bicubic-batch": (Resize(64), Flip(size=48, mode="bicubic"), {"inside": None}),
        "square-of-oblong": (
            Resize((64, 96)),
            RandomResizedCropGPU(32, ratio=(1, 1)),
            {"resize": (64, 96), "inside": None},
        ),
        "part": (Resize(64), RandomResizedCropGPU(32, valid_scale=0.8), {"inside": None}),
    }


NAMES = (
    "crop oblong bicubic squish pad-zeros pad-border pad-reflection random-crop crop-pad "
    "random-resized random-resized-all augmented augmented-size augmented-halved presized larger "
    "erasing corners zeros nearest bicubic-batch square-of-oblong part"
).split()


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_makes_what_fastai_makes(folder: Path, name: str) -> None:
    from model.importing.convert.recipe import read_recipe

    assert set(NAMES) == set(cases())
    items, batches, expected = cases()[name]
    data = loaders(folder, items, batches)
    steps = read_recipe(pipeline(data))
    found = steps.recipe.model_dump()
    assert {key: found[key] for key in expected} == expected
    assert (steps.scale is not None) == (expected.get("inside", 0) is None or name == "zeros")
    for path in sorted(folder.rglob("*.png")):
        np.testing.assert_allclose(by_loupe(steps, path), by_fastai(data, path), atol=1e-4)


@pytest.mark.parametrize("name", ["resize", "random-resized"])
def test_second_resize_is_refused_with_a_remedy(folder: Path, name: str) -> None:
    from fastai.vision.all import RandomResizedCrop, Resize

    data = loaders(folder, Resize(96) if name == "resize" else RandomResizedCrop(96))
    # fastai keeps the last of two transforms of one class in item_tfms.
    data.valid.after_item.add(Resize(64))
    refused(data, r"resized twice.*aug_transforms\(size=")


def test_colours_are_taken_away_as_by_fastai(folder: Path) -> None:
    from fastai.vision.all import Normalize, PILImageBW, Resize

    from model.importing.convert.recipe import read_recipe

    norm = Normalize.from_stats([0.2], [0.4], cuda=False)
    data = loaders(folder, Resize(64), norm, image=PILImageBW)
    steps = read_recipe(pipeline(data))
    assert steps.recipe == PreprocessConfig(resize=(64, 64), greyscale=True)
    for path in sorted(folder.rglob("*.png")):
        found, expected = by_loupe(steps, path), by_fastai(data, path)
        assert expected.shape == (1, 1, 64, 64)
        np.testing.assert_allclose(found, expected.repeat(3, 1), atol=1e-5)


def test_the_graph_takes_colours_away_too(folder: Path) -> None:
    """From pixels that another program resized in colour, where three channels are rounded."""
    from fastai.vision.all import PILImageBW, Resize

    from model.importing.convert.recipe import read_recipe
    from model.learner.inference_module import Greyscale

    data = loaders(folder, Resize(64), image=PILImageBW)
    recipe = read_recipe(pipeline(data)).recipe
    coloured = recipe.model_copy(update={"greyscale": False})
    for path in sorted(folder.rglob("*.png")):
        image = Image.open(path).convert("RGB")
        before, after = (images_of(preprocess(image, one)) for one in (recipe, coloured))
        np.testing.assert_array_equal(Greyscale()(before), before)
        found = np.asarray(Greyscale()(after))
        np.testing.assert_allclose(found, before, atol=2)
        assert float(np.abs(found - np.asarray(before)).mean()) < 0.6


def test_statistics_are_folded_into_one_normalisation(folder: Path) -> None:
    from fastai.vision.all import IntToFloatTensor, Normalize, Resize

    from model.importing.convert.recipe import read_recipe

    first, second = (
        Normalize.from_stats([0.5, 0.4, 0.3], [0.2, 0.3, 0.4], cuda=False),
        Normalize.from_stats([0.1, 0.2, 0.3], [1.5, 2.0, 0.5], cuda=False),
    )
    data = loaders(folder, Resize(64), [first, second])
    for transform in data.valid.after_batch.fs:
        if type(transform) is IntToFloatTensor:
            transform.div = 128.0
    steps = read_recipe(pipeline(data))
    path = next(folder.rglob("*.png"))
    np.testing.assert_allclose(by_loupe(steps, path), by_fastai(data, path), atol=1e-4)


def test_statistics_measured_from_the_data_are_taken(folder: Path) -> None:
    from fastai.vision.all import Normalize, Resize

    from model.importing.convert.recipe import read_recipe

    data = loaders(folder, Resize(64), Normalize())
    steps = read_recipe(pipeline(data))
    assert steps.mean != (0.0, 0.0, 0.0)
    path = next(folder.rglob("*.png"))
    np.testing.assert_allclose(by_loupe(steps, path), by_fastai(data, path), atol=1e-4)


def refused(data: Any, match: str) -> None:
    from model.importing.convert.recipe import read_recipe

    with pytest.raises(ExportRefused, match=match):
        read_recipe(pipeline(data))


def test_transform_that_cannot_be_reproduced_is_named(folder: Path) -> None:
    from fastai.vision.all import CropPad, RatioResize, Resize, TensorImage, Transform

    class Darker(Transform):
        order = 40

        def encodes(self, x: TensorImage):
            return x * 0.5

    class OnlyTrains(Darker):
        split_idx = 0

    refused(
        loaders(folder, [RatioResize(64), Resize(32)]), "RatioResize gives every photo another size"
    )
    refused(loaders(folder, [CropPad(60), Resize(32)]), "CropPad at validation .first")
    refused(loaders(folder, Resize(64), Darker()), "Darker")
    refused(loaders(folder, Resize(5)), "resize.*8")
    from model.importing.convert.recipe import read_recipe

    steps = read_recipe(pipeline(loaders(folder, Resize(64), OnlyTrains())))
    assert steps.recipe == PreprocessConfig(resize=(64, 64))


def test_without_a_resize_there_is_no_size(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(2):
            Image.new("RGB", (32, 32)).save(tmp_path / label / f"{number}.png")
    refused(loaders(tmp_path, None), "not resized one by one")
