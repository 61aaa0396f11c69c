"""Tensors in a pickle, as views of their storages, without torch."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .placeholders import DTYPES, Placeholder, PlaceholderType, Storage

MAX_DIMENSIONS = 16
MAX_SHARING = 4
"""Most numbers of all tensors, in multiples of those that the file holds."""

MAX_WRAPPED = 4
"""Most wrappers around the function that makes a tensor."""

PLAIN = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"}
PARAMETER = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
SUBCLASS = {
    "torch._tensor._rebuild_from_type",
    "torch._tensor._rebuild_from_type_v2",
    "torch.tensor._rebuild_from_type",
    "fastai.torch_core._rebuild_from_type",
}
FASTAI = {"fastai.torch_core._fa_rebuild_tensor"}


class StrangeTensor(ValueError):
    """A tensor that no network has; ``str()`` says why."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view of a storage; ``offset`` and ``strides`` count numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


def as_tensor(value: Any) -> Tensor | None:
    """Return the tensor that a placeholder stands for; None if it stands for something else.

    Raises:
        StrangeTensor: it reaches beyond its storage, repeats numbers, or has an unknown type.
    """
    maker, args = _call(value)
    for _ in range(MAX_WRAPPED):
        if maker in PLAIN:
            return _view(args)
        if maker in PARAMETER:
            maker, args = _call(args[0] if args else None)
        elif maker in SUBCLASS and len(args) > 2:
            inner = args[0]
            maker, args = (inner.full if isinstance(inner, PlaceholderType) else ""), args[2]
        elif maker in FASTAI and len(args) > 1:
            maker, args = "torch._utils._rebuild_tensor_v2", args[1:]
        else:
            break
        if not isinstance(args, tuple):
            raise StrangeTensor("a tensor is put together in an unknown way")
    return None


def _call(value: Any) -> tuple[str, tuple[Any, ...]]:
    return (value.kind, value.args) if isinstance(value, Placeholder) else ("", ())


def _view(args: tuple[Any, ...]) -> Tensor:
    if len(args) < 4 or not isinstance(args[0], Storage):
        raise StrangeTensor("a tensor has no numbers")
    storage, offset, shape, strides = args[0], args[1], _sizes(args[2]), _sizes(args[3])
    if storage.type not in DTYPES:
        raise StrangeTensor(f"a tensor is of the type {storage.type}")
    if not isinstance(offset, int) or offset < 0 or len(shape) != len(strides):
        raise StrangeTensor("a tensor's shape contradicts itself")
    tensor = Tensor(storage, offset, shape, strides)
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.size:
        raise StrangeTensor("a tensor reaches beyond the numbers that it has")
    if tensor.count > storage.size:
        raise StrangeTensor("a tensor claims more numbers than it has")
    return tensor


def _sizes(value: Any) -> tuple[int, ...]:
    if isinstance(value, Placeholder) and value.kind == "torch.Size" and value.args:
        value = value.args[0]
    if not isinstance(value, tuple | list) or len(value) > MAX_DIMENSIONS:
        raise StrangeTensor("a tensor's shape isn't a list of whole numbers")
    if not all(type(size) is int and 0 <= size < 2**48 for size in value):
        raise StrangeTensor("a tensor's shape isn't a list of whole numbers")
    return tuple(value)


def repeats_numbers(tensors: Iterable[Tensor]) -> bool:
    """Return True if tensors would take far more memory than their storages do."""
    storages: dict[str, int] = {}
    numbers = 0
    for tensor in tensors:
        storages[tensor.storage.key] = tensor.storage.size
        numbers += tensor.count
    return numbers > MAX_SHARING * sum(storages.values()) + 1_000_000


def to_numpy(tensor: Tensor, data: bytes) -> NDArray[Any]:
    """Return a tensor's numbers: a view of ``data``, the bytes of its storage.

    bfloat16 becomes float32, in a copy.

    Raises:
        StrangeTensor: ``data`` has another size than the storage, or NumPy has no such array.
    """
    dtype = np.dtype(DTYPES[tensor.storage.type])
    if len(data) != tensor.storage.bytes:
        raise StrangeTensor("its weights are not as many as it says")
    numbers = np.frombuffer(data, dtype)
    try:
        view = np.lib.stride_tricks.as_strided(
            numbers[tensor.offset :],
            tensor.shape,
            [step * dtype.itemsize for step in tensor.strides],
            writeable=False,
        )
    except (ValueError, OverflowError):
        # The tensor is empty, so that no check has limited its other sides.
        raise StrangeTensor("a tensor is larger than any array") from None
    if tensor.storage.type == "BFloat16Storage":
        return (view.astype(np.uint32) << 16).view(np.float32)
    return view
