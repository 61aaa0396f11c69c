"""``.loupe`` files: what is written is read again, and nothing else is."""

import hashlib
import re
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import ExportRefused
from model.teaching.loupe_file import draw, pack_head, read_loupe, write_loupe
from model.text import clean, find_confusing, warn_of_labels
from tests.damage import damaged
from tests.model.teaching.hostile_loupe import HOSTILE, HostileLoupe, arrays, good, text
from tests.model.teaching.label_vectors import ALIKE, DIFFERENT, VECTORS, rule_of


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_good_file_is_read(method: int) -> None:
    manifest, head = read_loupe(good(method))
    assert manifest.labels == ("cat", "Hündin", "שלום")
    assert (head.temperature, head.ood_threshold) == (0.5, -0.4)
    for name, array in arrays().items():
        assert np.array_equal(getattr(head, name), array)


def test_written_file_is_read_again() -> None:
    manifest, head = read_loupe(good())
    packed = pack_head(head)
    described = {"sha256": hashlib.sha256(packed).hexdigest(), "bytes": len(packed)}
    manifest = manifest.model_validate({**manifest.model_dump(), "head": described})
    again, same = read_loupe(data := write_loupe(manifest, head))
    assert again == manifest
    assert pack_head(same) == packed
    assert write_loupe(again, same) == data


def test_label_rules_match_the_shared_cases() -> None:
    assert {text: rule_of(text) for text in VECTORS} == VECTORS
    assert [find_confusing(pair) for pair in ALIKE] == [list(pair) for pair in ALIKE]
    assert [find_confusing(pair) for pair in DIFFERENT] == [[]] * len(DIFFERENT)


def test_file_of_an_earlier_version_opens_with_labels_that_are_no_longer_allowed() -> None:
    labels = ["cat", "cat\u200b", "dog"]
    manifest, _ = read_loupe(good(manifest=text(lambda values: values.update(labels=labels))))
    assert manifest.labels == tuple(labels)
    assert warn_of_labels(labels).endswith(r"invisible characters: 'cat\u200b'.")


def test_accuracy_is_unknown_until_each_label_was_tested() -> None:
    manifest, _ = read_loupe(good())
    assert (manifest.metric.counted, manifest.metric.successes) == ("14 recordings", 12)
    untested = {"right": (0, 5, 4), "counted": (0, 5, 5), "folds": "each group"}
    assert manifest.model_validate({**manifest.model_dump(), "accuracy": untested}).metric is None


@given(st.data())
def test_damaged_file_is_refused_or_gives_the_same_head(data: st.DataObject) -> None:
    files = [good(zipfile.ZIP_STORED), good()]
    try:
        _, head = read_loupe(data.draw(damaged(files)))
    except ExportRefused as refusal:
        assert_sentence(str(refusal))
    else:
        assert all(np.array_equal(getattr(head, name), array) for name, array in arrays().items())


def assert_sentence(message: str) -> None:
    assert message.startswith("This .loupe file can't be used: ")
    assert clean(message) == message
    assert len(message) < 400


@pytest.mark.parametrize("hostile", HOSTILE, ids=[item.name for item in HOSTILE])
def test_hostile_file_is_refused_with_a_sentence(hostile: HostileLoupe) -> None:
    with pytest.raises(ExportRefused) as caught:
        read_loupe(hostile.data)
    message = str(caught.value)
    assert re.search(hostile.mentions, message, re.IGNORECASE), message
    assert_sentence(message)


def test_drawing_is_the_documented_formula() -> None:
    pixels = draw(20, 40)
    assert pixels.shape == (2, 20, 40, 3)
    for i, r, c, h in [(0, 0, 0, 0), (1, 17, 39, 2), (0, 19, 16, 1), (1, 3, 33, 0)]:
        wave = r * (3 + 2 * h) + c * (5 + h) + 37 * i + ((r >> 4) ^ (c >> 4)) * (11 + 4 * h)
        assert pixels[i, r, c, h] == wave & 255
