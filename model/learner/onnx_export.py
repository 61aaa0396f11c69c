"""Export a network: weights, ONNX graph and golden outputs."""

import contextlib
import io
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from ..bundle import ManifestDraft
from ..engine_info import ENGINES
from ..preprocess import Pixels, preprocess
from ..samples import samples, shapes
from .graph_metadata import strip_metadata
from .inference_module import InferenceModule

WEIGHTS_FILE = "weights.safetensors"


def export_onnx(model: nn.Module, manifest: ManifestDraft, folder: Path) -> None:
    """Write ``graph.onnx``, ``golden.npz`` and, if an engine needs them, the weights.

    The golden outputs are the eager module's, so that the golden test compares the graph
    with the learner.

    Args:
        model: the network.
        manifest: preprocessing, architecture and engines.
        folder: where the files go.
    """
    if any(ENGINES[engine].needs == WEIGHTS_FILE for engine in manifest.engines):
        import safetensors.torch

        # Clones, because safetensors refuses tensors that layers share.
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        state = {name: tensor.contiguous() for name, tensor in state.items()}
        safetensors.torch.save_file(state, str(folder / WEIGHTS_FILE))
    module = InferenceModule.from_model(model, manifest).eval().cpu()
    pixels = golden_pixels(manifest)
    with torch.inference_mode():
        logits, _, probabilities = (output.numpy() for output in module(torch.from_numpy(pixels)))
    np.savez_compressed(
        folder / "golden.npz", pixels=pixels, logits=logits, probabilities=probabilities
    )
    _export_graph(module, pixels[:2], folder / "graph.onnx")


def golden_pixels(manifest: ManifestDraft) -> Pixels:
    """Return sample photos and drawn shapes, preprocessed: uint8 [K, height, width, 3]."""
    images = [sample.open() for sample in samples()] + shapes()
    return np.stack([preprocess(image.convert("RGB"), manifest.recipe) for image in images])


def _export_graph(module: InferenceModule, example: Pixels, path: Path) -> None:
    """Export to a single ONNX file that takes any number of photos."""
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
    model = onnx.load(path)
    strip_metadata(model)
    onnx.save(model, path)
