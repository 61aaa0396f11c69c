"""Recipes read from learners reproduce the batches of fastai's own pipeline exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.errors import ExportRefused
from model.preprocess import Pixels, PreprocessConfig, preprocess
from tests.model.importing.learners import loaders, read_back, tiny_learner

pytestmark = pytest.mark.torch

STATS = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def by_fastai(data: Any, path: Path) -> Any:
    """The batch of one photo that ``learn.predict`` would hand to the network."""
    loader = data.test_dl([path], num_workers=0)
    return np.asarray(next(iter(loader))[0])


def read_back_pipeline(data: Any) -> Any:
    """Export a learner of the data, and read its preprocessing without running anything."""
    return read_back(tiny_learner(data)).pipeline


def images_of(pixels: Pixels) -> Any:
    """Return float32 [1, 3, height, width], from 0 to 255."""
    import torch

    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()


def by_loupe(steps: Any, path: Path) -> Any:
    import torch

    from model.learner.inference_module import Scale

    images = images_of(preprocess(Image.open(path).convert("RGB"), steps.recipe)) / 255
    if steps.recipe.graph_size:
        images = Scale.from_sizes(steps.recipe.size, steps.recipe.graph_size)(images)
    mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in (steps.mean, steps.std))
    return np.asarray((images - mean) / std)


def cases() -> dict[str, Any]:
    """Item transforms, batch transforms, and the recipe that is expected."""
    import fastai.vision.all as fastai

    resize, squish, pad = fastai.Resize(64), fastai.ResizeMethod.Squish, fastai.ResizeMethod.Pad
    after = fastai.CropPad(40)
    after.order = 2
    bicubic = fastai.Resize(64, resamples=(Image.Resampling.BICUBIC, Image.Resampling.NEAREST))
    norm = fastai.Normalize.from_stats(*STATS, cuda=False)
    small = {"resize": (64, 64), "padding": "reflection"}
    zeros, border, reflection = (
        fastai.Resize(64, pad, pad_mode=mode) for mode in ("zeros", "border", "reflection")
    )
    presized = [*fastai.aug_transforms(size=40, min_scale=0.75), norm]
    cropped = fastai.RandomResizedCrop((48, 64), val_xtra=0)
    return {
        "crop": (resize, None, small),
        "oblong": (fastai.Resize((48, 72)), norm, {**small, "resize": (48, 72)}),
        "bicubic": (bicubic, norm, {**small, "interpolation": "bicubic"}),
        "squish": (fastai.Resize(64, squish), None, {**small, "method": "squish"}),
        "pad-zeros": (zeros, None, {**small, "method": "pad", "padding": "zeros"}),
        "pad-border": (border, norm, {**small, "method": "pad", "padding": "border"}),
        "pad-reflection": (reflection, None, {**small, "method": "pad"}),
        "random-crop": ([resize, fastai.RandomCrop(48)], None, {**small, "crop": (48, 48)}),
        "crop-pad": ([fastai.Resize(32), after], None, {"resize": (32, 32), "crop": (40, 40)}),
        "random-resized": (
            fastai.RandomResizedCrop(64, min_scale=0.5),
            norm,
            {"resize": (80, 80), "method": "squish", "crop": (64, 64)},
        ),
        "random-resized-all": (cropped, None, {"resize": (48, 64), "method": "squish"}),
        "augmented": (resize, [*fastai.aug_transforms(), norm], small),
        "augmented-size": (resize, fastai.aug_transforms(size=48), {**small, "inside": (48, 48)}),
        "augmented-halved": (
            fastai.Resize(97),
            fastai.aug_transforms(size=(24, 32)),
            {"inside": (24, 32)},
        ),
        "presized": (fastai.Resize(100), presized, {"resize": (100, 100), "inside": (40, 40)}),
        "larger": (fastai.Resize(32), fastai.aug_transforms(size=48), {"inside": (48, 48)}),
        "erasing": (resize, [fastai.RandomErasing(p=1.0), norm], small),
        "idle": (resize, fastai.Flip(size=64, align_corners=False), {**small, "inside": None}),
        "zeros": (resize, fastai.Rotate(size=48, pad_mode="zeros"), {"inside": (48, 48)}),
    }


@pytest.mark.parametrize("number", range(19))
def test_recipe_reproduces_fastais_batches(folder: Path, number: int) -> None:
    items, batches, expected = [*cases().values()][number]
    data = loaders(folder, items, batches)
    steps = read_back_pipeline(data)
    recipe = steps.recipe.model_dump()
    assert {key: recipe[key] for key in expected} == expected
    for path in sorted(folder.rglob("*.png")):
        np.testing.assert_allclose(by_loupe(steps, path), by_fastai(data, path), atol=1e-4)


def test_unusual_scaling_is_refused_with_a_remedy(folder: Path) -> None:
    from fastai.vision.all import Flip, RandomResizedCrop, RandomResizedCropGPU, Resize

    for items, batches in (
        (Resize(64), Flip(size=48, align_corners=False)),
        (Resize(64), Flip(size=24, mode="nearest")),
        (Resize((64, 96)), RandomResizedCropGPU(32, ratio=(1, 1))),
        (Resize(64), RandomResizedCropGPU(32, valid_scale=0.8)),
        (Resize(64), [RandomResizedCropGPU(40), Flip(size=32)]),
    ):
        refused(loaders(folder, items, batches), r"one resize.*aug_transforms\(size=")
    for items in (Resize(96), RandomResizedCrop(96)):
        data = loaders(folder, items)
        # fastai keeps the last of two transforms of one class in item_tfms.
        data.valid.after_item.add(Resize(64))
        refused(data, r"resized twice.*aug_transforms\(size=")


def test_greyscale_conversion_matches_fastai_in_the_recipe_and_in_the_graph(folder: Path) -> None:
    """Other programs resize pixels in colour, which rounds three channels."""
    from fastai.vision.all import Normalize, PILImageBW, Resize

    from model.learner.inference_module import Greyscale

    norm = Normalize.from_stats([0.2], [0.4], cuda=False)
    data = loaders(folder, Resize(64), norm, image=PILImageBW)
    steps = read_back_pipeline(data)
    assert steps.recipe == PreprocessConfig(resize=(64, 64), greyscale=True)
    coloured = steps.recipe.model_copy(update={"greyscale": False})
    for path in sorted(folder.rglob("*.png")):
        expected = by_fastai(data, path)
        assert expected.shape == (1, 1, 64, 64)
        np.testing.assert_allclose(by_loupe(steps, path), expected.repeat(3, 1), atol=1e-5)
        image = Image.open(path).convert("RGB")
        before, after = (images_of(preprocess(image, one)) for one in (steps.recipe, coloured))
        np.testing.assert_array_equal(Greyscale()(before), before)
        found = np.asarray(Greyscale()(after))
        np.testing.assert_allclose(found, before, atol=2)
        assert float(np.abs(found - np.asarray(before)).mean()) < 0.6


@pytest.mark.parametrize("name", ["two", "measured"])
def test_statistics_are_folded_into_one_normalisation(folder: Path, name: str) -> None:
    from fastai.vision.all import IntToFloatTensor, Normalize, Resize

    two = [
        Normalize.from_stats([0.5, 0.4, 0.3], [0.2, 0.3, 0.4], cuda=False),
        Normalize.from_stats([0.1, 0.2, 0.3], [1.5, 2.0, 0.5], cuda=False),
    ]
    data = loaders(folder, Resize(64), two if name == "two" else Normalize())
    for transform in data.valid.after_batch.fs:
        if type(transform) is IntToFloatTensor and name == "two":
            transform.div = 128.0
    steps = read_back_pipeline(data)
    assert steps.mean != (0.0, 0.0, 0.0)
    path = next(folder.rglob("*.png"))
    np.testing.assert_allclose(by_loupe(steps, path), by_fastai(data, path), atol=1e-4)


def refused(data: Any, match: str) -> None:
    with pytest.raises(ExportRefused, match=match):
        read_back_pipeline(data)


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
    steps = read_back_pipeline(loaders(folder, Resize(64), OnlyTrains()))
    assert steps.recipe == PreprocessConfig(resize=(64, 64))


def test_pipeline_without_a_resize_is_refused(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(2):
            Image.new("RGB", (32, 32)).save(tmp_path / label / f"{number}.png")
    refused(loaders(tmp_path, None), "not resized one by one")
