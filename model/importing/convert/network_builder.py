"""A torch network built from layers as plain data, without running a constructor."""

import importlib
import inspect
import types
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ...errors import ExportRefused
from ..inspect.allowlist import FUNCTIONS, is_allowed_module
from ..inspect.network import Function, Layer, LeftOut, Network
from ..inspect.tensors import StrangeTensor, Tensor, to_numpy

ReadStorage = Callable[[str], bytes]


class CannotBuild(Exception):
    """A layer that the installed packages can't build; ``str()`` names its class."""


class Weights:
    """Tensors of an export: those that share a storage in the file share it in memory.

    Args:
        read: returns the bytes of a storage by its key.
    """

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

    Args:
        network: what was read.
        weights: its tensors.

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
