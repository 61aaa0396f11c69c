"""Photographs to try: in the package, free, and found without importing it."""

import subprocess
import sys

import numpy as np
import pytest

from model.photo import read
from model.samples import ALL, Sample, samples, shapes
from model.settings import ROOT


def test_all_of_them_are_in_the_installed_package() -> None:
    assert samples() == ALL
    assert len({sample.name for sample in ALL}) == len(ALL)


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
def test_each_is_a_photo_with_its_origin(sample: Sample) -> None:
    photo = read(sample.read())
    assert min(photo.size) > 200
    with sample.open() as image:
        assert image.size == photo.size
    assert sample.licence in {"CC0", "Public domain"}
    assert sample.source.startswith("https://")
    assert sample.author
    assert sample.alt
    assert sample.title


def test_without_the_package_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("model.samples.distribution", missing)
    assert samples() == ()


def test_looking_does_not_import_the_package() -> None:
    code = (
        "import sys; from model.samples import samples; assert len(samples()) > 3; "
        "[s.read() for s in samples()]; sys.exit('skimage' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_shapes_are_the_same_every_time() -> None:
    first, again = shapes(64), shapes(64)
    assert [image.size for image in first] == [(64, 64)] * 3
    assert {image.mode for image in first} == {"RGB"}
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert len({image.tobytes() for image in first}) == 3
