"""What is said of files that are no export, and of exports made elsewhere; without torch."""

import io
import json
import struct
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from model.cli import main
from model.errors import ExportRefused
from model.importing.inspect import ExportReport, installed
from model.importing.inspect.inspection import inspect_file
from model.importing.inspect.installed import place_of
from model.importing.inspect.name_groups import group_of
from model.importing.inspect.report import printable
from tests.model.importing.inspect.hostile import Called, glob, text, torch_zip

IN_COLAB = "/usr/local/lib/python3.10/dist-packages/fastai/vision/core.py"


def zipped(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return file.getvalue()


def learner(*parts: bytes, model: bytes = b"N", storages: dict[str, bytes] | None = None) -> bytes:
    """A learner in torch's zip, with those values in its state."""
    state = b"".join(text(str(place)) + part for place, part in enumerate(parts))
    return torch_zip(
        b"\x80\x02"
        + glob("fastai.learner", "Learner")
        + b")\x81}("
        + text("model")
        + model
        + text("block")
        + glob("fastai.vision.core", "PILImage")
        + state
        + b"ub.",
        storages,
    )


def examined(tmp_path: Path, data: bytes) -> ExportReport:
    path = tmp_path / "export.pkl"
    path.write_bytes(data)
    return inspect_file(path)


def codes(export: ExportReport, *, fatal: bool | None = None) -> set[str]:
    return {problem.code for problem in export.problems if fatal is None or problem.fatal is fatal}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (bytes(1000), "nothing but zeros"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        (b"<html>", "web page"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
        (struct.pack("<Q", 30) + b'{"__metadata__":{}}' + bytes(99), "safetensors"),
        (b"\x08\x07\x12\x07pytorch\x1a\x052.0.0" + bytes(99), "ONNX"),
        (b"\x1f\x8b\x08" + bytes(99), "gzip"),
        (b"\x93NUMPY\x01\x00", "NumPy array"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "photo"),
        (bytes(4) + b"TFL3" + bytes(99), "TensorFlow Lite"),
        (b"x" * 257 + b"ustar\0" + bytes(99), "tar archive"),
        (b'{"cells": []}', "notebook"),
        (b"GGUF" + bytes(99), "GGUF"),
        (b"just some words, nothing else", "not a fastai export"),
        (zipped(**{"config.json": b"{}", "model.weights.h5": b""}), "Keras"),
        (zipped(**{"a/export.pkl": b"x"}), "zip with the file a/export.pkl in it"),
        (zipped(**{"tiny/bundle.json": b"{}"}), "zipped model of Loupe"),
        (zipped(**{"a.npy": b""}), "NumPy arrays"),
        (zipped(**{"[Content_Types].xml": b""}), "not written by torch"),
        (learner()[:-1], "cut short"),
        (learner()[:300], "cut short"),
        (learner().replace(b"archive/version", b"archive/v\x00rsion", 1), "contradicts itself"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_export_is_refused_with_what_it_is(
    data: bytes, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportRefused, match=said.replace("(", r"\(")) as raised:
        examined(tmp_path, data)
    assert raised.value.code == "export-refused"


def test_doctor_says_what_is_no_export(tmp_path: Path) -> None:
    path = tmp_path / "export.pkl"
    path.write_bytes(b"<html>")
    for words in ([], ["--json"]):
        result = CliRunner().invoke(main, ["doctor", *words, str(path)])
        assert result.exit_code == 2
        assert "web page" in result.output
    assert json.loads(result.stdout)["error"]["code"] == "export-refused"


@pytest.mark.parametrize("name", ["missing.pkl", "folder", "nul\0.pkl", "a" * 300])
def test_what_cannot_be_opened_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ExportRefused):
        inspect_file(tmp_path / name)


def test_paths_of_windows_are_read(tmp_path: Path) -> None:
    path = glob("pathlib", "WindowsPath") + b"(" + text("C:\\Users\\ann\\cats") + b"tR"
    assert examined(tmp_path, learner(path)).inferred["system"] == "Windows"


def test_learner_without_its_parts_is_refused(tmp_path: Path) -> None:
    report = examined(tmp_path, learner())
    assert (report.kind, codes(report)) == ("vision", {"not-understood"})
    assert "data loaders" in report.problems[0].message


@pytest.mark.parametrize(
    ("path", "system", "python"),
    [
        ("/content/drive/MyDrive/cats", "Google Colab (Linux)", None),
        (IN_COLAB, "Google Colab (Linux)", "3.10"),
        ("/kaggle/input/cats", "Kaggle (Linux)", None),
        ("/Users" + "/ann/cats", "macOS", None),
        ("/home/ann/mambaforge/lib/python3.9/site-packages/x.py", "Linux", "3.9"),
        ("D:/cats", "Windows", None),
        ("C:\\Python312\\Lib\\x.py", "Windows", "3.12"),
    ],
)
def test_the_place_is_inferred_from_paths(
    path: str, system: str, python: str | None, tmp_path: Path
) -> None:
    inferred = examined(tmp_path, learner(text(path))).inferred
    assert (inferred["system"], inferred.get("python")) == (system, python)


def carried(arguments: int, bytecode: bytes) -> bytes:
    """A function as cloudpickle writes it, by a Python whose code has so many arguments."""
    import pickle

    import cloudpickle.cloudpickle as by_value

    names: tuple[str, ...] = ("basename",)
    front = [1, 0, 0, 1, 2, 3][: 5 if arguments == 15 else 6]
    texts = ["file", "label", "label"] if arguments == 18 else ["file", "label"]
    tail = [1, b"", b""] if arguments == 18 else [1, b""]
    values = (*front, bytecode, (None,), names, ("path",), *texts, *tail, (), ())
    assert len(values) == arguments
    code = Called(Called(by_value._builtin_type, "CodeType"), *values)
    function = Called(by_value._make_function, code, {"__name__": "__main__"}, None, None, None)
    return pickle.dumps(function, 2)[2:-1]


@pytest.mark.parametrize(
    ("arguments", "bytecode", "python"),
    [
        (15, b"t\x00S\x00", "3.7 or older"),
        (16, b"t\x00S\x00", "3.8 to 3.10"),
        (18, b"\x97\x00\xa6\x00\x00\x00S\x00", "3.11"),
        (18, b"\x97\x00t\x00y\x00", "3.12"),
        (18, b"\x95\x00t\x00S\x00", "3.13"),
        (18, b"\x80\x00t\x00S\x00", "3.14"),
        (18, b"\x97\x00t\x00S\x00", "3.11 or later"),
    ],
)
def test_code_of_another_python(
    arguments: int, bytecode: bytes, python: str, tmp_path: Path
) -> None:
    function = carried(arguments, bytecode)
    report = examined(tmp_path, learner(function))
    assert report.inferred["python"] == python
    (name,) = [name for name in report.names if name.carried]
    assert (name.full, name.role) == ("__main__.label", "function")


def test_older_fastai_is_inferred(tmp_path: Path) -> None:
    pipeline = glob("fastcore.transform", "Pipeline") + b")\x81"
    report = examined(tmp_path, learner(pipeline))
    assert report.inferred["fastai"] == "2.0 to 2.7"
    assert "fastai" not in report.problems[0].message.replace("fastai's DataLoaders", "")


def test_fastai_1_is_said(tmp_path: Path) -> None:
    old = b"\x80\x02}(" + text("cls") + glob("fastai.basic_train", "Learner") + text("data")
    old += glob("fastai.vision.data", "ImageDataBunch") + b"u."
    export = examined(tmp_path, torch_zip(old))
    assert (export.inferred["fastai"], codes(export)) == ("1", {"fastai-1"})


@pytest.mark.parametrize(
    ("module", "name", "kind"),
    [
        ("fastai.tabular.learner", "TabularLearner", "tabular"),
        ("fastai.text.learner", "TextLearner", "text"),
        ("fastai.collab", "EmbeddingDotBias", "collab"),
    ],
)
def test_other_kinds_of_learners_are_refused(
    module: str, name: str, kind: str, tmp_path: Path
) -> None:
    export = examined(tmp_path, learner(glob(module, name)))
    assert (export.kind, codes(export, fatal=True)) == (kind, {"not-vision"})


@pytest.mark.parametrize("storages", [{}, {"data/7": bytes(16)}], ids=["absent", "fewer"])
def test_weights_that_are_not_there(storages: dict[str, bytes], tmp_path: Path) -> None:
    storage = b"(" + text("storage") + glob("torch", "FloatStorage") + text("7") + text("cuda:0")
    export = examined(tmp_path, learner(storage + b"K\x08tQ", storages=storages))
    assert codes(export) == {"weights-missing"}
    assert export.inferred["device"] == "an NVIDIA GPU"


@pytest.mark.parametrize(
    ("full", "called", "group"),
    [
        ("fastai.learner:Learner", True, "fastai"),
        ("fastai.metrics:accuracy", False, "fastai"),
        ("fastai.metrics:accuracy", True, "dangerous"),
        ("fastai.learner:load_learner", False, "dangerous"),
        ("fastai.vision.core:PILImage.create", False, "fastai"),
        ("fastai.vision.core:subprocess.Popen", False, "dangerous"),
        ("torch:FloatStorage", False, "torch"),
        ("torch:float32", False, "torch"),
        ("torch:load", False, "dangerous"),
        ("torch._utils:_rebuild_tensor_v2", True, "torch"),
        ("torch.nn.modules.conv:Conv2d", True, "torch"),
        ("torch.hub:load", False, "dangerous"),
        ("timm.models.resnet:ResNet", True, "timm"),
        ("timm.models.resnet:resnet18", True, "dangerous"),
        ("torchvision.models.resnet:resnet18", False, "torchvision"),
        ("numpy:dtype", True, "numpy"),
        ("numpy:load", False, "dangerous"),
        ("builtins:set", True, "builtins"),
        ("builtins:getattr", True, "builtins"),
        ("builtins:map", True, "dangerous"),
        ("builtins:eval", False, "dangerous"),
        ("collections:OrderedDict", True, "python"),
        ("wave:open", False, "dangerous"),
        ("os.path:join", False, "dangerous"),
        ("__main__:label", False, "own"),
        ("__main__:Net.__init__.__globals__", False, "dangerous"),
        ("my_net:Net", True, "other"),
        ("albumentations.core.composition:Compose", True, "other"),
        ("bad module:x", False, "dangerous"),
        ("os\n:x", False, "dangerous"),
    ],
)
def test_groups(full: str, called: bool, group: str) -> None:
    module, _, name = full.partition(":")
    assert group_of(module, name, called=called) == group


def test_what_a_module_passes_on_is_not_its_own() -> None:
    assert group_of("fastai.layers", "Embedding", called=False, elsewhere=True) == "other"


@pytest.mark.parametrize(
    ("module", "name", "place"),
    [
        ("fastai.learner", "Learner", "defined"),
        ("fastai.learner", "Learner.fit", "defined"),
        ("fastai.vision.augment", "PadMode", "defined"),
        ("fastai.vision.core", "subprocess", "no such name"),
        ("torch.nn.modules.container", "operator", "passed on"),
        ("torch.nn.modules.linear", "Linear", "defined"),
        ("torch.nn.modules.no_such", "Linear", "no such module"),
        ("no_such_package.inner", "x", "not installed"),
        ("numpy._core._multiarray_umath", "scalar", "unknown"),
        ("a b", "x", "no such module"),
        ("json.decoder", "JSONDecoder", "defined"),
        ("math", "sqrt", "unknown"),
    ],
)
def test_places_are_found_without_importing(module: str, name: str, place: str) -> None:
    assert place_of(module, name) == place


def test_a_package_is_not_imported_to_look_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "looked_into"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "net.py").write_text("raise SystemExit('imported')\nclass Net: ...")
    monkeypatch.syspath_prepend(tmp_path)
    assert place_of("looked_into.net", "Net") == "defined"
    assert place_of("looked_into", "Net") == "no such name"
    assert installed.installed_version("looked_into") is None
    net = glob("looked_into.net", "Net") + b")\x81"
    assert examined(tmp_path, learner(net)).names[-1].full == "looked_into.net.Net"


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("plain", "plain"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb", "a\\nb"),
        ("\u202ecod", "\\u202ecod"),
        ("\ud800", "\\ud800"),
        ("Katze ä 猫", "Katze ä 猫"),
        ("x" * 300, "x" * 200 + "…"),
    ],
)
def test_texts_are_safe_to_print(given: str, safe: str) -> None:
    assert printable(given) == safe
