"""Findings on files that are not exports, and on exports of other programs; without torch."""

import json
import pickle
import struct
from pathlib import Path

import pytest

from model.errors import ExportRefused
from model.importing.inspect import ExportReport, printable
from model.importing.inspect.inspection import inspect_file
from tests.model.command import run
from tests.model.importing.inspect.pickles import assemble, glob, text, torch_zip
from tests.model.importing.inspect.reader_attacks import storage
from tests.zips import zipped


def learner(*parts: bytes, storages: dict[str, bytes] | None = None) -> bytes:
    """A learner in torch's zip, with those values in its state."""
    state = b"".join(text(str(place)) + part for place, part in enumerate(parts))
    image = text("block") + glob("fastai.vision.core", "PILImage")
    start = b"\x80\x02" + glob("fastai.learner", "Learner") + b")\x81}("
    return torch_zip(start + image + state + b"ub.", storages)


def inspect(folder: Path, data: bytes) -> ExportReport:
    path = folder / "export.pkl"
    path.write_bytes(data)
    return inspect_file(path)


def codes(report: ExportReport) -> set[str]:
    return {problem.code for problem in report.problems}


SCRIPT = (
    ("script/data.pkl", b"\x80\x02c__torch__\nNet\n)\x81."),
    ("script/code/__torch__.py", b"class Net: ..."),
    ("script/constants.pkl", b"\x80\x02)."),
    ("script/version", b"3\n"),
)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (bytes(1000), "nothing but zeros"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        (b"<html>", "web page"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
        (struct.pack("<Q", 30) + b'{"__metadata__":{}}' + bytes(99), "safetensors"),
        (b"\x08\x07\x12\x07pytorch\x1a\x052.0.0" + bytes(99), "ONNX"),
        (b"\x1f\x8b\x08" + bytes(99), "archive"),
        (pickle.dumps({"labels": ["cat"]}), "torch didn't write it"),
        (b"\x93NUMPY\x01\x00", "NumPy array"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "photo"),
        (bytes(4) + b"TFL3" + bytes(99), "TensorFlow Lite"),
        (b"x" * 257 + b"ustar\0" + bytes(99), "archive"),
        (b'{"cells": []}', "notebook"),
        (b"GGUF" + bytes(99), "GGUF"),
        (b"just some words, nothing else", "not a fastai export"),
        (zipped([("config.json", b"{}"), ("model.weights.h5", b"")]), "Keras"),
        (zipped({"a/export.pkl": b"x"}), "zip with the file a/export.pkl in it"),
        (zipped({"tiny/bundle.json": b"{}"}), "zipped model of Loupe"),
        (zipped({"project.json": b"{}"}), "project of Teach"),
        (zipped({"a.npy": b""}), "NumPy arrays"),
        # As torch.jit.save writes it; torch itself deprecates making one.
        (zipped(SCRIPT), "TorchScript file"),
        (zipped({"[Content_Types].xml": b""}), "not written by torch"),
        (learner()[:-1], "cut short"),
        (learner()[:300], "cut short"),
        (learner().replace(b"archive/version", b"archive/v\x00rsion", 1), "contradicts itself"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_foreign_file_is_refused_by_its_type(data: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match=sentence):
        inspect(tmp_path, data)


def test_doctor_names_a_foreign_file(tmp_path: Path) -> None:
    path = tmp_path / "export.pkl"
    path.write_bytes(b"<html>")
    for words in ([], ["--json"]):
        result = run("doctor", *words, path)
        assert result.exit_code == 2
        assert "web page" in result.output
    assert json.loads(result.stdout)["error"]["code"] == "export-refused"


@pytest.mark.parametrize("name", ["missing.pkl", "folder", "nul\0.pkl", "a" * 300])
def test_path_that_cannot_be_opened_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ExportRefused):
        inspect_file(tmp_path / name)


WINDOWS_PATH = glob("pathlib", "WindowsPath") + b"(" + text("C:\\Users\\ann\\cats") + b"tR"
FASTAI_1 = "\x80\x02}( 'cls fastai.basic_train:Learner 'data fastai.vision.data:ImageDataBunch u."
STORAGE = storage("7", b"K\x08")

FINDINGS = {
    "no parts": (learner(WINDOWS_PATH), "vision", "not-understood"),
    "fastai 1": (torch_zip(assemble(FASTAI_1)), "vision", "fastai-1"),
    "tabular": (learner(glob("fastai.tabular.learner", "TabularLearner")), "tabular", "not-vision"),
    "text": (learner(glob("fastai.text.learner", "TextLearner")), "text", "not-vision"),
    "collab": (learner(glob("fastai.collab", "EmbeddingDotBias")), "collab", "not-vision"),
    "no weights": (learner(STORAGE, storages={}), "vision", "weights-missing"),
    "fewer": (learner(STORAGE, storages={"data/7": bytes(16)}), "vision", "weights-missing"),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_export_that_cannot_be_imported_has_a_finding(name: str, tmp_path: Path) -> None:
    data, kind, code = FINDINGS[name]
    report = inspect(tmp_path, data)
    assert (report.kind, codes(report)) == (kind, {code})
    if name == "no parts":
        assert "data loaders" in report.problems[0].message
        assert "pathlib.WindowsPath" in report.names


def test_long_texts_are_cut_and_escaped() -> None:
    assert printable("\x1b[31m" + "x" * 300) == "\\x1b[31m" + "x" * 195 + "…"
