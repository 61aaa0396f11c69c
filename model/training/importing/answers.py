"""What a learner answers: its labels, what it makes of its logits, and its own predictions."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ...errors import ExportRefused
from .unpickling import held, kind_of, named

__all__ = ["check_opening", "is_multilabel", "labels", "predict", "without_stubs"]

LONGEST = 200
"""Characters of a label."""


def labels(learner: Any) -> list[str]:
    """The labels in the order of the network's outputs, as text.

    Raises:
        ExportRefused: there are none, or they cannot be told apart or shown.
    """
    try:
        vocab = list(learner.dls.vocab)
    except (AttributeError, TypeError):
        raise ExportRefused(
            "It has no labels (dls.vocab): Loupe takes classifiers, with a CategoryBlock or a "
            "MultiCategoryBlock."
        ) from None
    if any(isinstance(label, list | tuple | dict) or hasattr(label, "items") for label in vocab):
        raise ExportRefused("It answers several questions at once, and Loupe takes one.")
    texts = [_text(label) for label in vocab]
    if not texts:
        raise ExportRefused("Its list of labels (dls.vocab) is empty.")
    if twice := [text for text, count in Counter(texts).items() if count > 1]:
        raise ExportRefused(
            f"Two of its labels read the same: {twice[0]!r}. Rename one and train again."
        )
    return texts


def _text(label: Any) -> str:
    import pandas as pd

    text = "" if label is None or pd.isna(label) else str(label)
    if not text.strip() or len(text) > LONGEST:
        raise ExportRefused(
            f"One of its labels is {text[:60] or repr(label)!r}: a label must be text of 1 to "
            f"{LONGEST} characters. Mend the labels and train again."
        )
    return text


def is_multilabel(learner: Any, outputs: int) -> bool:
    """Whether each label has a probability of its own (sigmoid), not all together one (softmax).

    The loss function says so, and is asked by trying.

    Raises:
        ExportRefused: it makes something else of the logits.
    """
    from fastai.vision.all import getcallable

    loss = learner.loss_func
    if stub := held(loss):
        raise ExportRefused(
            f"Its loss function needs {named(stub)}, which is not here, and only that says what "
            "its answers mean. Put the file that defines it into a folder named in PYTHONPATH."
        )
    logits = torch.randn(4, outputs, generator=torch.Generator().manual_seed(0))
    found = torch.as_tensor(getcallable(loss, "activation")(logits)).as_subclass(torch.Tensor)
    if found.shape == logits.shape and torch.equal(found, logits) and _is_raw(loss):
        return isinstance(loss, torch.nn.BCEWithLogitsLoss)
    for multilabel, wanted in ((False, logits.softmax(dim=1)), (True, logits.sigmoid())):
        if found.shape == wanted.shape and torch.allclose(found, wanted, atol=1e-5):
            return multilabel
    name = type(getattr(loss, "func", loss)).__name__
    raise ExportRefused(
        f"Its loss function is {name}, which turns answers into neither softmax nor sigmoid. "
        "Loupe takes classifiers: CrossEntropyLossFlat, BCEWithLogitsLossFlat."
    )


def _is_raw(loss: Any) -> bool:
    """Whether it is one of torch's own, with which ``learn.predict`` gives logits."""
    return isinstance(loss, torch.nn.CrossEntropyLoss | torch.nn.BCEWithLogitsLoss)


def without_stubs(learner: Any) -> None:
    """Take callbacks out that are not here: a prediction would call them."""
    learner.cbs = type(learner.cbs)(
        callback for callback in learner.cbs if kind_of(callback) is None
    )


def predict(learner: Any, photos: Sequence[Path], *, multilabel: bool) -> NDArray[np.float32]:
    """``learn.predict``'s own probabilities: float32 [photos, labels]."""
    found = []
    with learner.no_bar(), learner.no_logging():
        for photo in photos:
            numbers = torch.as_tensor(learner.predict(photo)[2]).float()
            if _is_raw(learner.loss_func):
                numbers = numbers.sigmoid() if multilabel else numbers.softmax(dim=-1)
            found.append(np.asarray(numbers, dtype=np.float32).ravel())
    return np.stack(found)


def check_opening(learner: Any, folder: Path) -> None:
    """Check that the learner opens a file as RGB, and does nothing to it before its transforms.

    Raises:
        ExportRefused: it does; or it takes no photos at all.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (31, 47, 3), dtype=np.uint8)
    path = folder / "opening.png"
    Image.fromarray(pixels).save(path)
    try:
        (opened,) = learner.dls.test_dl([path], num_workers=0).dataset[0]
    except ExportRefused:
        raise
    except Exception as error:
        raise ExportRefused(f"It cannot open a photo file: {error}") from error
    finally:
        path.unlink()
    mode = getattr(opened, "mode", "")
    if mode and mode != "RGB":
        raise ExportRefused(
            f"It opens photos as {mode} and not as RGB (PILImageBW?), which Loupe cannot. Train it "
            "with ImageBlock(PILImage), which takes grey photos as well."
        )
    if not isinstance(opened, Image.Image) or not np.array_equal(np.asarray(opened), pixels):
        raise ExportRefused(
            "It changes a photo while opening it, before its item transforms, and Loupe cannot "
            "reproduce that. Train it with ImageBlock and item_tfms alone."
        )
