"""Learners rebuilt from an export return the probabilities of fastai's ``learn.predict``."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.errors import ExportRefused
from model.preprocess import preprocess
from tests.model.importing.learners import (
    loaders,
    predict,
    read_back,
    restore,
    sensitive_learner,
    tiny_learner,
)

pytestmark = pytest.mark.torch


def answers_of_graph(restored: Any, photo: Path) -> Any:
    """Return the inference module's output for a photo's pixels."""
    import torch

    from model.learner.inference_module import InferenceModule

    report = restored.report()
    pixels = preprocess(Image.open(photo).convert("RGB"), report.recipe)
    module = InferenceModule.from_model(restored.rgb_model, report.draft()).eval()
    with torch.inference_mode():
        return module(torch.from_numpy(pixels.copy())[None])[2][0].numpy()


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_probabilities_of_greyscale_match_fastais(channels: int, folder: Path) -> None:
    from fastai.vision.all import Normalize, PILImageBW, Resize

    # Three means make three channels of one.
    means, stds = [0.5, 0.4, 0.3][:channels], [0.2, 0.3, 0.4][:channels]
    norm = Normalize.from_stats(means, stds, cuda=False)
    photos = sorted(folder.rglob("*.png"))
    data = loaders(folder, Resize(64), norm, image=PILImageBW)
    learner = sensitive_learner(data, channels, photos[0])
    restored = read_back(learner)
    assert not restored.report().learner
    expected = np.array([predict(learner, photo) for photo in photos])
    found = [answers_of_graph(restored, photo) for photo in photos]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.ptp(expected[:, 0]) > 0.05


def test_rounding_errors_of_an_idle_warp_are_not_compared(folder: Path) -> None:
    from fastai.vision.all import Resize, aug_transforms

    data = loaders(folder, Resize(224), aug_transforms())
    photo = sorted(folder.rglob("*.png"))[0]
    restored = read_back(sensitive_learner(data, 3, photo))
    pixels = preprocess(Image.open(photo).convert("RGB"), restored.report().recipe)
    (image,) = restored.pipeline.batch(photo).numpy()
    np.testing.assert_array_equal(image.transpose(1, 2, 0), pixels.astype(np.float32) / 255)


def test_network_that_fails_on_its_own_photos_is_refused_with_the_reason(folder: Path) -> None:
    from fastai.vision.all import Learner, Resize
    from torch import nn

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(100, 2))
    learner = Learner(loaders(folder, Resize(64)), network, nn.CrossEntropyLoss())
    with pytest.raises(
        ExportRefused, match=r"^Its network can't take photos of 64 × 64: .*learn\.predict"
    ):
        read_back(learner)


def test_network_embedded_in_the_file_runs_only_with_trust(folder: Path, tmp_path: Path) -> None:
    import torch
    from fastai.vision.all import Resize
    from torch import nn

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(3, 2)

        def forward(self, images: Any) -> Any:
            return self.head(self.pool(images).flatten(1)) * 3

    # Seen as of a notebook, so that its code is written into the file.
    Own.__module__ = "__main__"
    path = tmp_path / "export.pkl"
    tiny_learner(loaders(folder, Resize(64)), Own()).export(path)
    with pytest.raises(ExportRefused, match=r"made of __main__\.Own"):
        restore(path)
    model = restore(path, trust=True).model
    assert type(model).__name__ == "Own"
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(model(images), model.head(images.mean((2, 3))) * 3)
