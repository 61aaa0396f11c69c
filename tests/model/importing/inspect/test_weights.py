"""Weights alone: files that count as such, the report of ``doctor``, and invalid files."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.errors import ExportRefused
from model.importing.inspect.container import open_export
from model.importing.inspect.inspection import inspect_file
from model.importing.inspect.tensors import StrangeTensor, Tensor, to_numpy
from model.importing.inspect.weights import StateDict, read_state_dict
from tests.model.command import run


def safetensors(header: Any, numbers: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def entry(dtype: Any = "F32", shape: Any = (2, 3), offsets: Any = (0, 24)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def state_of(path: Path) -> StateDict:
    with open_export(path) as export:
        state = read_state_dict(export.root)
    assert state is not None
    return state


def test_safetensors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    numbers = np.arange(6, dtype="<f4").tobytes() + np.ones(2, dtype="<f2").tobytes()
    header = {
        "__metadata__": {"format": "pt"},
        "fc.weight": entry(),
        "fc.bias": entry("F16", [2], [24, 28]),
    }
    path.write_bytes(safetensors(header, numbers))
    with open_export(path) as export:
        root: dict[str, Tensor] = export.root
        found = {
            name: to_numpy(tensor, export.read_storage(name)).tolist()
            for name, tensor in root.items()
        }
    assert found == {"fc.weight": [[0, 1, 2], [3, 4, 5]], "fc.bias": [1, 1]}
    report = inspect_file(path)
    assert (report.kind, report.format, report.fatal) == ("weights", "safetensors", False)
    assert report.weights_bytes == 28
    assert "Its last layer seems to have 2 outputs: one per label." in report.plan


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({"a": entry(offsets=(0, 28))}, "doesn't match its shape"),
        ({"a": entry(offsets=(8, 32))}, "doesn't match its shape"),
        ({"a": entry(shape=(2**40, 2**40))}, "doesn't match its shape"),
        ({"a": entry(shape=(-1, 6))}, "aren't whole numbers"),
        ({"a": entry(offsets=(0.0, 24))}, "aren't whole numbers"),
        ({"a": entry(shape="23")}, "aren't whole numbers"),
        ({"a": entry(shape=[1] * 20, offsets=(0, 4))}, "more than 16 dimensions"),
        ({"a": entry("F8_E4M3")}, "doesn't read"),
        ({"a": entry(dtype=[])}, "doesn't read"),
        ({"a": entry(), "b": entry()}, "overlap"),
        (
            {"a": entry(shape=[4], offsets=(0, 16)), "b": entry(shape=[4], offsets=(8, 24))},
            "overlap",
        ),
        ({"a": entry(shape=[2], offsets=(0, 8)), "b": entry(shape=[2], offsets=(16, 24))}, "gaps"),
        ({"a": entry(shape=[5], offsets=(4, 24))}, "gaps"),
        ({"a": entry(shape=[5], offsets=(0, 20))}, "gaps"),
        ({"a": entry(offsets=(0, 1, 2))}, "isn't complete"),
        ({"a": 7}, "isn't complete"),
        ({"\x1b[31m": 7}, r"\x1b[31m isn't complete"),
        ({"__metadata__": {}}, "holds no tensors"),
        (b'{"a": [', "isn't valid JSON"),
        (b'{"a": {}, "b": {}, "a": {}}', "has a name twice"),
        (b'{"a":' * 100_000, "isn't valid JSON"),
        (b'{"a": "' + b"x" * 2**24 + b'"}', "larger than any"),
    ],
)
def test_odd_safetensors_are_refused(header: Any, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(safetensors(header, bytes(24)))
    with pytest.raises(ExportRefused) as raised:
        inspect_file(tmp_path / "weights")
    assert sentence in str(raised.value)


@pytest.mark.parametrize("sides", [2, 15])
def test_empty_tensor_with_endless_sides_is_refused_in_words(sides: int, tmp_path: Path) -> None:
    header = {"a": entry(shape=[0, *[2**47] * sides], offsets=(0, 0))}
    (tmp_path / "weights").write_bytes(safetensors(header))
    tensor = state_of(tmp_path / "weights").tensors["a"]
    with pytest.raises(StrangeTensor, match="larger than any array"):
        to_numpy(tensor, b"")


def test_safetensors_cut_short_are_damaged(tmp_path: Path) -> None:
    whole = safetensors({"a": entry()}, bytes(24))
    for length in (len(whole) - 1, 30):
        (tmp_path / "weights").write_bytes(whole[:length])
        with pytest.raises(ExportRefused, match="not copied whole"):
            inspect_file(tmp_path / "weights")


@pytest.mark.torch
def test_checkpoint_is_read_for_its_weights_alone(tmp_path: Path) -> None:
    import torch
    from torch import nn

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    state = network.state_dict()
    parallel = {f"module.{name}": tensor for name, tensor in state.items()}
    optimizer = torch.optim.SGD(network.parameters()).state_dict()
    for saved, beside in (
        (state, ()),
        (parallel, ()),
        ({"model": state, "opt": optimizer}, ("state of the optimizer",)),
        ({"epoch": 3, "state_dict": state}, ("entry epoch",)),
    ):
        for options in ({}, {"_use_new_zipfile_serialization": False}):
            torch.save(saved, tmp_path / "weights.pth", **options)
            found = state_of(tmp_path / "weights.pth")
            assert list(found.tensors) == list(state)
            assert found.unneeded == beside
            assert found.outputs == 2


@pytest.mark.torch
@pytest.mark.parametrize("saved", [{}, {"a": 1}, {1: 2}, {"model": {}}, ["weights"]])
def test_file_without_weights_is_refused(saved: Any, tmp_path: Path) -> None:
    import torch

    torch.save(saved, tmp_path / "weights.pth")
    report = inspect_file(tmp_path / "weights.pth")
    assert (report.kind, report.fatal) == ("unknown", True)


@pytest.mark.torch
def test_doctor_names_the_options_for_weights(tmp_path: Path) -> None:
    import torch
    from torch import nn

    path = tmp_path / "weights.pth"
    torch.save(nn.Linear(3, 2).state_dict(), path)
    result = run("doctor", path)
    assert result.exit_code == 0
    assert "weights alone" in result.stdout
    assert f"import {path} --name NAME --arch ARCH --labels LABELS --size SIZE" in result.stdout
    assert "2 outputs" in result.stdout
    assert "not recognised" not in result.stdout
