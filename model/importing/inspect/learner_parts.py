"""The parts of a fastai learner that an import needs, read from placeholders as plain data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...bundle.manifest import PRESENT_FROM
from ...errors import ExportRefused
from ...text import INVISIBLE, find_confusing
from .placeholders import Placeholder, PlaceholderType, Unreadable, elements, full_name, plain
from .transforms import (
    FUNCTIONS,
    Step,
    acting_steps,
    attribute_elements,
    fold,
    is_noop,
    transforms_of,
    unknown_transform,
    wrapped_function,
    wrapped_name,
)

MAX_LABEL = 200
"""Characters of a label."""

Loss = Literal["softmax", "sigmoid"]

SOFTMAX = (
    "CrossEntropyLossFlat FocalLoss FocalLossFlat LabelSmoothingCrossEntropy "
    "LabelSmoothingCrossEntropyFlat"
).split()

LOSSES: dict[str, Loss] = {
    # Until fastai 2.1 they were in layers.
    **{f"fastai.{home}.{name}": "softmax" for home in ("losses", "layers") for name in SOFTMAX},
    "torch.nn.modules.loss.CrossEntropyLoss": "softmax",
    "torch.nn.functional.cross_entropy": "softmax",
    **{f"fastai.{home}.BCEWithLogitsLossFlat": "sigmoid" for home in ("losses", "layers")},
    "torch.nn.modules.loss.BCEWithLogitsLoss": "sigmoid",
    "torch.nn.functional.binary_cross_entropy_with_logits": "sigmoid",
}
"""The activation that each loss function implies."""

VOCABULARIES = {
    "fastai.data.transforms.Categorize",
    "fastai.data.transforms.MultiCategorize",
    "fastai.data.transforms.EncodedMultiCategorize",
}
CATEGORY_MAP = "fastai.data.transforms.CategoryMap"

COLOUR = "fastai.vision.core.PILImage"
GREYSCALE = "fastai.vision.core.PILImageBW"


@dataclass(frozen=True)
class LearnerParts:
    """The parts of a learner that predictions need, and the names of those that they don't.

    ``network`` is the placeholder of the network, ``architecture`` the name that it was made
    by (``torchvision.models.resnet.resnet18``, or timm's), or nothing. ``greyscale`` is true
    if photos are opened without their colours. ``threshold`` is the probability from which a
    label counts where each has its own. ``callbacks`` are full names; they are not needed.
    """

    network: Any
    architecture: str
    labels: tuple[str, ...]
    loss: Loss
    threshold: float
    items: tuple[Step, ...]
    batches: tuple[Step, ...]
    callbacks: tuple[str, ...]
    unneeded: tuple[str, ...]
    greyscale: bool = False


def read_learner(root: Any) -> LearnerParts:
    """Return the parts of a learner.

    Raises:
        ExportRefused: it is no learner of photos and labels; the message names the part that
            is not understood.
    """
    kind = full_name(root)
    if not isinstance(root, Placeholder) or kind != "fastai.learner.Learner":
        raise ExportRefused(
            f"It holds {kind}, and not a fastai Learner with its labels and transforms."
        )
    attributes = root.attributes
    loader = _valid_loader(attributes.get("dls"))
    loss, threshold = read_loss(attributes.get("loss_func"))
    photos, target = _pipelines(loader.get("dataset"))
    items = acting_steps(loader.get("after_item"))
    stages = "before_batch", "after_batch"
    batches = tuple(step for stage in stages for step in acting_steps(loader.get(stage)))
    fold(items, batches)
    return LearnerParts(
        attributes.get("model"),
        _architecture(attributes.get("arch")),
        read_labels(target),
        loss,
        threshold,
        items,
        batches,
        tuple(_inner_names(attributes.get("cbs"))),
        tuple(dict.fromkeys(_unneeded(attributes, photos, target))),
        _opens_greyscale(photos),
    )


def _valid_loader(loaders: Any) -> dict[Any, Any]:
    """Return the attributes of the data loader for validation."""
    listed = attribute_elements(loaders, "loaders", "Its data loaders are", "DataLoaders")
    loader = listed[min(1, len(listed) - 1)] if listed else None
    return loader.attributes if isinstance(loader, Placeholder) else {}


def _pipelines(dataset: Any) -> tuple[list[Any], list[Any]]:
    """Return the transforms of photos and of labels."""
    lists = attribute_elements(dataset, "tls", "Its data set is", "Datasets")
    if len(lists) != 2:
        raise ExportRefused(
            f"It has {len(lists)} inputs and targets, and Loupe takes one photo and its labels."
        )
    photos, target = (
        transforms_of(item.attributes.get("tfms") if isinstance(item, Placeholder) else None)
        for item in lists
    )
    return photos, target


def read_labels(transforms: list[Any]) -> tuple[str, ...]:
    """Return the labels in the order of the network's outputs, as text.

    Raises:
        ExportRefused: there are none, or they can't be told apart or shown.
    """
    vocabularies = [item for item in transforms if full_name(item) in VOCABULARIES]
    if len(vocabularies) != 1:
        raise ExportRefused(
            "It has no labels (dls.vocab): Loupe takes classifiers, with a CategoryBlock or a "
            "MultiCategoryBlock."
        )
    try:
        labels = _vocabulary(vocabularies[0].attributes.get("vocab"))
    except Unreadable as error:
        raise ExportRefused(f"Its labels can't be read: {error}.") from None
    return check_labels(labels, "Correct the labels and train again.")


def check_labels(labels: Sequence[Any], advice: str) -> tuple[str, ...]:
    """Return labels as text, in the same order.

    Raises:
        ExportRefused: there are none, or they can't be told apart or shown; ends with ``advice``.
    """
    texts = [_label(label, advice) for label in labels]
    if not texts:
        raise ExportRefused("Its list of labels (dls.vocab) is empty.")
    if alike := find_confusing([" ".join(text.split()) for text in texts]):
        raise ExportRefused(f"Two of its labels read the same: {alike[0]!r}. {advice}")
    return tuple(texts)


def _vocabulary(vocabulary: Any) -> list[Any]:
    if full_name(vocabulary) == CATEGORY_MAP:
        vocabulary = vocabulary.attributes.get("items")
    try:
        return [plain(item) for item in elements(vocabulary)]
    except Unreadable:
        listed = plain(vocabulary)
    if not isinstance(listed, list | tuple):
        raise Unreadable(full_name(vocabulary))
    return list(listed)


def _label(label: Any, advice: str) -> str:
    is_missing = label is None or label != label
    if isinstance(label, list | tuple | dict | set | bytes):
        raise ExportRefused("It predicts several targets; Loupe supports one.")
    text = "" if is_missing else str(label)
    if not text.strip() or len(text) > MAX_LABEL or INVISIBLE.search(" ".join(text.split())):
        raise ExportRefused(
            f"One of its labels is {text[:60] or repr(label)!r}: a label must be text of 1 to "
            f"{MAX_LABEL} characters without control characters, text-direction marks "
            f"and other invisible ones. {advice}"
        )
    return text


def read_loss(loss: Any) -> tuple[Loss, float]:
    """Return the activation that the loss function implies, and the threshold.

    Raises:
        ExportRefused: it is not a known loss function of classifiers, or the threshold is invalid.
    """
    settings = loss.attributes if isinstance(loss, Placeholder) else {}
    name = full_name(loss)
    if name.endswith(".BaseLoss"):
        name = full_name(settings.get("func"))
    if name not in LOSSES:
        raise ExportRefused(
            f"Its loss function is {name}, and only that says what the network's outputs mean. "
            "Loupe knows CrossEntropyLossFlat, LabelSmoothingCrossEntropyFlat, FocalLossFlat, "
            "BCEWithLogitsLossFlat and torch's own. If one of them fits, set it (learn.loss_func = "
            "CrossEntropyLossFlat()) and export again."
        )
    return LOSSES[name], _threshold(settings.get("thresh", PRESENT_FROM))


def _threshold(value: Any) -> float:
    try:
        threshold = plain(value)
    except Unreadable as error:
        threshold = error
    # Written so that NaN is refused.
    if isinstance(threshold, int | float) and 0 < threshold < 1:
        return float(threshold)
    raise ExportRefused(
        f"Its loss function has the threshold {str(threshold)[:60]}, and Loupe takes one between "
        "0 and 1: the lowest probability that shows a label. Set it (learn.loss_func.thresh = "
        "0.5) and export again."
    )


def _opens_greyscale(transforms: list[Any]) -> bool:
    """Return True if photos are opened in greyscale, False if in colour.

    Transforms before the one that opens a photo read a table or a folder, and are skipped for
    single photos, as fastai does.

    Raises:
        ExportRefused: photos are opened in another way.
    """
    acting = [transform for transform in transforms if not is_noop(transform)]
    if not acting:
        raise ExportRefused("Its photos are not opened by an ImageBlock, and Loupe needs one.")
    last = acting[-1]
    image = _created_image(wrapped_function(last)) if full_name(last) in FUNCTIONS else ""
    if image not in (COLOUR, GREYSCALE):
        title = wrapped_name(last) or full_name(last)
        raise ExportRefused(unknown_transform(title, "while they are opened"))
    return image == GREYSCALE


def _created_image(function: Any) -> str:
    """Return the image class whose ``create`` opens photos; empty for another function."""
    if isinstance(function, PlaceholderType):
        owner, _, method = function.full.rpartition(".")
        return owner if method == "create" else ""
    if full_name(function) == "types.MethodType" and len(function.args) == 2:
        # Since fastai 2.8 the method itself is in the file, as compiled code.
        method, owner = function.args
        is_create = full_name(method) in CREATE or _is_compiled_create(method)
        return owner.full if is_create and isinstance(owner, PlaceholderType) else ""
    return ""


CREATE = {"fastai.vision.core.PILBase.create", "fastai.vision.core.PILImage.create"}


def _is_compiled_create(function: Any) -> bool:
    """Return True for embedded code with the name of fastai's ``create``."""
    if not full_name(function).endswith("._make_function") or len(function.args) < 2:
        return False
    code, namespace = function.args[:2]
    if not isinstance(namespace, dict) or namespace.get("__name__") != "fastai.vision.core":
        return False
    return "PILBase.create" in [arg for arg in getattr(code, "args", ()) if isinstance(arg, str)]


def _architecture(arch: Any) -> str:
    return arch if isinstance(arch, str) else arch.full if isinstance(arch, PlaceholderType) else ""


def _unneeded(attributes: dict[Any, Any], photos: list[Any], target: list[Any]) -> Iterator[str]:
    """Yield the names of functions and objects that predictions don't need."""
    for transform in (*photos[:-1], *target):
        name = full_name(transform)
        if name in FUNCTIONS and not is_noop(transform):
            named = wrapped_name(transform) or transform.attributes.get("_name")
            yield f"label function {named}"
    for key in ("_metrics", "metrics"):
        yield from (f"metric {name}" for name in _inner_names(attributes.get(key)))


def _inner_names(values: Any) -> list[str]:
    """Return the names of callbacks, or of metrics, which fastai wraps; empty if unreadable."""
    try:
        listed = elements(values)
    except Unreadable:
        return []
    functions = [
        item.attributes.get("func") if isinstance(item, Placeholder) else None for item in listed
    ]
    return [
        full_name(function if isinstance(function, PlaceholderType) else item)
        for item, function in zip(listed, functions, strict=True)
    ]
