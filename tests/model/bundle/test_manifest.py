"""The manifest field by field: wrong values are named, unknown keys are refused."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from model import Bundle
from model.bundle import Manifest, ManifestDraft, get_bundle
from model.bundle.manifest import FORMAT
from tests.model.tiny import CALIBRATED, tiny, values


def manifest(**changes: object) -> dict[str, Any]:
    file = {"bytes": 1, "sha256": "0" * 64}
    return {
        "format": 1,
        **values(confidence=CALIBRATED),
        "files": {"graph.onnx": file, "golden.npz": file},
        **changes,
    }


ARCHITECTURE = manifest()["architecture"]


def test_manifest_survives_writing_and_reading() -> None:
    read = Manifest.model_validate(manifest())
    assert Manifest.model_validate_json(read.model_dump_json()) == read
    assert read.calibration.prediction_set.label_thresholds == (0.2,) * 6
    assert read.language == "en"


NO_STATISTICS = [[0.5, 0.5, value] for value in (math.nan, math.inf, None)]
WRONG: dict[str, list[Any]] = {
    "format": [0, 3],
    "name": ["", "Tiny", "../tiny", "a" * 65, "tiny\n"],
    "title": ["", "x" * 201],
    "description": ["x" * 4001],
    "language": ["english"],
    "labels": [[], [""], ["red", "red"], ["x" * 201]],
    "recipe": [
        {"resize": [4, 32]},
        {"resize": [32, 32], "method": "stretch"},
        {"resize": [32, 32], "crop": [2, 2]},
        {"resize": [32, 32], "interpolation": "eval"},
    ],
    "engines": [[], ["fake"], ["learner"]],
    "confidence": [
        {"temperature": 0},
        {"temperature": math.nan},
        {"temperature": 1, "novelty": math.nan},
        {"temperature": 1, "novelty": math.inf},
        {"temperature": 1, "plausible": {"coverage": 0.9, "floors": [0.1, 1.1]}},
        {"temperature": 1, "plausible": {"coverage": 0.9, "floors": [0.1]}},
    ],
    "files": [{}, {"golden.npz": {"bytes": 1, "sha256": "0" * 63}}],
    "made": [{"": "x"}],
    "architecture": [
        {**ARCHITECTURE, name: values} for name in ("mean", "std") for values in NO_STATISTICS
    ],
    # Only multi-label models have a threshold.
    "threshold": [0.7],
    "unknown": [1],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in WRONG.items() for value in values]
)
def test_wrong_value_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Manifest.model_validate(manifest(**{field: value}))
    assert any(error["loc"][:1] in ((field,), ()) for error in caught.value.errors())


OPTIONAL = {"multilabel", "confidence", "language"}


@pytest.mark.parametrize("field", sorted(manifest().keys() - OPTIONAL))
def test_required_field_cannot_be_missing(field: str) -> None:
    without = manifest()
    del without[field]
    with pytest.raises(ValidationError):
        Manifest.model_validate(without)


def test_threshold_is_between_0_and_1_and_written_if_it_is_not_the_default(
    models_dir: Path,
) -> None:
    usual = tiny(models_dir, "usual", multilabel=True)
    assert b"threshold" not in (usual.folder / "bundle.json").read_bytes()
    own = tiny(models_dir, "own", multilabel=True, threshold=0.7)
    assert json.loads((own.folder / "bundle.json").read_bytes())["threshold"] == 0.7
    assert own.manifest.to_draft().present_from == own.manifest.present_from == 0.7
    assert get_bundle("usual").manifest.present_from == 0.5
    for threshold in (0, 1, -0.1, 1.1, math.nan, math.inf, "high"):
        with pytest.raises(ValidationError, match="threshold"):
            Manifest.model_validate(manifest(multilabel=True, confidence=None, threshold=threshold))


def test_metric_is_found_by_name() -> None:
    share = {"value": 0.9, "low": 0.8, "high": 0.95, "photos": 100}
    metric = {"name": "accuracy", **share, "on": "these", "by": "us"}
    read = Manifest.model_validate(manifest(metrics=[metric]))
    accuracy = read.metric("accuracy")
    assert accuracy.value == 0.9
    assert read.metric("top5") is None
    for name, value in (("value", 1.1), ("photos", 0), ("name", "beauty"), ("low", math.nan)):
        with pytest.raises(ValidationError):
            Manifest.model_validate(manifest(metrics=[{**metric, name: value}]))


def test_draft_is_a_manifest_without_files(tiny_bundle: Bundle) -> None:
    draft = tiny_bundle.manifest.to_draft()
    assert type(draft) is ManifestDraft
    assert draft.model_dump() == tiny_bundle.manifest.model_dump(exclude={"files"})
    assert ManifestDraft.model_validate(values()).format == FORMAT
    with pytest.raises(ValidationError, match="files"):
        ManifestDraft.model_validate(manifest())
