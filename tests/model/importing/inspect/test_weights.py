"""Weights alone: files that count as such, the report of ``doctor``, and invalid files."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.errors import DataError, ExportRefused
from model.importing.inspect.container import open_export
from model.importing.inspect.inspection import inspect_file
from model.importing.inspect.tensors import StrangeTensor, Tensor, to_numpy
from model.importing.inspect.weights import OPTIONS, StateDict, WeightsSettings, read_state_dict
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
def test_empty_tensor_with_huge_sides_is_refused(sides: int, tmp_path: Path) -> None:
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


GIVEN = {
    "--arch": "resnet18",
    "--labels": "cat,dog",
    "--size": "224",
    "--method": "crop",
    "--normalize": "imagenet",
}


def read(**changed: str) -> WeightsSettings:
    options = {**GIVEN, **{f"--{name}": value for name, value in changed.items()}}
    settings = WeightsSettings.from_options(options)
    assert settings is not None
    return settings


def test_options_are_read() -> None:
    settings = read(size="128x96", method="Pad", normalize="0.5/0.1,0.2,0.3")
    assert (settings.arch, settings.labels) == ("resnet18", ("cat", "dog"))
    assert (settings.size, settings.method) == ((128, 96), "pad")
    assert settings.normalize == ((0.5, 0.5, 0.5), (0.1, 0.2, 0.3))
    assert not settings.multilabel
    assert read(normalize="none").normalize == ((0, 0, 0), (1, 1, 1))
    assert read(normalize="imagenet").normalize[0] == (0.485, 0.456, 0.406)


def test_no_options_give_no_settings() -> None:
    assert WeightsSettings.from_options(dict.fromkeys(GIVEN, "")) is None


def test_all_missing_options_are_named() -> None:
    assert set(GIVEN) == set(OPTIONS)
    for left_out in GIVEN:
        options = {**GIVEN, left_out: ""}
        with pytest.raises(ExportRefused) as raised:
            WeightsSettings.from_options(options)
        assert [name for name in OPTIONS if f"{name} (" in str(raised.value)] == [left_out]
    with pytest.raises(ExportRefused, match="Add --arch"):
        WeightsSettings.from_options(dict.fromkeys(GIVEN, ""), multilabel=True)


def test_threshold_belongs_to_several_labels() -> None:
    assert read().threshold == 0.5
    several = WeightsSettings.from_options(GIVEN, multilabel=True, threshold=0.3)
    assert several is not None
    assert several.threshold == 0.3
    with pytest.raises(DataError, match="--multilabel"):
        WeightsSettings.from_options(GIVEN, threshold=0.3)
    with pytest.raises(ExportRefused, match="Add --arch"):
        WeightsSettings.from_options(dict.fromkeys(GIVEN, ""), threshold=0.3)
    for wrong in (0.0, 1.0, float("nan")):
        with pytest.raises(DataError, match="--threshold:"):
            WeightsSettings.from_options(GIVEN, multilabel=True, threshold=wrong)


@pytest.mark.parametrize(
    "data", [b"cat\nbig dog\nowl, grey\n", b"\xef\xbb\xbfcat\r\nbig dog \r\nowl, grey"]
)
def test_labels_come_from_a_file_in_its_order(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(data)
    assert read(labels=str(path)).labels == ("cat", "big dog", "owl, grey")


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("arch", "x" * 101, "at most 100 characters"),
        ("labels", "nowhere.txt", "no file nowhere.txt"),
        ("labels", "cat,dog,cat", "read the same: 'cat'. Correct the list"),
        ("labels", "cat,,dog", "1 to 200 characters"),
        ("labels", "cat,\x1b[31mdog", "control characters"),
        ("labels", "x" * 5000, "no file"),
        ("size", "0", "isn't a size"),
        ("size", "7", "from 8 to 2048"),
        ("size", "large", "HEIGHTxWIDTH"),
        ("size", "224x4096", "from 8 to 2048"),
        ("method", "stretch", "crop, pad or squish"),
        ("normalize", "cifar", "neither imagenet, none nor MEAN/STD"),
        ("normalize", "0.5,0.5/1", "neither"),
        ("normalize", "0.5/0", "neither"),
        ("normalize", "nan/1", "neither"),
        ("normalize", "0.5/1/2", "neither"),
    ],
)
def test_unreadable_value_is_refused_with_the_accepted_values(
    option: str, value: str, sentence: str
) -> None:
    with pytest.raises(DataError) as raised:
        read(**{option: value})
    assert str(raised.value).startswith(f"--{option}:")
    assert sentence in str(raised.value)


def test_more_labels_than_a_model_may_have_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(map(str, range(100_001))))
    with pytest.raises(DataError, match=r"^--labels: .* 100000 items"):
        read(labels=str(path))


def test_labels_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="isn't UTF-8 text"):
        read(labels=str(path))
