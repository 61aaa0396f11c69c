"""What is missing is stood in for while an export is read, and refused when it is needed."""

import functools
import pickle
import sys
from pathlib import Path, PurePath
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from model.errors import ExportRefused
from tests.model.training.importing.learners import loaders, pictures, vision

pytestmark = pytest.mark.torch


def written(path: Path, thing: Any, protocol: int = 2) -> Path:
    import torch

    torch.save(thing, path, pickle_module=pickle, pickle_protocol=protocol)
    return path


def module_of(name: str, monkeypatch: pytest.MonkeyPatch, **contents: Any) -> ModuleType:
    """A module that is there until it is taken away."""
    module = ModuleType(name)
    for key, value in contents.items():
        if isinstance(value, type) or callable(value):
            value.__module__, value.__qualname__, value.__name__ = name, key, key
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def unpickled(path: Path) -> Any:
    from model.training.importing.unpickling import unpickle

    return unpickle(path)


class Thing:
    """Takes attributes, items, arguments: everything that a pickle can do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args

    def __reduce__(self) -> Any:
        return type(self), (1, 2), {"state": self.args}, iter([3]), iter([("key", 4)])

    def append(self, item: Any) -> None: ...

    def extend(self, items: Any) -> None: ...

    def __setitem__(self, key: Any, value: Any) -> None: ...

    @classmethod
    def made(cls) -> "Thing":
        return cls()


class Plain(dict):  # type: ignore[type-arg]
    """Made by ``copyreg``, with items and a state."""


def function(x: int) -> int:
    return x


@pytest.mark.parametrize("protocol", [2, 4])
def test_missing_classes_and_functions_become_stubs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    with monkeypatch.context() as patch:
        module = module_of("gone", patch, Thing=Thing, Plain=Plain, function=function)
        plain = Plain(a=1)
        plain.extra = 2
        things = {
            "thing": module.Thing("x"),
            "plain": plain,
            "function": module.function,
            "partial": functools.partial(module.function, 1),
            "method": module.Thing.made,
            "kept": [1, 2],
        }
        path = written(tmp_path / "gone.pkl", things, protocol)
    result = unpickled(path)
    assert set(result.stubs) == {"gone.Thing", "gone.Plain", "gone.function"}
    assert result.found["kept"] == [1, 2]
    from model.training.importing.unpickling import held, named

    for key, full in (("thing", "Thing"), ("function", "function"), ("partial", "function")):
        stub = held(SimpleNamespace(inner=[{"deep": result.found[key]}]))
        assert stub is not None
        assert named(stub) == f"gone.{full}"
    assert held(SimpleNamespace(inner=[{"deep": result.found["kept"]}])) is None
    for call in (result.found["function"], result.found["partial"], result.found["thing"]):
        with pytest.raises(ExportRefused, match="Answering needs gone"):
            call(1)


def test_a_missing_name_of_an_installed_module_and_a_module_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module.py").write_text("raise RuntimeError('as it may be')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with monkeypatch.context() as patch:
        broken = module_of("broken_module", patch, function=lambda: None)
        patch.setattr("model.settings.gone", lambda: None, raising=False)
        import model.settings

        gone: Any = model.settings.gone  # type: ignore[attr-defined]
        gone.__module__, gone.__qualname__, gone.__name__ = "model.settings", "gone", "gone"
        path = written(tmp_path / "names.pkl", [broken.function, gone])
    assert set(unpickled(path).stubs) == {"broken_module.function", "model.settings.gone"}


def test_what_was_defined_in_main_is_never_taken_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("__main__.label", function, raising=False)
    monkeypatch.setattr(function, "__module__", "__main__")
    monkeypatch.setattr(function, "__qualname__", "label")
    path = written(tmp_path / "main.pkl", {"get_y": function})
    assert set(unpickled(path).stubs) == {"__main__.label"}


@pytest.mark.parametrize("module", ["pathlib", "pathlib._local"])
def test_paths_of_another_system_and_another_python_are_read(tmp_path: Path, module: str) -> None:
    data = pickle.dumps(Path("some/where"), protocol=2)
    for name in ("WindowsPath", "PosixPath"):
        # Python 3.13 writes pathlib._local, other versions pathlib.
        written_by = f"c{Path.__module__}\n{type(Path()).__name__}\n"
        changed = data.replace(written_by.encode(), f"c{module}\n{name}\n".encode())
        assert name.encode() in changed
        # As torch.save wraps it, with the bytes in the middle exchanged.
        import zipfile

        source = written(tmp_path / "path.pkl", Path("some/where"))
        target = tmp_path / "changed.pkl"
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
            for entry in old.namelist():
                content = changed if entry.endswith("data.pkl") else old.read(entry)
                new.writestr(entry, content)
        found = unpickled(target).found
        assert isinstance(found, PurePath)
        assert found.parts == ("some", "where")


def test_stubs_in_a_network_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastai.vision.all import nn

    from model.training.importing.network import check_network

    def squash(x: Any) -> Any:
        return x

    class Block(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x

    with monkeypatch.context() as patch:
        module = module_of("net", patch, squash=squash, Block=Block)
        layer = nn.Conv2d(3, 2, 3)
        layer.act = module.squash
        inner = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Sequential(module.Block()))
        paths = {
            "net.squash": written(tmp_path / "1.pkl", nn.Sequential(layer)),
            "net.Block": written(tmp_path / "2.pkl", inner),
        }
        whole = written(tmp_path / "3.pkl", module.Block())
    for name, path in paths.items():
        with pytest.raises(ExportRefused, match=f"network needs {name}, which is not here"):
            check_network(unpickled(path).found)
    with pytest.raises(ExportRefused, match="network needs net.Block"):
        check_network(unpickled(whole).found)


def test_a_missing_transform_matters_only_where_it_acts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastai.vision.all import Resize, TensorImage, Transform

    from model.training.importing.answers import labels, predict, without_stubs
    from model.training.importing.pipeline import read_steps

    folder = pictures(tmp_path / "photos")

    def transform(split: int | None) -> Any:
        class Own(Transform):  # type: ignore[misc]
            split_idx, order = split, 50

            def encodes(self, x: TensorImage) -> Any:
                return x

        return Own

    for split, refused in ((0, False), (None, True)):
        with monkeypatch.context() as patch:
            own = transform(split)
            module_of("own_transforms", patch, Own=own)
            learner = vision(loaders(folder, Resize(64), own()), "test_byobnet")
            learner.path = tmp_path
            learner.export("own.pkl", pickle_module=pickle)
        result = unpickled(tmp_path / "own.pkl")
        assert set(result.stubs) == {"own_transforms.Own"}
        if refused:
            with pytest.raises(ExportRefused, match="go through own_transforms.Own at validation"):
                read_steps(result.found)
            continue
        assert read_steps(result.found).recipe.size == (64, 64)
        assert labels(result.found) == ["cat", "dog"]
        without_stubs(result.found)
        photos = sorted(folder.rglob("*.png"))[:2]
        assert predict(result.found, photos, multilabel=False).shape == (2, 2)


def test_a_missing_loss_and_a_missing_callback(tmp_path: Path) -> None:
    from model.training.importing.answers import is_multilabel, without_stubs
    from model.training.importing.unpickling import Unpickled

    stub: Any = Unpickled().stub("wandb", "Callback")
    learner = SimpleNamespace(cbs=[object.__new__(stub), "kept"], loss_func=object.__new__(stub))
    without_stubs(learner)
    assert learner.cbs == ["kept"]
    with pytest.raises(ExportRefused, match="loss function needs wandb.Callback"):
        is_multilabel(learner, 2)
