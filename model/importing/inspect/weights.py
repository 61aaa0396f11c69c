"""A file of weights alone: a state dict, as ``learn.save`` and ``torch.save`` write it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ExportRefused
from .export_report import printable
from .tensors import StrangeTensor, Tensor, as_tensor, repeats_numbers
from .values import full_name

WRAPPERS = ("model", "state_dict", "model_state_dict")
"""Keys under which checkpoints keep the weights; the first is fastai's."""

PARALLEL = "module."
"""Prefix of every name if the network was trained on several GPUs."""

MAX_TENSORS = 50_000
MAX_NAME = 500

HEAD = re.compile(r"(1|fc|heads?|last_linear|classifier)\.")
"""Prefixes of the names of a network's last layers."""


@dataclass(frozen=True)
class StateDict:
    """Tensors by name, in the order of the file, and the names of the file's other entries."""

    tensors: Mapping[str, Tensor]
    unneeded: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """Rows of the last linear layer, as far as names tell; 0 if none was found."""
        matrices = [name for name, tensor in self.tensors.items() if len(tensor.shape) == 2]
        last = [name for name in matrices if HEAD.match(name)] or matrices
        return self.tensors[last[-1]].shape[0] if last else 0


def read_state_dict(root: Any) -> StateDict | None:
    """Return the weights of a file that holds nothing else; None if it is something else.

    Raises:
        ExportRefused: a tensor is invalid.
    """
    if not isinstance(root, dict):
        return None
    key = next((key for key in WRAPPERS if isinstance(root.get(key), dict)), None)
    values = root if key is None else root[key]
    if not values or not all(isinstance(name, str) for name in values):
        return None
    if len(values) > MAX_TENSORS or max(map(len, values)) > MAX_NAME:
        return None
    tensors = {name: _tensor(name, value) for name, value in values.items()}
    known = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    if len(known) < len(tensors):
        return None
    if repeats_numbers(known.values()):
        raise ExportRefused(
            "Its weights claim far more numbers than the file holds. Do not load it; ask its "
            "author for the file."
        )
    if all(name.startswith(PARALLEL) for name in known):
        known = {name.removeprefix(PARALLEL): tensor for name, tensor in known.items()}
    others = () if key is None else tuple(_named(name) for name in root if name != key)
    return StateDict(known, others)


def _tensor(name: str, value: Any) -> Tensor | None:
    try:
        return value if isinstance(value, Tensor) else as_tensor(value)
    except StrangeTensor as error:
        raise ExportRefused(
            f"Its weights {printable(name)} can't be read: {error}. Copy or download the file "
            "again; if that doesn't help, ask its author for it."
        ) from None


def _named(name: Any) -> str:
    if not isinstance(name, str):
        return full_name(name)
    return "state of the optimizer" if name == "opt" else f"entry {printable(name)}"


def describe_weights(state: StateDict) -> tuple[str, ...]:
    """Describe weights, and what the file lacks, one sentence each."""
    numbers = sum(tensor.count for tensor in state.tensors.values())
    sentences = [f"It holds {len(state.tensors):,} tensors with {numbers:,} numbers."]
    if {name.partition(".")[0] for name in state.tensors} == {"0", "1"}:
        sentences.append("They are named as in vision_learner's networks: a body and a head.")
    if state.outputs:
        sentences.append(f"Its last layer seems to have {state.outputs:,} outputs: one per label.")
    sentences.append("The network's name, its labels and its preprocessing aren't in the file.")
    return tuple(sentences)
