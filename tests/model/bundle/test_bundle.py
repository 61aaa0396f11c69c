"""Bundles on disk: every kind of damage is refused, with the file and the remedy named."""

import hashlib
import io
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model import load
from model.bundle import Bundle
from model.errors import BundleDamaged, BundleNotFound, BundleTooNew, GoldenMismatch
from tests.model.importing.inspect.pickles import Called
from tests.model.tiny import COLOURS, edit, replace, tiny

Arrays = dict[str, NDArray[Any]]


def test_bundle_matches_its_manifest(tiny_bundle: Bundle) -> None:
    bundle = Bundle.open(tiny_bundle.folder)
    bundle.verify()
    text = (bundle.folder / "bundle.json").read_bytes()
    assert bundle.version == hashlib.sha256(text).hexdigest()[:12]
    assert bundle.name == "tiny"
    assert bundle.labels == tuple(COLOURS)
    assert bundle.size == sum(
        path.stat().st_size for path in bundle.folder.iterdir() if path.name != "bundle.json"
    )
    assert bundle.golden.pixels.shape == (9, 32, 32, 3)
    assert bundle.read("graph.onnx") == (bundle.folder / "graph.onnx").read_bytes()


def link(path: Path) -> None:
    path.symlink_to(path.rename(path.parents[1] / "elsewhere"))


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


INCOMPLETE: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "link": link,
    "folder": make_folder,
}


@pytest.mark.parametrize("name", ["graph.onnx", "golden.npz"])
@pytest.mark.parametrize("how", [*INCOMPLETE, "flipped bit"])
def test_damaged_file_is_refused(tiny_bundle: Bundle, name: str, how: str) -> None:
    path = tiny_bundle.folder / name
    INCOMPLETE.get(how, flip)(path)
    if how == "flipped bit":
        # Opening checks sizes only, to be quick.
        with pytest.raises(BundleDamaged, match="SHA-256") as caught:
            Bundle.open(tiny_bundle.folder).verify()
    else:
        with pytest.raises(BundleDamaged, match=r"Import or build the model again\.") as caught:
            Bundle.open(tiny_bundle.folder)
    assert str(path) in str(caught.value)
    with pytest.raises(BundleDamaged, match="again"):
        load("tiny")


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"not json", b'{"format": 1, "name": "ti', b"\xff\xfe\x00", b"null", b"[]", b"{}"),
        *(b"[" * 200_000 + b"]" * 200_000, b"9" * 5000, bytes(20 * 2**20)),
    ],
    ids=range(10),
)
def test_invalid_manifest_is_refused(tiny_bundle: Bundle, text: bytes) -> None:
    path = tiny_bundle.folder / "bundle.json"
    path.write_bytes(text)
    reason = "is too large for a manifest" if len(text) >= 20 * 2**20 else "again"
    with pytest.raises(BundleDamaged, match=reason) as caught:
        Bundle.open(tiny_bundle.folder)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_folder_without_manifest_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match=r"bundle\.json is missing"):
        Bundle.open(tmp_path)


@pytest.mark.parametrize("how", ["folder", "file as folder"])
def test_unreadable_manifest_is_refused(tiny_bundle: Bundle, how: str) -> None:
    folder = tiny_bundle.folder
    make_folder(folder / "bundle.json")
    if how == "file as folder":
        folder = folder / "graph.onnx"
    with pytest.raises(BundleDamaged, match=r"bundle\.json can.t be read"):
        Bundle.open(folder)


def test_newer_format_asks_for_an_update(tiny_bundle: Bundle) -> None:
    edit(tiny_bundle, format=3, tomorrow="unknown")
    with pytest.raises(
        BundleTooNew, match=r"format 3, but this version of Loupe reads formats up to 2\. Update"
    ):
        Bundle.open(tiny_bundle.folder)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b.npz", "x\\y.npz", ".hidden", "a\n.npz", "\u00e9.npz"]
)
def test_listed_file_cannot_leave_the_folder(tiny_bundle: Bundle, name: str) -> None:
    listed = json.loads((tiny_bundle.folder / "bundle.json").read_text())["files"]
    edit(tiny_bundle, files={**listed, name: {"bytes": 0, "sha256": "0" * 64}})
    with pytest.raises(BundleDamaged, match="is not a valid manifest: files"):
        Bundle.open(tiny_bundle.folder)


WRONG_ARRAYS: dict[str, Callable[[Arrays], object]] = {
    "size": lambda arrays: arrays.update(pixels=arrays["pixels"][:, :16]),
    "labels": lambda arrays: arrays.update(probabilities=arrays["probabilities"][:, :-1]),
    "count": lambda arrays: arrays.update(logits=arrays["logits"][:-1]),
    "floats": lambda arrays: arrays.update(pixels=arrays["pixels"].astype(np.float32)),
    "none": lambda arrays: arrays.update({name: array[:0] for name, array in arrays.items()}),
    "number": lambda arrays: arrays.update(pixels=np.array(1, dtype=np.uint8)),
    "incomplete": lambda arrays: arrays.pop("logits"),
    "words": lambda arrays: arrays.update(probabilities=arrays["probabilities"].astype(str)),
}


@pytest.mark.parametrize("wrong", WRONG_ARRAYS)
def test_golden_outputs_of_other_shapes_are_refused(models_dir: Path, wrong: str) -> None:
    bundle = tiny(models_dir, golden_change=WRONG_ARRAYS[wrong])
    with pytest.raises(BundleDamaged, match="again") as caught:
        load("tiny")
    assert str(bundle.folder / "golden.npz") in str(caught.value)


def test_golden_outputs_are_never_unpickled(tiny_bundle: Bundle, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    call = Called(os.mkdir, str(marker))
    arrays: Any = dict.fromkeys(("pixels", "logits", "probabilities"), np.array([call]))
    np.savez(file := io.BytesIO(), **arrays)
    for data in (file.getvalue(), pickle.dumps(call)):
        replace(tiny_bundle, "golden.npz", data)
        with pytest.raises(BundleDamaged, match=r"golden\.npz can.t be read"):
            load("tiny")
        assert not marker.exists()
    # The payload does work where pickles are allowed.
    np.load(io.BytesIO(file.getvalue()), allow_pickle=True)["pixels"]
    assert marker.exists()


def test_golden_outputs_that_are_no_archive_are_refused(tiny_bundle: Bundle) -> None:
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    broken = bytearray((tiny_bundle.folder / "golden.npz").read_bytes())
    broken[80:120] = b"\xff" * 40
    for data in (b"", b"golden", single.getvalue(), b"PK\x03\x04" + bytes(100), bytes(broken)):
        replace(tiny_bundle, "golden.npz", data)
        with pytest.raises(BundleDamaged, match=r"golden\.npz"):
            load("tiny")


def test_difference_within_the_tolerance_is_accepted(models_dir: Path) -> None:
    def change(arrays: Arrays) -> None:
        arrays["probabilities"] += np.float32(5e-5)

    tiny(models_dir, golden_change=change)
    assert 3e-5 < load("tiny").run_golden_test() < 7e-5


def test_graph_that_returns_nan_is_refused(models_dir: Path) -> None:
    """Both the outputs and the golden outputs are NaN."""
    tiny(models_dir, confidence={"temperature": 1e-45, "novelty": 1.0})
    with pytest.raises(GoldenMismatch):
        load("tiny")


def test_manifest_is_parsed_once_until_it_changes(tiny_bundle: Bundle) -> None:
    first = Bundle.open(tiny_bundle.folder).manifest
    assert Bundle.open(tiny_bundle.folder).manifest is first
    edit(tiny_bundle, title="Changed in place")
    assert Bundle.open(tiny_bundle.folder).manifest.title == "Changed in place"
    # A file that goes missing later is still noticed.
    (tiny_bundle.folder / "graph.onnx").unlink()
    with pytest.raises(BundleDamaged, match=r"graph\.onnx is missing"):
        Bundle.open(tiny_bundle.folder)
