"""Labels and loss functions, read off real exports."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.errors import ExportRefused
from model.importing.inspect.container import open_export
from model.importing.inspect.inspection import inspect_file
from model.importing.inspect.learner_parts import LearnerParts, read_labels, read_learner
from model.importing.inspect.placeholders import PlaceholderType
from tests.model.command import run
from tests.model.importing.learners import loaders, tiny_learner

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def data(folder: Path) -> Any:
    from fastai.vision.all import Resize

    return loaders(folder, Resize(64))


def parts(data: Any, tmp_path: Path, loss: Any = None, vocab: Any = None) -> LearnerParts:
    """Export a learner with another loss or vocabulary, and read it."""
    learner = tiny_learner(data, **({"loss_func": loss} if loss else {}))
    categorize = data.tls[1].tfms.fs[-1]
    usual = categorize.vocab
    if vocab is not None:
        categorize.vocab = vocab
    try:
        learner.export(tmp_path / "export.pkl")
    finally:
        categorize.vocab = usual
    with open_export(tmp_path / "export.pkl") as export:
        return read_learner(export.root)


@pytest.mark.parametrize(
    ("vocab", "match"),
    [
        (["a", None], "One of its labels is 'None'"),
        (["a", float("nan")], "'nan'"),
        (["a", ""], "''"),
        (["a", "b" * 201], "'bbbb"),
        (["a", "b\x1b[2J"], r"'b\\x1b\[2J'"),
        (["a", "b\u202e"], r"'b\\u202e'"),
        (["a", "b\ud800"], r"'b\\ud800'"),
        ([1, "1"], "read the same: '1'"),
        (["café", "cafe\u0301"], "read the same: 'café'"),
        (["cat", "dog\u200b"], "other invisible ones"),
        ([], "empty"),
        ([["a", "b"], ["c"]], "several targets"),
    ],
    ids=str,
)
def test_labels_that_cannot_be_shown_are_refused(
    data: Any, tmp_path: Path, vocab: list[Any], match: str
) -> None:
    with pytest.raises(ExportRefused, match=match):
        parts(data, tmp_path, vocab=vocab)


def test_labels_of_any_type_become_text(data: Any, tmp_path: Path) -> None:
    import pandas as pd
    from fastai.vision.all import CategoryMap, L

    for vocab, labels in (
        ([3, 1.5, True], ("3", "1.5", "True")),
        (L("b", "a"), ("b", "a")),
        (CategoryMap(pd.Series(["y", "x"])), ("x", "y")),
        (np.array(["größe", "b"]), ("größe", "b")),
        (np.array(["b", "a"], dtype=object), ("b", "a")),
        ([np.int64(7), np.str_("x")], ("7", "x")),
    ):
        assert parts(data, tmp_path, vocab=vocab).labels == labels


def test_loss_determines_activation_and_threshold(data: Any, tmp_path: Path) -> None:
    from fastai.vision.all import (
        BCEWithLogitsLossFlat,
        FocalLossFlat,
        LabelSmoothingCrossEntropy,
        LabelSmoothingCrossEntropyFlat,
        MSELossFlat,
        nn,
        torch,
    )

    for loss, expected in (
        (FocalLossFlat(), ("softmax", 0.5)),
        (LabelSmoothingCrossEntropy(), ("softmax", 0.5)),
        (LabelSmoothingCrossEntropyFlat(), ("softmax", 0.5)),
        (nn.CrossEntropyLoss(), ("softmax", 0.5)),
        (nn.functional.cross_entropy, ("softmax", 0.5)),
        (nn.BCEWithLogitsLoss(), ("sigmoid", 0.5)),
        (nn.functional.binary_cross_entropy_with_logits, ("sigmoid", 0.5)),
        (BCEWithLogitsLossFlat(thresh=0.3), ("sigmoid", 0.3)),
        (BCEWithLogitsLossFlat(thresh=np.float64(0.3)), ("sigmoid", 0.3)),
    ):
        read = parts(data, tmp_path, loss)
        assert (read.loss, read.threshold) == expected
    for threshold in (0, 1, -0.5, math.nan, None, True, torch.tensor(0.5)):
        with pytest.raises(ExportRefused, match="has the threshold"):
            parts(data, tmp_path, BCEWithLogitsLossFlat(thresh=threshold))
    with pytest.raises(ExportRefused, match="MSE"):
        parts(data, tmp_path, MSELossFlat())


def test_list_of_labels_that_contains_itself_is_refused() -> None:
    categorize = PlaceholderType.of("fastai.data.transforms", "Categorize")()
    loop = PlaceholderType.of("fastcore.foundation", "L")()
    loop.state = {"items": loop}
    categorize.state = {"vocab": loop}
    with pytest.raises(ExportRefused, match="nested too deeply"):
        read_labels([categorize])


def test_labels_may_be_markup(data: Any, tmp_path: Path) -> None:
    labels = ("<script>alert(1)</script>", "[red]cat[/red]", "{{ 7 * 7 }}", "$(touch marker)")
    assert parts(data, tmp_path, vocab=list(labels)).labels == labels
    result = run("doctor", tmp_path / "export.pkl")
    assert all(label in " ".join(result.stdout.split()) for label in labels)


def test_callbacks_that_are_not_fastais_are_noted(data: Any, tmp_path: Path) -> None:
    from fastai.vision.all import Callback, ProgressCallback

    class Inverting(Callback):
        def before_batch(self) -> None:
            self.learn.xb = (1 - self.xb[0],)

    for callback, expected in ((Inverting, 1), (ProgressCallback, 0)):
        tiny_learner(data, cbs=callback).export(tmp_path / "export.pkl")
        report = inspect_file(tmp_path / "export.pkl")
        assert not report.fatal
        assert len(report.problems) == expected
        assert all("Inverting" in finding.message for finding in report.problems)
