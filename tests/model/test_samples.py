"""Tests of ``model.samples``: the photographs in the repository, and the drawn pictures."""

import numpy as np
import pytest

from model.photo import read
from model.samples import Sample, samples, shapes
from model.settings import ROOT

README = (ROOT / "model/samples/README.md").read_text(encoding="utf-8")


def test_samples_are_five_small_files_with_unique_names() -> None:
    assert len({sample.name for sample in samples()}) == len(samples()) == 5
    files = {path.name for path in (ROOT / "model/samples").glob("*.jpg")}
    assert files == {sample.path.name for sample in samples()}
    assert all(sample.path.stat().st_size <= 150_000 for sample in samples())


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_sample_is_a_photo_with_author_licence_and_source(sample: Sample) -> None:
    photo = read(sample.read())
    assert min(photo.size) > 200
    with sample.open() as image:
        assert image.size == photo.size
    (row,) = [line for line in README.splitlines() if line.startswith(f"| `{sample.path.name}`")]
    _, _, shows, author, licence, source, _ = map(str.strip, row.split("|"))
    assert licence in {"CC0", "public domain"}
    assert "](https://" in source
    assert all([shows, author])


def test_shapes_are_the_same_every_time() -> None:
    first, second = shapes(64), shapes(64)
    assert [image.size for image in first] == [(64, 64)] * 3
    assert {image.mode for image in first} == {"RGB"}
    for image, again in zip(first, second, strict=True):
        np.testing.assert_array_equal(np.asarray(image), np.asarray(again))
    assert len({image.tobytes() for image in first}) == 3
