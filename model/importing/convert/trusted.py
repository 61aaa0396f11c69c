"""A network with classes of its own, unpickled with ``--trust``. Runs the file's code."""

import builtins
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import torch
from torch import nn

from ...errors import ExportRefused
from ..inspect.placeholders import Placeholder, PlaceholderType, full_name
from ..inspect.unpickler import UnpickleResult, resolve

NETWORKS = ("fastai.layers", "fastai.torch_core", "fastai.vision.learner", "fastai.vision.models")
"""Modules of fastai that networks need; all others prepare photos or train."""

UNNEEDED = ("fastai", "fastcore", "fastprogress", "fasttransform", "pathlib", "plum", "__main__")


class TrustingUnpickler(pickle.Unpickler):
    """Unpickles a learner, but makes placeholders of fastai's parts for data and training."""

    def __init__(self, file: BinaryIO, **options: Any) -> None:
        super().__init__(file, **options)
        self.reading = UnpickleResult()

    def find_class(self, module: str, name: str) -> Any:
        """Return the class or function of a name; a placeholder if it is missing or not needed."""
        if (module, name) in (("builtins", "getattr"), ("__builtin__", "getattr")):
            return _getattr
        is_network = any(module == name or module.startswith(f"{name}.") for name in NETWORKS)
        if module.partition(".")[0] in UNNEEDED and not is_network:
            return resolve(self.reading, module, name)
        try:
            return super().find_class(module, name)
        except Exception:  # noqa: BLE001
            # A module may fail in any way when it is imported.
            return resolve(self.reading, module, name)


def unpickle_network(path: Path) -> nn.Module:
    """Return the network of an export in float32 on the CPU, for evaluation. Runs its code.

    Raises:
        ExportRefused: a part of it is not installed.
    """
    reader = SimpleNamespace(
        __name__=__name__,
        Unpickler=TrustingUnpickler,
        load=lambda file, **options: TrustingUnpickler(file, **options).load(),
    )
    learner = torch.load(path, map_location="cpu", pickle_module=reader, weights_only=False)
    model = learner.attributes.get("model") if isinstance(learner, Placeholder) else None
    if missing := _missing_part(model):
        raise ExportRefused(
            f"Its network needs {missing}, which is not installed. Put the file that defines it "
            "into a folder named in PYTHONPATH, or install its package, and import again."
        )
    if not isinstance(model, nn.Module):
        raise ExportRefused(f"Its model is a {full_name(model)}, not a torch module.")
    return model.cpu().float().eval()


def _getattr(owner: Any, name: str, *default: Any) -> Any:
    """Return an attribute; of a placeholder, a placeholder with a longer name."""
    kind = type(owner) if isinstance(owner, Placeholder) else owner
    if isinstance(kind, PlaceholderType):
        return PlaceholderType.of(kind.module, f"{kind.name}.{name}")
    return builtins.getattr(owner, name, *default)


def _missing_part(model: Any) -> str:
    """Return the name of the first placeholder in a network; empty if there is none."""
    pending, seen = [model], set()
    while pending:
        part = pending.pop()
        if isinstance(part, Placeholder | PlaceholderType):
            return full_name(part)
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, nn.Module):
            pending += vars(part).values()
        elif isinstance(part, dict):
            pending += part.values()
        elif isinstance(part, list | tuple | set):
            pending += part
    return ""
