"""The fastai ``Learner`` of a bundle, rebuilt without unpickling anything."""

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from ..bundle import Bundle, ManifestDraft
from ..errors import BundleDamaged, EngineUnavailable
from ..preprocess import FILTERS, PreprocessConfig

XRESNET = re.compile(r"x(se_)?resnex?t\d+(_deep(er)?)?")
"""Names of fastai's own networks."""


def rebuild(bundle: Bundle) -> Any:
    """Return the fastai ``Learner`` of a bundle, in evaluation mode, with its weights.

    Raises:
        EngineUnavailable: the installed library does not know the architecture.
        BundleDamaged: the weights do not fit the architecture.
    """
    import safetensors.torch

    learner = empty_learner(bundle.manifest)
    weights = bundle.read("weights.safetensors")
    try:
        state = safetensors.torch.load(weights)
        for name, part in learner.model.named_modules():
            # The last layer of fastai's head has no bias; a few-shot head in its place has one.
            if isinstance(part, nn.Linear) and f"{name}.bias" in state:
                part.bias = nn.Parameter(state[f"{name}.bias"].clone())
        learner.model.load_state_dict(state, strict=True)
    except Exception as error:  # safetensors and torch raise their own errors
        raise BundleDamaged(
            f"{bundle.folder / 'weights.safetensors'} doesn't fit "
            f"{bundle.manifest.architecture.body}: {str(error)[:300]}. "
            "Build or import the model again."
        ) from error
    learner.model.eval()
    return learner


def empty_learner(manifest: ManifestDraft, loaders: Any = None, **network: Any) -> Any:
    """Return a ``Learner`` of the manifest's architecture and pipeline with random weights.

    Args:
        manifest: names the architecture, the recipe and the labels.
        loaders: fastai ``DataLoaders`` to train on; by default, one blank picture.
        network: arguments of the network's own builder, such as ``drop_path_rate``.

    Raises:
        EngineUnavailable: the installed library does not know the architecture.
    """
    from fastai.vision.all import (
        BCEWithLogitsLossFlat,
        CrossEntropyLossFlat,
        Learner,
        vision_learner,
    )

    architecture, labels = manifest.architecture, len(manifest.labels)
    body = _get_body(architecture.library, architecture.body)
    # fastai's flat losses bring the activation that learn.predict needs.
    loss = (
        BCEWithLogitsLossFlat(thresh=manifest.present_from)
        if manifest.multilabel
        else CrossEntropyLossFlat()
    )
    data = loaders or _blank_loaders(manifest)
    try:
        if architecture.head == "native":
            whole = native_network(architecture.library, architecture.body, labels, **network)
            return Learner(data, whole, loss_func=loss)
        pooling = [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if _needs_pooling(body) else []
        head = nn.Sequential(*pooling, nn.Linear(architecture.features, labels))
        return vision_learner(
            data,
            body,
            pretrained=False,
            normalize=False,
            custom_head=head if architecture.head == "linear" else None,
            loss_func=loss,
            **network,
        )
    except Exception as error:  # a network's own code may raise anything
        raise EngineUnavailable(
            f"The network {architecture.body!r} can't be rebuilt: {error}"
        ) from error


def _get_body(library: str, name: str) -> Any:
    """Return the body for ``vision_learner``: timm's name, or a function of the other two.

    Only names that the library lists are accepted, because timm also fetches others from a hub.
    """
    if library == "timm":
        import timm

        if timm.is_model(name):
            return name
    elif library == "fastai":
        if name in fastai_names():
            from fastai.vision.models import xresnet

            return getattr(xresnet, name)
    else:
        import torchvision.models

        if name in torchvision.models.list_models(module=torchvision.models):
            return torchvision.models.get_model_builder(name)
    raise EngineUnavailable(f"The installed {library} has no network {name!r}.")


def fastai_names() -> list[str]:
    """Return the names of fastai's own networks."""
    from fastai.vision.models import xresnet

    return [name for name in vars(xresnet) if XRESNET.fullmatch(name)]


def native_network(library: str, name: str, labels: int, **options: Any) -> nn.Module:
    """Return a network as its library builds it, with random weights and its own head.

    Raises:
        EngineUnavailable: the installed library does not know the network.
    """
    builder = _get_body(library, name)
    if library == "timm":
        import timm

        network: nn.Module = timm.create_model(name, num_classes=labels, **options)
    elif library == "fastai":
        network = builder(n_out=labels, **options)
    else:
        network = builder(weights=None, num_classes=labels, **options)
    return network


def _needs_pooling(body: Any) -> bool:
    """Return whether the body gives fastai a feature map, which the head has to pool."""
    if not isinstance(body, str):
        return True
    import timm

    config = timm.get_pretrained_cfg(body)
    return config is None or config.pool_size is not None


def _blank_loaders(manifest: ManifestDraft) -> Any:
    """Return data loaders with the recipe's transforms and the labels, over one blank picture."""
    from fastai.vision.all import (
        AffineCoordTfm,
        CategoryBlock,
        DataBlock,
        ImageBlock,
        ItemGetter,
        MultiCategoryBlock,
        Normalize,
    )

    labels, graph_size = list(manifest.labels), manifest.recipe.graph_size
    target = (
        MultiCategoryBlock(vocab=labels)
        if manifest.multilabel
        else CategoryBlock(vocab=labels, sort=False)
    )
    block = DataBlock(
        blocks=(ImageBlock, target),
        # Parts of fastai alone: an export must load where Loupe isn't installed.
        getters=[ItemGetter(0), ItemGetter(1)],
        splitter=lambda items: ([0], [0]),
        item_tfms=item_transforms(manifest.recipe),
        batch_tfms=[
            *([AffineCoordTfm(size=graph_size, align_corners=True)] if graph_size else []),
            Normalize.from_stats(manifest.architecture.mean, manifest.architecture.std, cuda=False),
        ],
    )
    pixels = np.zeros((64, 64, 3), np.uint8)
    items = [(pixels, [label] if manifest.multilabel else label) for label in labels[:2]]
    return block.dataloaders(items, bs=1, num_workers=0)


def item_transforms(recipe: PreprocessConfig) -> list[Any]:
    """Return fastai's own transforms for a recipe."""
    from fastai.vision.all import CropPad, Resize

    resize = Resize(
        recipe.resize,
        method=recipe.method,
        pad_mode=recipe.padding,
        resamples=(FILTERS[recipe.interpolation], Image.Resampling.NEAREST),
    )
    if not recipe.crop:
        return [resize]
    crop = CropPad(recipe.crop)
    # fastai sorts transforms by their order and would crop before it resizes.
    crop.order = resize.order + 1
    return [resize, crop]


def export_learner(bundle: Bundle, path: Path) -> None:
    """Write a bundle's learner as a file that ``load_learner`` opens without Loupe.

    Raises:
        EngineUnavailable: the installed library does not know the architecture.
        BundleDamaged: the weights do not fit the architecture.
    """
    learner = rebuild(bundle)
    # fastai would print where it keeps the file's folder.
    learner.path = path.parent
    learner.export(path.name)


def predict_with_export(path: Path, images: Iterable[Image.Image]) -> NDArray[np.float32]:
    """Load an export that Loupe wrote, and return fastai's predictions, float32 [N, labels].

    Loading an export runs code in it, so it must not come from elsewhere. Images are upright RGB.
    """
    from fastai.vision.all import PILImage, load_learner

    with warnings.catch_warnings():
        # It warns of any export, and this one has just been written.
        warnings.simplefilter("ignore", UserWarning)
        learner = load_learner(path)
    with learner.no_bar(), learner.no_logging():
        rows = [learner.predict(PILImage.create(np.asarray(image)))[2] for image in images]
    return np.stack([row.numpy() for row in rows])
