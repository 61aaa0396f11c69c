"""Tests of ``model.samples``: the photographs in the repository, and the drawn pictures."""

import pytest

from model.photo import read
from model.samples import Sample, samples
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
