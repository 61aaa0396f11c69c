"""Core ML: the network for Apple's devices; converted on any system, it runs on theirs only."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import Bundle
from ..errors import ConversionFailed
from ..settings import ROOT
from .export_check import CheckPhotos, Written, compare, require_network, run_reference
from .export_folder import CONVERTERS_DIR, find_converter, run_converter

MODEL, EXPECTED = "Model.mlpackage", "expected.npz"
CONVERTER = "coreml"
SCRIPT = CONVERTERS_DIR / "coreml" / "convert.py"


def write(bundle: Bundle, folder: Path, photos: CheckPhotos) -> Written:
    """See ``export_models``; the comparison is that of the program before its conversion."""
    require_network(bundle, "Core ML")
    find_converter(CONVERTER)
    reference = run_reference(bundle, photos)
    with tempfile.TemporaryDirectory() as temporary:
        pixels = Path(temporary) / "pixels.npy"
        np.save(pixels, reference.pixels)
        paths = [SCRIPT, ROOT, bundle.folder, pixels, folder / MODEL]
        printed = run_converter(CONVERTER, paths, "convert this network")
    result = json.loads(printed.strip().splitlines()[-1])
    comparison = compare(reference, np.array(result["probabilities"], np.float32))
    comparison.require_close("The exported program")
    check_structure(bundle, result["structure"])
    golden = bundle.golden
    np.savez_compressed(folder / EXPECTED, pixels=golden.pixels, probabilities=golden.probabilities)
    unknown = (
        "The converted model: input, outputs, labels and version are those of this README. Its "
        "answers haven't been compared, since nothing here runs it."
    )
    return Written((f"Before its conversion, as a program of torch.export. {comparison}", unknown))


def check_structure(bundle: Bundle, structure: dict[str, Any]) -> None:
    """Check the metadata of the model package.

    Raises:
        ConversionFailed: it isn't what the README says.
    """
    height, width = bundle.manifest.recipe.size
    expected = {
        "input": ["image", width, height],
        "is_rgb": True,
        "outputs": ["classLabel", "classLabel_probs"],
        "label": "classLabel",
        "probabilities": "classLabel_probs",
        "version": bundle.version,
        "labels": list(bundle.labels),
    }
    if wrong := [key for key in expected if structure.get(key) != expected[key]]:
        raise ConversionFailed(f"coremltools wrote a model with another {', '.join(wrong)}.")
