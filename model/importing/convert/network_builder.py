"""The network of an export: built from its layers, rebuilt by name, or unpickled.

Layers are built from plain data, without running a constructor.
"""

import importlib
import inspect
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import ExportRefused
from ..inspect import printable
from ..inspect.network import (
    FUNCTIONS,
    Function,
    Layer,
    LeftOut,
    Network,
    is_allowed_module,
    read_network,
)
from ..inspect.tensors import StrangeTensor, Tensor, to_numpy
from .named_network import load_named, timm_name
from .worker_report import WorkerReport, installed_here

ReadStorage = Callable[[str], bytes]


class CannotBuild(Exception):
    """A layer that the installed packages can't build; ``str()`` names its class."""


class Weights:
    """Tensors of an export: those that share a storage in the file share it in memory."""

    def __init__(self, read: ReadStorage) -> None:
        self._read = read
        self._storages: dict[str, bytes] = {}

    def tensor(self, tensor: Tensor) -> torch.Tensor:
        """Return a tensor on the CPU; floats of any precision become float32.

        Raises:
            ExportRefused: its numbers are not in the file.
        """
        key = tensor.storage.key
        try:
            if key not in self._storages:
                self._storages[key] = self._read(key)
            array = to_numpy(tensor, self._storages[key])
        except StrangeTensor as error:
            raise ExportRefused(f"The file is damaged or was not copied whole: {error}.") from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the view is read-only, and stays so
            result = torch.from_numpy(array)
        return result.float() if result.is_floating_point() else result


def build_network(network: Network, weights: Weights) -> nn.Module:
    """Return a network of layers of the allow-list, with its weights, for evaluation.

    Raises:
        CannotBuild: the installed packages have no such layer.
        ExportRefused: a layer replaces a method of its class, or a default with an object.
    """
    built: dict[int, nn.Module] = {}
    parameters: dict[Tensor, nn.Parameter] = {}

    def build(layer: Layer, path: str) -> nn.Module:
        if id(layer) in built:
            return built[id(layer)]
        cls = _layer_class(layer)
        module = cls.__new__(cls)
        nn.Module.__init__(module)
        state: dict[str, Any] = dict(vars(module))
        state["training"] = False
        state["_parameters"] = {
            key: None if tensor is None else _parameter(tensor, weights, parameters)
            for key, tensor in layer.parameters.items()
        }
        state["_buffers"] = {
            key: None if tensor is None else weights.tensor(tensor)
            for key, tensor in layer.buffers.items()
        }
        state["_non_persistent_buffers_set"] = set(layer.transient)
        state["_modules"] = {
            key: None if child is None else build(child, f"{path}.{key}".lstrip("."))
            for key, child in layer.layers.items()
        }
        for key, value in layer.attributes.items():
            if not _is_left_out(cls, key, value, path):
                state[key] = _value(value, weights)
        # torch's layers convert the state of older versions in ``__setstate__``.
        stored = {*layer.parameters, *layer.buffers, *layer.layers}
        newer = {key: value for key, value in _newer_attributes(cls).items() if key not in stored}
        module.__setstate__({**newer, **state})  # type: ignore[no-untyped-call]
        built[id(layer)] = module
        return module

    return build(network.root, "").eval()


def _parameter(tensor: Tensor, weights: Weights, known: dict[Tensor, nn.Parameter]) -> nn.Parameter:
    if tensor not in known:
        known[tensor] = nn.Parameter(weights.tensor(tensor), requires_grad=False)
    return known[tensor]


def _layer_class(layer: Layer) -> type[nn.Module]:
    """Return the class of a layer of the allow-list."""
    if not layer.is_allowed:
        raise CannotBuild(layer.full)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # timm's deprecated modules warn
            cls = vars(importlib.import_module(layer.module)).get(layer.name)
    except ImportError:
        raise CannotBuild(layer.full) from None
    if not isinstance(cls, type) or not issubclass(cls, nn.Module):
        raise CannotBuild(layer.full)
    if not is_allowed_module(cls.__module__):
        raise CannotBuild(layer.full)
    return cls


def _newer_attributes(cls: type[nn.Module]) -> dict[str, Any]:
    """Return the defaults of attributes that older versions of torch did not write."""
    if not cls.__module__.startswith("torch.nn.modules."):
        return {}
    return {
        name: parameter.default
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if parameter.default is None or isinstance(parameter.default, bool | int | float | str)
    }


def _is_left_out(cls: type, key: str, value: Any, path: str) -> bool:
    """Return True if an attribute isn't imported.

    Raises:
        ExportRefused: it replaces a method, or the class's own value would be used instead.
    """
    own = getattr(cls, key, None)
    if callable(own) and not isinstance(own, type):
        raise ExportRefused(
            f"Its layer {path or 'at the top'} replaces {key} of {cls.__name__}, which is code, "
            "and no import runs that. Put it into a class of its own and export again."
        )
    if not isinstance(value, LeftOut):
        return False
    if own is not None:
        raise ExportRefused(
            f"Its layer {path or 'at the top'} keeps {value.name} as {key}, which no import can "
            "take over, and would answer differently without."
        )
    return True


def _value(value: Any, weights: Weights) -> Any:
    if isinstance(value, Function):
        return _function(value.name)
    return weights.tensor(value) if isinstance(value, Tensor) else value


def _function(name: str) -> Any:
    """Return a function of the allow-list."""
    module, _, attribute = name.rpartition(".")
    function = getattr(importlib.import_module(module), attribute, None)
    if name not in FUNCTIONS or not isinstance(
        function, types.FunctionType | types.BuiltinFunctionType
    ):
        raise CannotBuild(name)
    return function


OWN_PHOTOS = "Its network", "Check that learn.predict works where it was trained."


def restore_network(
    value: Any, weights: Weights, report: WorkerReport, trusted: Path | None = None
) -> nn.Module:
    """Return a network in float32 on the CPU, for evaluation.

    ``value`` is its placeholder, ``trusted`` the export if its own code may run.

    Raises:
        ExportRefused: it has unknown classes, or doesn't run.
    """
    network = read_network(value)
    recipe = report.recipe
    if network.own:
        if trusted is None:
            raise ExportRefused(f"Its network is made of {network.own[0].full}.")
        from .trusted import unpickle_network

        model = unpickle_network(trusted)
        _check_channels(model, greyscale=recipe.greyscale)
        return model
    size = recipe.graph_size or recipe.size
    try:
        model = build_network(network, weights)
        _check_channels(model, greyscale=recipe.greyscale)
        check_runs(model, size, *OWN_PHOTOS)
    except (CannotBuild, AttributeError, TypeError) as error:
        # Layers of timm 0.9, for example, lack attributes that timm 1.0 reads.
        rebuilt = _rebuild_by_timm(network, weights, report)
        if rebuilt is None:
            raise ExportRefused(_cannot_rebuild(error)) from None
        check_runs(rebuilt, size, *OWN_PHOTOS)
        return rebuilt
    return model


def _rebuild_by_timm(network: Network, weights: Weights, report: WorkerReport) -> nn.Module | None:
    """Return a network of timm by its name, with the weights of the export.

    None if it isn't timm's, or the installed timm has no network that they fit.
    """
    layers = (layer for layer in network.layers() if layer.module.startswith("timm.models."))
    name = next(filter(None, (timm_name(layer.attributes) for layer in layers)), "")
    state = {key: weights.tensor(tensor) for key, tensor in network.weights().items()}
    try:
        return load_named(name, state, 0, report)[0]
    except ExportRefused:
        return None


def check_runs(model: nn.Module, size: tuple[int, int], title: str, advice: str) -> None:
    """Run a network once on black images of (height, width).

    Raises:
        ExportRefused: it can't take them; begins with ``title`` and ends with ``advice``.
        AttributeError, TypeError: layers of another version lack attributes.
    """
    height, width = size
    try:
        with torch.inference_mode():
            model(torch.zeros(2, channels_of(model), height, width))
    except (RuntimeError, AssertionError, ValueError) as error:
        # torch has no class for this error, and the caller's advice is about memory.
        if "allocate memory" in str(error):
            raise
        raise ExportRefused(
            f"{title} can't take photos of {height} × {width}: "
            f"{printable(str(error)).rstrip('.! ')}. {advice}"
        ) from None


def channels_of(model: nn.Module) -> int:
    """Return how many channels a network's first convolution takes; 3 without one."""
    first = next((part for part in model.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels


def _check_channels(model: nn.Module, *, greyscale: bool) -> None:
    channels = channels_of(model)
    if channels != 3 and not (greyscale and channels == 1):
        raise ExportRefused(
            f"Its network takes images of {channels} channels, and its photos have "
            f"{'1 or 3' if greyscale else '3 (RGB)'}."
        )


def _cannot_rebuild(error: Exception) -> str:
    reason = str(error).partition("\n")[0][:200]
    is_missing = isinstance(error, CannotBuild)
    what = f"has no {reason}" if is_missing else f"can't run its layers ({reason})"
    return (
        f"Its network can't be rebuilt: what is installed ({installed_here()}) {what}. Where it "
        "was trained, update these packages, load the weights (learn.load), and call "
        "learn.export() again."
    )
