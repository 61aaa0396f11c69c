"""Exports that fastai writes: what is said of them, and that they are not loaded for it."""

import json
import pickle
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from model.cli import main
from model.importing.inspect import ExportReport
from model.importing.inspect.inspection import inspect_file
from model.settings import ROOT

pytestmark = pytest.mark.torch

Write = Callable[..., Path]


def label_of(path: Path) -> str:
    """A label function in a module."""
    return path.parent.name


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for label in ("cat", "dog"):
        (folder / label).mkdir()
        for number in range(2):
            Image.new("RGB", (40, 40), (90 * number, 99, 0)).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def loaders(photos: Path) -> Callable[..., Any]:
    """Data loaders of a DataBlock with some of its parts replaced."""
    from fastai.vision.all import (
        CategoryBlock,
        DataBlock,
        ImageBlock,
        Resize,
        get_image_files,
        parent_label,
    )

    def make(**changed: Any) -> Any:
        parts: dict[str, Any] = {
            "blocks": (ImageBlock, CategoryBlock),
            "get_items": get_image_files,
            "get_y": parent_label,
            "splitter": lambda items: ([0, 3], [1, 2]),
            "item_tfms": Resize(32),
        }
        return DataBlock(**{**parts, **changed}).dataloaders(photos, bs=2, num_workers=0)

    return make


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory, loaders: Callable[..., Any]) -> Write:
    """Export a learner with a tiny network, or the one given."""
    from fastai.vision.all import Learner, accuracy
    from torch import nn

    folder = tmp_path_factory.mktemp("exports")

    def make(
        dls: Any = None, net: Any = None, how: dict[str, Any] | None = None, **options: Any
    ) -> Path:
        net = net or nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
        learner = Learner(dls or loaders(), net, **{"metrics": accuracy, **options})
        path = folder / f"{len(list(folder.iterdir()))}.pkl"
        learner.export(path, **(how or {}))
        return path

    return make


def codes(export: ExportReport, *, fatal: bool | None = None) -> set[str]:
    return {problem.code for problem in export.problems if fatal is None or problem.fatal is fatal}


def name(export: ExportReport, full: str) -> Any:
    (found,) = [one for one in export.names if one.full == full]
    return found


def test_a_plain_export_has_nothing_against_it(write: Write) -> None:
    export = inspect_file(write())
    assert (export.format, export.kind, export.task) == ("zip", "vision", "single-label")
    assert export.labels == ("cat", "dog")
    # The network's, and a number or two that fastai keeps as tensors.
    assert 32 <= export.weights_bytes < 64
    assert codes(export, fatal=True) == set()
    assert {"dangerous", "other"} & {one.group for one in export.names} == set()
    assert export.inferred["fastai"] == "2.8 or later"
    assert name(export, "fastai.learner.Learner").called
    assert name(export, "fastai.vision.augment.Resize").group == "fastai"
    assert not name(export, "fastai.metrics.accuracy").called


def test_the_python_is_read_off_the_code(write: Write) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert inspect_file(write()).inferred["python"] in (here, "3.11 or later")


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("module", ["pickle", "cloudpickle"])
def test_all_protocols_are_read(write: Write, protocol: int, module: str) -> None:
    import importlib

    how = {"pickle_module": importlib.import_module(module), "pickle_protocol": protocol}
    export = inspect_file(write(how=how))
    assert (export.kind, export.labels, export.fatal) == ("vision", ("cat", "dog"), False)


def test_enumerations_of_early_python_311_are_read(write: Write) -> None:
    class Pickler(pickle.Pickler):
        def reducer_override(self, value: Any) -> Any:
            by_name = isinstance(value, Image.Resampling)
            return (getattr, (type(value), value.name)) if by_name else NotImplemented

    module = types.ModuleType("early")
    vars(module).update(vars(pickle) | {"Pickler": Pickler})
    export = inspect_file(write(how={"pickle_module": module}))
    assert (export.labels, export.problems) == (("cat", "dog"), ())


def test_what_students_do_is_not_called_dangerous(
    write: Write, loaders: Callable[..., Any]
) -> None:
    from functools import partial

    from fastai.vision.all import (
        Adam,
        CSVLogger,
        F1Score,
        FocalLossFlat,
        LabelSmoothingCrossEntropyFlat,
        MixUp,
        Normalize,
        RandomResizedCrop,
        RegexLabeller,
        aug_transforms,
        error_rate,
        imagenet_stats,
        ranger,
        using_attr,
    )

    exports = [
        write(loaders(get_y=lambda path: path.parent.name)),
        write(loaders(get_y=using_attr(RegexLabeller(r"^(\d)"), "name"))),
        write(
            loaders(
                item_tfms=RandomResizedCrop(32),
                batch_tfms=[
                    *aug_transforms(),
                    Normalize.from_stats(*imagenet_stats, cuda=False),
                ],
            )
        ),
        write(cbs=[MixUp(), CSVLogger()], metrics=[error_rate, F1Score(average="macro")]),
        write(loss_func=LabelSmoothingCrossEntropyFlat(), opt_func=ranger),
        write(loss_func=FocalLossFlat(), opt_func=partial(Adam, eps=0.1)),
    ]
    for path in exports:
        export = inspect_file(path)
        assert codes(export) == set(), [one.message for one in export.problems]


@pytest.mark.parametrize(
    ("network", "library"),
    [("resnet18", "torchvision"), ("xresnet18", "fastai"), ("resnet10t", "timm")],
)
def test_the_library_of_the_network(
    network: str, library: str, loaders: Callable[..., Any], tmp_path: Path
) -> None:
    import fastai.vision.all as fastai

    learner = fastai.vision_learner(
        loaders(), getattr(fastai, network, network), pretrained=False, normalize=False
    )
    learner.export(tmp_path / "export.pkl")
    export = inspect_file(tmp_path / "export.pkl")
    assert (export.library, export.fatal) == (library, False)
    assert export.weights_bytes > 1e6


def test_several_labels(write: Write, loaders: Callable[..., Any]) -> None:
    from fastai.vision.all import BCEWithLogitsLossFlat, ImageBlock, MultiCategoryBlock

    dls = loaders(
        blocks=(ImageBlock, MultiCategoryBlock(vocab=["x", "y"])), get_y=lambda path: ["x"]
    )
    export = inspect_file(write(dls, loss_func=BCEWithLogitsLossFlat(), metrics=[]))
    assert (export.task, export.labels) == ("multi-label", ("x", "y"))


def _own_module() -> dict[str, Any]:
    """A notebook's own function and classes."""
    import types

    source = (
        "import os\n"
        "from torch import nn\n"
        "def label(path): return os.path.basename(os.path.dirname(path))\n"
        "def label_and_run(path): return os.system('true')\n"
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
    return module.__dict__


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    import types

    values = _own_module()
    module = types.ModuleType("__main__")
    module.__dict__.update(values)
    monkeypatch.setitem(sys.modules, "__main__", module)
    return values


def test_own_code_by_name_is_missing_here(
    write: Write, loaders: Callable[..., Any], own: dict[str, Any]
) -> None:
    """As fastai before 2.8 wrote it, and as one may still."""
    how = {"pickle_module": pickle}
    export = inspect_file(write(loaders(get_y=own["label"]), how=how))
    assert codes(export) == set()
    assert "label function __main__.label" in export.left_behind
    export = inspect_file(write(loaders(get_y=own["label"]), how=how, loss_func=own["Loss"]()))
    assert codes(export) == {"not-understood"}
    assert "loss function is __main__.Loss" in export.problems[0].message
    assert name(export, "__main__.label").role == "function"
    # A loss has layers, too, but is none of the network's.
    assert name(export, "__main__.Loss").role == "class"
    assert name(export, "__main__.label").group == "own"
    export = inspect_file(write(net=own["Net"](), how=how))
    assert codes(export, fatal=True) == {"own-network"}
    assert "PYTHONPATH" in export.problems[0].message
    assert name(export, "__main__.Net").role == "network"
    assert export.library == "own"


def test_own_code_in_the_file_is_named(
    write: Write, loaders: Callable[..., Any], own: dict[str, Any]
) -> None:
    export = inspect_file(write(loaders(get_y=own["label"]), net=own["Net"]()))
    assert codes(export) == {"own-network"}
    assert export.needs_trust
    assert "--trust" in export.problems[0].message
    assert name(export, "__main__.label").carried
    net = name(export, "__main__.Net")
    assert (net.carried, net.role, net.group) == (True, "network", "own")


def test_own_code_that_starts_programs_is_named(
    write: Write, loaders: Callable[..., Any], own: dict[str, Any]
) -> None:
    from fastai.vision.all import Learner
    from torch import nn

    dls = loaders()
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    learner = Learner(dls, net, splitter=own["label_and_run"])
    path = write(how=None).with_name("runs.pkl")
    learner.export(path)
    export = inspect_file(path)
    # It is never run, so it blocks nothing.
    assert not export.fatal
    assert any("uses system" in line for line in export.left_behind)


@pytest.mark.parametrize("wanted", ["model", "tensor", "bare"])
def test_what_is_no_learner_is_said(wanted: str, tmp_path: Path) -> None:
    import torch
    from torch import nn

    net = nn.Sequential(nn.Linear(3, 2))
    path = tmp_path / "weights.pth"
    if wanted == "bare":
        path.write_bytes(pickle.dumps(net))
    else:
        torch.save(net if wanted == "model" else torch.ones(3), path)
    export = inspect_file(path)
    assert codes(export) == {"no-learner", *({"bare-pickle"} if wanted == "bare" else set())}
    (said,) = [one.message for one in export.problems if one.code == "no-learner"]
    assert ("only weights" if wanted == "tensor" else "only the network") in said
    assert "learn.export()" in said


def test_torchscript_is_said(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "script.pkl"
    # As torch.jit.save writes it; torch itself deprecates making one.
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("script/data.pkl", b"\x80\x02c__torch__\nNet\n)\x81.")
        opened.writestr("script/code/__torch__.py", b"class Net: ...")
        opened.writestr("script/constants.pkl", b"\x80\x02).")
        opened.writestr("script/version", b"3\n")
    assert codes(inspect_file(path)) == {"torchscript"}


def test_numbers_in_place_of_labels_are_refused(write: Write, loaders: Callable[..., Any]) -> None:
    from fastai.vision.all import ImageBlock, MSELossFlat, RegressionBlock

    dls = loaders(blocks=(ImageBlock, RegressionBlock), get_y=lambda path: 1.0)
    export = inspect_file(write(dls, loss_func=MSELossFlat(), metrics=[]))
    assert (export.task, codes(export, fatal=True)) == ("regression", {"not-classification"})


def test_doctor_reads_well(write: Write) -> None:
    path = write()
    result = CliRunner().invoke(main, ["doctor", str(path)])
    assert (result.exit_code, result.stderr) == (0, "")
    said = " ".join(result.stdout.split())
    for words in (
        "vision learner",
        "one label per photo",
        "2: cat, dog",
        "Inferred from the file; may be wrong",
        "fastai 2.8 or later",
        "none of its code runs",
        "Not needed, so it stays behind",
        "Nothing blocks it",
    ):
        assert words in said
    assert f"python -m model import {path} --name NAME" in said
    assert "--trust" not in said


def test_doctor_prints_json(write: Write) -> None:
    result = CliRunner().invoke(main, ["doctor", "--json", str(write())])
    found = json.loads(result.stdout)
    assert list(found) == [
        "file",
        "bytes",
        "weights_bytes",
        "format",
        "kind",
        "task",
        "library",
        "labels",
        "plan",
        "left_behind",
        "names",
        "inferred",
        "problems",
        "needs_trust",
        "fatal",
    ]
    assert set(found["names"][0]) == {"module", "name", "group", "called", "role", "carried"}
    assert found["problems"] == []
    assert (result.exit_code, found["fatal"]) == (0, False)


def test_nothing_is_imported_for_it(write: Write) -> None:
    """Neither torch nor fastai, nor a module that the export names."""
    code = (
        "import sys; from pathlib import Path\n"
        "from model.importing.inspect.inspection import inspect_file\n"
        "import model.cli.doctor\n"
        "before = set(sys.modules)\n"
        "assert inspect_file(Path(sys.argv[1])).kind == 'vision'\n"
        "print(*sys.modules, sep='\\n')\n"
        "print(*('new ' + name for name in set(sys.modules) - before), sep='\\n')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(write())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(result.stdout.splitlines())
    heavy = {"torch", "fastai", "fastcore", "pandas", "streamlit", "timm", "cloudpickle"}
    assert loaded & heavy == set()
    named = {line for line in loaded if line.startswith("new ")}
    assert {line for line in named if "fast" in line or "torch" in line or "plum" in line} == set()
