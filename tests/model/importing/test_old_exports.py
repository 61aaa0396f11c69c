"""Exports of several fastai versions: learners rebuilt from them predict as those versions did."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from model.importing.inspect.inspection import inspect_file
from tests.model.importing.old_exports.exports import (
    KINDS,
    LABELS,
    VERSIONS,
    OldExport,
    is_missing,
    unpack,
)

pytestmark = pytest.mark.torch

TOLERANCE = 1e-3

# Other tests cover the current fastai, and what 2.5 writes is read as what 2.7 writes.
CASES = [
    pytest.param(
        version, file, marks=[pytest.mark.slow] if version.startswith(("2.5", "2.8")) else []
    )
    for version in VERSIONS
    for file in KINDS.values()
    if not is_missing(version, file)
]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # pytest's own temporary folder would keep hundreds of megabytes after the tests.
    with TemporaryDirectory() as name:
        yield unpack(Path(name))


@pytest.mark.parametrize(("version", "file"), CASES)
def test_old_export_predicts_as_its_own_fastai(folder: Path, version: str, file: str) -> None:
    export = OldExport(folder, version, file)
    report = inspect_file(export.path)
    assert report.problems == ()
    assert report.plan
    if export.path.suffix == ".pkl":
        task = "multi-label" if file == "several.pkl" else "single-label"
        assert (list(report.labels), report.task) == (LABELS, task)
    expected = np.array(export.predictions["probabilities"])
    assert export.predictions["labels"] == LABELS
    np.testing.assert_allclose(export.restored_probabilities(), expected, atol=TOLERANCE)
    # The outputs depend on the photos: a network that ignores them would agree with anything.
    assert np.ptp(expected, axis=0).min() > 0.2
