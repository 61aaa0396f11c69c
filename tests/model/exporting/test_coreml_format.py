"""Core ML exports: converted and described here; only a Mac can run them."""

import json
from pathlib import Path

import numpy as np
import pytest

from model import Bundle
from model.bundle import get_bundle
from model.errors import ConversionFailed, EngineUnavailable
from model.exporting import coreml_format
from model.exporting.export_folder import find_converter
from model.exporting.formats import export_models
from tests.model.tiny import COLOURS


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"labels": list(COLOURS)[::-1]}, "labels"),
        ({"is_rgb": False, "input": ["image", 16, 32]}, "input, is_rgb"),
        ({"version": None}, "version"),
    ],
)
def test_unexpected_structure_is_refused(
    tiny_bundle: Bundle, change: dict[str, object], named: str
) -> None:
    structure = {
        "input": ["image", 32, 32],
        "is_rgb": True,
        "outputs": ["classLabel", "classLabel_probs"],
        "label": "classLabel",
        "probabilities": "classLabel_probs",
        "version": tiny_bundle.version,
        "labels": list(COLOURS),
    }
    coreml_format.check_structure(tiny_bundle, structure)
    with pytest.raises(ConversionFailed, match=f"another {named}"):
        coreml_format.check_structure(tiny_bundle, {**structure, **change})


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_clothing_is_converted_and_its_readme_says_that_nothing_ran_it(
    data_folder: Path, tmp_path: Path
) -> None:
    try:
        find_converter("coreml")
    except EngineUnavailable as error:
        pytest.skip(str(error))
    bundle, out = get_bundle("clothing"), tmp_path / "out"
    export = export_models([bundle], "coreml", out)
    assert "the same top label on 8" in export.checks[0]
    assert "haven't been compared" in export.checks[1]
    with np.load(out / "expected.npz") as expected:
        assert np.array_equal(expected["pixels"], bundle.golden.pixels)
        assert np.array_equal(expected["probabilities"], bundle.golden.probabilities)
    assert json.loads((out / "config.json").read_text())["calibration"] is None
    readme = (out / "README.md").read_text("utf-8")
    assert "Nothing has run this model yet" in readme
    for name in ("Model.mlpackage", *(path.name for path in out.iterdir() if path.is_file())):
        assert name in readme, name
