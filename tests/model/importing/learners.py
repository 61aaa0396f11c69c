"""Real, tiny fastai learners on generated pictures, for tests of imports."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model import load

LEARNER_MARKS = [
    pytest.mark.torch,
    # fastai 2.8 warns like this about networks without an entry of their own.
    pytest.mark.filterwarnings("ignore:The parameter 'pretrained' is deprecated:UserWarning"),
    pytest.mark.filterwarnings("ignore:Arguments other than a weight enum:UserWarning"),
]

SIZES = ((90, 120), (120, 90), (64, 64), (130, 70))
"""Width and height of the pictures."""


def pictures(folder: Path, labels: tuple[str, ...] = ("cat", "dog")) -> Path:
    """A folder per label with a few smooth pictures of all shapes."""
    generator = np.random.default_rng(0)
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number, size in enumerate(SIZES):
            small = generator.integers(0, 256, (6, 7, 3), dtype=np.uint8)
            image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
            image.save(folder / label / f"{number}.png")
    return folder


def several(path: Path) -> Any:
    """Return several labels per photo; fastai can't parse the annotation list[str] here."""
    return [path.parent.name]


def loaders(
    folder: Path,
    items: Any,
    batches: Any = None,
    *,
    get_y: Callable[[Path], Any] | None = None,
    multilabel: bool = False,
    image: Any = None,
    target: Any = None,
) -> Any:
    """Data loaders as a user makes them."""
    from fastai.vision.all import (
        CategoryBlock,
        DataBlock,
        ImageBlock,
        MultiCategoryBlock,
        PILImage,
        RandomSplitter,
        get_image_files,
        parent_label,
    )

    labels = MultiCategoryBlock if multilabel else CategoryBlock
    return DataBlock(
        (ImageBlock(image or PILImage), target or labels),
        get_items=get_image_files,
        get_y=get_y or (several if multilabel else parent_label),
        splitter=RandomSplitter(seed=1),
        item_tfms=items,
        batch_tfms=batches,
    ).dataloaders(folder, bs=2, num_workers=0)


def vision(data: Any, arch: Any, **options: Any) -> Any:
    """``vision_learner`` with random weights."""
    import torch
    from fastai.vision.all import vision_learner

    torch.manual_seed(0)
    options = {"pretrained": False, "normalize": False, **options}
    learner = vision_learner(data, arch, **options)
    # Untrained batch norms would hide mistakes.
    for name, part in learner.model.named_buffers():
        if "running" in name:
            part.copy_(torch.rand_like(part) + 0.5)
    learner.model.eval()
    return learner


def tiny_learner(data: Any, network: Any = None, **options: Any) -> Any:
    """Return a learner of two labels with a tiny network, or the one given."""
    from fastai.vision.all import CrossEntropyLossFlat, Learner, nn

    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)
    return Learner(
        data, network or nn.Sequential(*pooled), **{"loss_func": CrossEntropyLossFlat(), **options}
    )


def sensitive_learner(data: Any, channels: int, photo: Path, gain: float = 10) -> Any:
    """Return a network with equal probabilities for ``photo``, which reacts to small changes."""
    import torch
    from fastai.vision.all import CrossEntropyLossFlat, Learner
    from torch import nn

    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(channels, 8, 5, stride=3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    last = nn.Linear(8, len(data.vocab))
    network = nn.Sequential(body, nn.Sequential(nn.Flatten(), last)).eval()
    (images,) = next(iter(data.test_dl([photo], num_workers=0)))
    with torch.inference_mode():
        last.weight.mul_(gain)
        last.bias.sub_(network(torch.Tensor(images))[0])
        # No ties, which rounding would decide.
        last.bias.add_(torch.arange(len(data.vocab)) / 4)
    return Learner(data, network, loss_func=CrossEntropyLossFlat())


def predict(learner: Any, photo: Path | NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return fastai's probabilities for a photo or its pixels, float32 [labels]."""
    with learner.no_bar(), learner.no_logging():
        return np.asarray(learner.predict(photo)[2])


def assert_engines_agree(name: str, learner: Any, photo: Path) -> None:
    """Check that both engines of an imported model return the learner's probabilities."""
    expected = predict(learner, photo)
    for engine in ("compiled", "learner"):
        probabilities = load(name, engine).identify(photo).probabilities
        np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def restore(path: Path, settings: Any = None, *, trust: bool = False) -> Any:
    """Rebuild a learner from its export, or from weights and their settings."""
    from model.importing.convert.restored_learner import restore_learner

    return restore_learner(path, settings, trust=trust)


def read_back(learner: Any) -> Any:
    """Export a learner, and rebuild it from the file."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "export.pkl")
        learner.export(path)
        return restore(path)
