"""Whole imports of real exports, each in its own process."""

import json
import pickle
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from model import load
from model.bundle import read_samples
from tests.model.command import run
from tests.model.importing.learners import (
    LEARNER_MARKS,
    assert_engines_agree,
    loaders,
    tiny_learner,
    vision,
)

pytestmark = LEARNER_MARKS

OWN = '''
"""The owner's module: a network, and code that reports its environment when it is loaded."""
import json, os
from pathlib import Path
from torch import nn


class OwnNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.answer = nn.Linear(8, 3)

    def forward(self, x):
        return self.answer(self.pool(self.stem(x)).flatten(1))


class Fickle(OwnNet):
    def forward(self, x):
        found = super().forward(x)
        return found if found.sum().item() > 0 else -found


class Broken(OwnNet):
    def forward(self, x):
        return missing_helper(super().forward(x))


def look(path):
    Path(path).write_text(json.dumps(dict(os.environ)))
    return "looked"


class Calls:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call
'''


@pytest.fixture(scope="module")
def folder(three_labels: Path) -> Path:
    return three_labels


def label(path: Path) -> str:
    """A label function as a notebook has it."""
    return path.parent.name


def exported(learner: Any, path: Path) -> Path:
    """Export with code by reference, as fastai did for years."""
    learner.path = path.parent
    learner.export(path.name, pickle_module=pickle)
    return path


def from_windows(path: Path) -> None:
    """Replace the class of all paths in an export."""
    changed = path.with_suffix(".windows")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("data.pkl"):
                # Python 3.13 writes pathlib._local, other versions pathlib.
                posix = f"c{Path.__module__}\nPosixPath\n".encode()
                assert posix in data
                data = data.replace(posix, posix.replace(b"Posix", b"Windows"))
            new.writestr(name, data)
    shutil.move(changed, path)


@pytest.mark.slow
def test_export_of_a_notebook_on_windows_is_imported(
    folder: Path,
    tmp_path: Path,
    data_folder: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The export is presized, with a body of timm and a label function that no longer exists."""
    from fastai.vision.all import Normalize, Resize, aug_transforms, load_learner

    norm = Normalize.from_stats([0.5, 0.4, 0.3], [0.2, 0.3, 0.4], cuda=False)
    batches = [*aug_transforms(size=48, min_scale=0.75), norm]
    with monkeypatch.context() as patch:
        patch.setattr("__main__.label", label, raising=False)
        patch.setattr(label, "__module__", "__main__")
        patch.setattr(label, "__qualname__", "label")
        learner = vision(loaders(folder, Resize(100), batches, get_y=label), "test_byobnet")
        path = exported(learner, tmp_path / "export.pkl")
        with pytest.warns(UserWarning, match="insecure pickle"):
            reference = load_learner(path)
    from_windows(path)
    photos = shutil.copytree(folder, tmp_path / "photos")
    Image.open(folder / "cat" / "0.png").resize((1600, 1200)).save(photos / "large.jpg")
    result = run("import", path, "--name", "notebook", "--photos", photos, "--samples")
    assert result.exit_code == 0, result.stderr
    assert "3 labels: cat, dog, owl" in result.stdout
    assert "engines: compiled, learner" in result.stdout
    assert "Compared 13 photos through fastai and through Loupe: at most" in result.stderr
    assert list(temporary.glob("loupe-*")) == []
    samples = read_samples(load("notebook").bundle)
    assert ("Visitors see" if samples else "No samples") in result.stderr
    for sample in samples:
        assert load("notebook").identify(sample.photo).answer == sample.entry.label
    manifest = load("notebook").bundle.manifest
    assert (manifest.architecture.library, manifest.architecture.body) == ("timm", "test_byobnet")
    assert manifest.recipe.graph_size == (48, 48)
    assert_engines_agree("notebook", reference, folder / "dog" / "1.png")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The owner's module in a folder on PYTHONPATH."""
    place = tmp_path / "own"
    place.mkdir()
    (place / "own_module.py").write_text(OWN)
    monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("PYTHONPATH", str(place))
    monkeypatch.delitem(sys.modules, "own_module", raising=False)
    import own_module  # type: ignore[import-not-found]

    return own_module


def multilabel(folder: Path, own: Any) -> Any:
    from fastai.vision.all import BCEWithLogitsLossFlat, Resize, ResizeMethod

    data = loaders(folder, Resize(64, ResizeMethod.Pad, pad_mode="zeros"), multilabel=True)
    return tiny_learner(data, own.OwnNet(), loss_func=BCEWithLogitsLossFlat())


@pytest.mark.slow
def test_own_network_runs_with_trust_and_sees_no_secrets(
    folder: Path,
    own: Any,
    tmp_path: Path,
    data_folder: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOUPE_SECRET", "hush")
    monkeypatch.setenv("OTHER_TOKEN", "hush")
    learner = multilabel(folder, own)
    learner.model.looks = own.Calls(own.look, str(tmp_path / "seen.json"))
    path = exported(learner, tmp_path / "export.pkl")
    (tmp_path / "seen.json").unlink(missing_ok=True)

    refused = run("import", path, "--name", "own")
    assert refused.exit_code == 2
    assert "made of own_module.OwnNet" in refused.stderr
    assert "--trust" in refused.stderr
    assert not (tmp_path / "seen.json").exists()

    result = run("import", path, "--name", "own", "--trust")
    assert result.exit_code == 0, result.stderr
    assert "engines: compiled\n" in result.stdout
    manifest = load("own").bundle.manifest
    assert manifest.multilabel
    assert (manifest.architecture.body, manifest.architecture.features) == ("OwnNet", 8)
    assert list(temporary.glob("loupe-*")) == []

    # The tests of the launcher say what else its code can't see.
    assert "hush" not in (tmp_path / "seen.json").read_text()

    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.setattr(sys, "path", [part for part in sys.path if part != str(tmp_path / "own")])
    (tmp_path / "seen.json").unlink()
    refused = run("import", path, "--name", "own", "--trust")
    assert refused.exit_code == 2
    assert "own_module.OwnNet" in refused.stderr
    assert not (tmp_path / "seen.json").exists()
    assert load("own").bundle.manifest == manifest


@pytest.mark.slow
def test_network_that_cannot_be_compiled_or_run_is_refused_with_the_reason(
    folder: Path, own: Any, tmp_path: Path
) -> None:
    """In this process, since nothing of it is hostile."""
    from fastai.vision.all import Resize

    from model.importing import worker

    (tmp_path / "out").mkdir()
    data = loaders(folder, Resize(64))
    expected = {
        "Fickle": ("compiling", "data-dependent"),
        "Broken": ("loading", "NameError: name 'missing_helper' is not defined"),
    }
    for name, (stage, message) in expected.items():
        path = exported(tiny_learner(data, getattr(own, name)()), tmp_path / "export.pkl")
        (tmp_path / "task.json").write_text(
            json.dumps({"export": str(path), "photos": [], "trust": True, "weights": None})
        )
        assert worker.main(tmp_path) == 1
        refusal = json.loads((tmp_path / "out" / "refusal.json").read_text())
        assert refusal["foreign"]
        assert refusal["stage"] == stage
        assert message in refusal["message"]
