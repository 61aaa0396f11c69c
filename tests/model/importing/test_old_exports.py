"""Exports of older fastai versions: what is read off them answers as those versions did.

``make old-exports`` makes them anew.
"""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.importing.inspect.inspection import inspect_file

pytestmark = pytest.mark.torch

DATA = Path(__file__).parent / "old_exports" / "data"
TOLERANCE = 1e-3

CASES = {
    "2.0.0": "plain several xresnet random-crop squish resnet",
    "2.5.6": "plain several xresnet random-crop squish resnet timm",
    "2.7.13": "plain several xresnet random-crop squish resnet timm",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All archives, unpacked: one folder per version, and the photos."""
    folder = tmp_path_factory.mktemp("old")
    # The filter came with Python 3.11.4; Debian 12 has 3.11.2.
    safe: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    for archive in sorted(DATA.glob("*.tar.xz")):
        with tarfile.open(archive) as packed:
            packed.extractall(folder / archive.name.removesuffix(".tar.xz"), **safe)
    return folder


@pytest.mark.parametrize(
    ("version", "name"),
    [(version, name) for version, names in CASES.items() for name in names.split()],
)
def test_old_export_answers_as_its_own_fastai(folder: Path, version: str, name: str) -> None:
    from model.importing.convert.reference import reference_probabilities
    from model.importing.convert.restored_learner import restore_learner

    place = folder / f"fastai-{version}"
    expected: dict[str, Any] = json.loads((place / "predictions.json").read_text())[name]
    restored = restore_learner(place / f"{name}.pkl")
    assert list(restored.labels) == expected["labels"] == ["cat", "dog", "owl"]
    several = restored.multilabel
    assert several is (name == "several")
    photos = [folder / "photos" / photo for photo in expected["photos"]]
    found = reference_probabilities(restored.model, restored.pipeline, photos, multilabel=several)
    np.testing.assert_allclose(found, expected["probabilities"], atol=TOLERANCE)
    # The photos do matter: a network that ignores them would agree with anything.
    assert np.ptp(np.array(expected["probabilities"]), axis=0).min() > 0.2


@pytest.mark.parametrize("version", CASES)
def test_nothing_blocks_an_old_export(folder: Path, version: str) -> None:
    for name in CASES[version].split():
        report = inspect_file(folder / f"fastai-{version}" / f"{name}.pkl")
        assert report.problems == ()
        assert report.inferred["fastai"] == "2.0 to 2.7"
        assert report.plan
