"""A network whose class travels as code: read for real only with trust."""

from pathlib import Path
from typing import Any

import pytest

from model.errors import ExportRefused
from tests.model.importing.learners import loaders, pictures

pytestmark = pytest.mark.torch


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export whose network's class is compiled into it."""
    from fastai.vision.all import CrossEntropyLossFlat, Learner, Resize, nn

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(3, 2)

        def forward(self, images: Any) -> Any:
            return self.head(self.pool(images).flatten(1)) * 3

    Own.__module__ = "__main__"
    data = loaders(pictures(tmp_path / "photos"), Resize(64))
    learner = Learner(data, Own(), loss_func=CrossEntropyLossFlat())
    learner.export(tmp_path / "export.pkl")
    return tmp_path / "export.pkl"


def restored(path: Path, *, trust: bool) -> Any:
    from model.importing.convert.restored_learner import restore_learner

    return restore_learner(path, trust=trust).model


def test_own_network_is_refused_without_trust(export: Path) -> None:
    with pytest.raises(ExportRefused, match="made of __main__.Own"):
        restored(export, trust=False)


def test_own_network_runs_with_trust(export: Path) -> None:
    import torch

    model = restored(export, trust=True)
    assert type(model).__name__ == "Own"
    images = torch.rand(2, 3, 64, 64)
    expected = model.head(images.mean((2, 3))) * 3
    torch.testing.assert_close(model(images), expected)
