"""A learner → the files of a bundle: weights, graph, golden answers."""

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..bundle import ManifestDraft
from ..learner.inference_module import InferenceModule, Scale
from ..preprocess import Pixels, preprocess
from ..samples import samples, shapes

__all__ = ["export_onnx", "golden_pixels", "manifest_of"]


def manifest_of(values: dict[str, Any]) -> ManifestDraft:
    """Return the draft of a manifest."""
    return ManifestDraft.model_validate(values)


def export_onnx(
    learner: Any, manifest: ManifestDraft, folder: Path, scale: Scale | None = None
) -> None:
    """Write ``graph.onnx`` and ``golden.npz`` into ``folder``, and ``weights.safetensors``
    where the manifest has the engine that needs it.

    The golden answers are the eager module's, so that the graph is held to the
    learner and not to itself.

    Args:
        scale: see ``Answering.around``.
    """
    if "learner" in manifest.engines:
        import safetensors.torch

        # Copies, because layers may share a tensor, which safetensors refuses.
        state = {name: part.clone() for name, part in learner.model.state_dict().items()}
        state = {name: part.contiguous() for name, part in state.items()}
        safetensors.torch.save_file(state, str(folder / "weights.safetensors"))
    module = InferenceModule.around(learner.model, manifest, scale).eval().cpu()
    pixels = golden_pixels(manifest)
    with torch.inference_mode():
        logits, _, probabilities = (part.numpy() for part in module(torch.from_numpy(pixels)))
    np.savez_compressed(
        folder / "golden.npz", pixels=pixels, logits=logits, probabilities=probabilities
    )
    _compile(module, pixels[:2], folder / "graph.onnx")


def golden_pixels(manifest: ManifestDraft) -> Pixels:
    """Shipped samples and drawn shapes by the recipe: uint8 [K, height, width, 3]."""
    images = [sample.open() for sample in samples()] + shapes()
    return np.stack([preprocess(image.convert("RGB"), manifest.recipe) for image in images])


def _compile(module: InferenceModule, example: Pixels, path: Path) -> None:
    """Export to ONNX, self-contained, with a free number of photos."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.from_numpy(example),),
            str(path),
            dynamo=True,
            external_data=False,
            input_names=["pixels"],
            output_names=["logits", "features", "probabilities"],
            dynamic_shapes=({0: torch.export.Dim("N", min=1, max=4096)},),
        )
