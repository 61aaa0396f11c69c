"""Exports that fastai writes, whole and damaged: their report, made without loading anything."""

import json
import os
import pickle
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.errors import ExportRefused
from model.importing.inspect import ExportReport
from model.importing.inspect.inspection import inspect_file
from tests.damage import damaged
from tests.memory import limited_memory
from tests.model.command import run
from tests.model.importing.inspect.pickles import Called
from tests.model.importing.learners import loaders, restore, tiny_learner
from tests.python import run_python

pytestmark = pytest.mark.torch

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Write:
    """Export a learner with a tiny network, or the one given."""
    exports = tmp_path_factory.mktemp("exports")

    def make(
        data: Any = None, net: Any = None, how: dict[str, Any] | None = None, **options: Any
    ) -> Path:
        from fastai.vision.all import Resize, accuracy

        options = {"metrics": accuracy, **options}
        learner = tiny_learner(data or loaders(folder, Resize(32)), net, **options)
        path = exports / f"{len(list(exports.iterdir()))}.pkl"
        learner.export(path, **(how or {}))
        return path

    return make


def codes(report: ExportReport) -> set[str]:
    return {problem.code for problem in report.problems}


def test_plain_export_has_no_findings(write: Write) -> None:
    report = inspect_file(write())
    assert (report.format, report.kind, report.task) == ("zip", "vision", "single-label")
    assert report.labels == ("cat", "dog")
    # The network's, and a number or two that fastai keeps as tensors.
    assert 32 <= report.weights_bytes < 64
    assert report.problems == ()
    assert {"fastai.learner.Learner", "fastai.metrics.accuracy"} <= set(report.names)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("module", ["pickle", "cloudpickle"])
def test_all_protocols_are_read(write: Write, protocol: int, module: str) -> None:
    import importlib

    how = {"pickle_module": importlib.import_module(module), "pickle_protocol": protocol}
    report = inspect_file(write(how=how))
    assert (report.kind, report.labels, report.fatal) == ("vision", ("cat", "dog"), False)


def test_enumerations_of_early_python_311_are_read(write: Write) -> None:
    class Pickler(pickle.Pickler):
        def reducer_override(self, value: Any) -> Any:
            by_name = isinstance(value, Image.Resampling)
            return (getattr, (type(value), value.name)) if by_name else NotImplemented

    module = types.ModuleType("early")
    vars(module).update(vars(pickle) | {"Pickler": Pickler})
    report = inspect_file(write(how={"pickle_module": module}))
    assert (report.labels, report.problems) == (("cat", "dog"), ())


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A function and classes of a notebook."""
    source = (
        "import os\n"
        "from torch import nn\n"
        "def label(path): return os.path.basename(os.path.dirname(path))\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(3, 2)\n"
        "    def forward(self, x): return self.head(self.pool(x).flatten(1))\n"
        "class Loss(nn.CrossEntropyLoss):\n"
        "    def activation(self, x): return x.softmax(-1)\n"
    )
    module = types.ModuleType("__main__")
    exec(compile(source, "notebook", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module.__dict__


def test_own_code_is_reported_by_name(write: Write, folder: Path, own: dict[str, Any]) -> None:
    """fastai before 2.8 referred to all code by name."""
    from fastai.vision.all import Resize

    how = {"pickle_module": pickle}
    data = loaders(folder, Resize(32), get_y=own["label"])
    report = inspect_file(write(data, how=how))
    assert codes(report) == set()
    assert "label function __main__.label" in report.left_behind
    report = inspect_file(write(data, how=how, loss_func=own["Loss"]()))
    assert codes(report) == {"not-understood"}
    assert "loss function is __main__.Loss" in report.problems[0].message
    report = inspect_file(write(net=own["Net"](), how=how))
    assert codes(report) == {"own-network"}
    assert "PYTHONPATH" in report.problems[0].message
    assert "__main__.Net" in report.names
    # Since fastai 2.8 the code itself is in the file.
    report = inspect_file(write(net=own["Net"]()))
    assert codes(report) == {"own-network"}
    assert report.needs_trust
    message = report.problems[0].message
    assert "__main__.Net, whose code is embedded in the file" in message
    assert "--trust" in message


def test_command_in_a_complete_learner_is_not_run(folder: Path, tmp_path: Path) -> None:
    """An import runs nothing that the file names, so no list of dangerous names is needed."""
    from fastai.vision.all import Resize

    learner = tiny_learner(loaders(folder, Resize(32)))
    learner.extra = Called(os.system, f"touch {tmp_path / 'marker'}")
    learner.export(tmp_path / "export.pkl", pickle_module=pickle)
    report = inspect_file(tmp_path / "export.pkl")
    assert not report.fatal
    assert f"{os.name}.system" in report.names
    assert restore(tmp_path / "export.pkl").parts.labels == ("cat", "dog")
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("saved", ["model", "tensor"])
def test_file_without_a_learner_is_refused(saved: str, tmp_path: Path) -> None:
    import torch
    from torch import nn

    net = nn.Sequential(nn.Linear(3, 2))
    path = tmp_path / "weights.pth"
    torch.save(net if saved == "model" else torch.ones(3), path)
    report = inspect_file(path)
    assert codes(report) == {"no-learner"}
    message = report.problems[0].message
    assert ("only weights" if saved == "tensor" else "only the network") in message
    assert "learn.export()" in message


def test_regression_is_refused(write: Write, folder: Path) -> None:
    from fastai.vision.all import MSELossFlat, RegressionBlock, Resize

    data = loaders(folder, Resize(32), get_y=lambda path: 1.0, target=RegressionBlock)
    report = inspect_file(write(data, loss_func=MSELossFlat(), metrics=[]))
    assert (report.task, codes(report)) == ("regression", {"not-classification"})


def test_doctor_prints_the_report(write: Write) -> None:
    path = write()
    result = run("doctor", path)
    assert (result.exit_code, result.stderr) == (0, "")
    printed = " ".join(result.stdout.split())
    for words in ("one label per photo", "2: cat, dog", "none of its code runs", "Nothing blocks"):
        assert words in printed
    assert "--trust" not in printed
    # The verdict is the last thing on the screen.
    assert printed.endswith(f"python -m model import {path} --name NAME")


def test_doctor_prints_json(write: Write) -> None:
    result = run("doctor", "--json", write())
    report = json.loads(result.stdout)
    keys = "file bytes weights_bytes format kind task labels plan left_behind names problems"
    assert list(report) == [*keys.split(), "needs_trust", "fatal"]
    assert (result.exit_code, report["fatal"], report["problems"]) == (0, False, [])


def test_inspecting_imports_no_module_that_the_export_names(write: Write) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from model.importing.inspect.inspection import inspect_file\n"
        "import model.cli.importing\n"
        "before = set(sys.modules)\n"
        "assert inspect_file(Path(sys.argv[1])).kind == 'vision'\n"
        "print(*sys.modules, sep='\\n')\n"
        "print(*('new ' + name for name in set(sys.modules) - before), sep='\\n')\n"
    )
    loaded = set(run_python("-c", code, write()).stdout.splitlines())
    heavy = set("torch fastai fastcore pandas streamlit timm cloudpickle onnx filelock".split())
    assert loaded & heavy == set()
    named = {line for line in loaded if line.startswith("new ")}
    assert {line for line in named if "fast" in line or "torch" in line or "plum" in line} == set()


@pytest.fixture(scope="module")
def both(write: Write) -> list[bytes]:
    """An export in torch's format and in its older one, small."""
    import torch
    from fastai.vision.all import load_learner

    path = write(how={"pickle_module": pickle}, metrics=[])
    with pytest.warns(UserWarning, match="insecure"):
        learner = load_learner(path)
    old = path.with_suffix(".old")
    torch.save(learner, old, _use_new_zipfile_serialization=False)
    return [path.read_bytes(), old.read_bytes()]


def test_older_format_has_the_same_report(both: list[bytes], tmp_path: Path) -> None:
    path, reports = tmp_path / "export.pkl", []
    for data in both:
        path.write_bytes(data)
        reports.append(inspect_file(path))
    new, old = (report.model_dump(exclude={"bytes", "format", "names"}) for report in reports)
    assert [report.format for report in reports] == ["zip", "legacy"]
    assert new == old
    assert not reports[1].fatal


@pytest.mark.parametrize("which", [0, 1], ids=["zip", "legacy"])
def test_cut_export_is_damaged(both: list[bytes], which: int, tmp_path: Path) -> None:
    path, data = tmp_path / "export.pkl", both[which]
    for size in (*range(1, 400, 31), *range(400, len(data), 4999), len(data) - 1):
        path.write_bytes(data[:size])
        with suppress(ExportRefused):
            export = inspect_file(path)
            assert export.fatal
            assert which == 1 or "damaged" in codes(export), size


@given(st.data())
def test_damaged_export_is_read_or_refused(
    both: list[bytes], tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "export.pkl"
    path.write_bytes(data.draw(damaged(both, b"cRio\x81\x93Q0123(tbuse.\x94h")))
    with limited_memory(2**31), suppress(ExportRefused):
        json.loads(inspect_file(path).to_json())
