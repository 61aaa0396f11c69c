"""Damaged exports and random bytes: read or refused, without exceptions or much memory."""

import json
import pickle
import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from model.errors import ExportRefused
from model.importing.inspect.inspection import inspect_file
from tests.model.importing.inspect.pickles import torch_zip
from tests.model.importing.learners import loaders, tiny_learner
from tests.model.importing.memory import limited_memory

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def both(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """An export in torch's format and in its older one, small."""
    import torch
    from fastai.vision.all import Resize, load_learner

    exports = tmp_path_factory.mktemp("both")
    path, old = exports / "new.pkl", exports / "old.pkl"
    tiny_learner(loaders(folder, Resize(32))).export(path, pickle_module=pickle)
    with pytest.warns(UserWarning, match="insecure"):
        learner = load_learner(path)
    torch.save(learner, old, _use_new_zipfile_serialization=False)
    return [path.read_bytes(), old.read_bytes()]


def test_older_format_has_the_same_report(both: list[bytes], tmp_path: Path) -> None:
    found = []
    for data in both:
        (tmp_path / "export.pkl").write_bytes(data)
        found.append(inspect_file(tmp_path / "export.pkl"))
    new, old = found
    assert (new.format, old.format) == ("zip", "legacy")
    assert (new.labels, new.kind, new.task) == (old.labels, old.kind, old.task)
    assert new.weights_bytes == old.weights_bytes
    assert not old.fatal


@pytest.mark.parametrize("which", [0, 1], ids=["zip", "legacy"])
def test_cut_export_is_damaged(both: list[bytes], which: int, tmp_path: Path) -> None:
    path = tmp_path / "export.pkl"
    data = both[which]
    for size in (*range(1, 400, 31), *range(400, len(data), 4999), len(data) - 1):
        path.write_bytes(data[:size])
        try:
            export = inspect_file(path)
        except ExportRefused:
            continue
        codes = {problem.code for problem in export.problems if problem.fatal}
        assert codes >= {"damaged"} or which == 1, size
        assert export.fatal


def _mutated(data: bytes, draw: random.Random) -> bytes:
    """Return data with a few bytes changed, cut, doubled or moved."""
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 5, 20])):
        at, length = draw.randrange(len(changed)), draw.choice([1, 1, 2, 8, 100])
        kind = draw.randrange(5)
        if kind == 0:
            changed[at] = draw.randrange(256)
        elif kind == 1:
            del changed[at : at + length]
        elif kind == 2:
            changed[at:at] = changed[at : at + length]
        elif kind == 3:
            changed[at : at + length] = draw.randbytes(length)
        else:
            changed[at] = draw.choice(b"cRio\x81\x93Q0123(tbuse.\x94h")
    return bytes(changed)


@pytest.mark.parametrize("which", [0, 1], ids=["zip", "legacy"])
def test_damaged_exports_are_read_or_refused(both: list[bytes], which: int, tmp_path: Path) -> None:
    path = tmp_path / "export.pkl"
    for seed in range(40):
        path.write_bytes(_mutated(both[which], random.Random(seed)))
        with limited_memory(2**31), suppress(ExportRefused):
            json.loads(inspect_file(path).to_json())


def test_memo_of_many_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.pkl"
    # LONG_BINPUT: the unpickler's memo grows to twice this index.
    path.write_bytes(torch_zip(b"\x80\x04Nr\xff\xff\xff\xff."))
    with limited_memory(2**31), pytest.raises(ExportRefused, match="more memory than any export"):
        inspect_file(path)


@given(st.binary(max_size=300), st.integers(0, 2**32))
@hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_noise_in_the_zip_is_refused(
    both: list[bytes], tmp_path: Path, noise: bytes, seed: int
) -> None:
    draw = random.Random(seed)
    old = both[1]
    start = draw.randrange(len(old))
    path = tmp_path / "export.pkl"
    path.write_bytes(torch_zip(b"\x80\x04" + noise + old[start : start + 2000]))
    with limited_memory(2**31), suppress(ExportRefused):
        assert inspect_file(path).fatal
