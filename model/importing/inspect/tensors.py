"""Tensors in a pickle or a safetensors file, as views of their storages, without torch.

Source: the specification of safetensors, https://huggingface.co/docs/safetensors. Its package isn't
part of the light install, in which ``doctor`` runs, and ``doctor`` needs only the header.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import ExportRefused
from . import printable
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


MAX_HEADER = 16 * 2**20
"""Bytes of the list of tensors; large networks have some 100 kB."""

STORAGES = {
    "F16": "HalfStorage",
    "BF16": "BFloat16Storage",
    "F32": "FloatStorage",
    "F64": "DoubleStorage",
    "I64": "LongStorage",
    "I32": "IntStorage",
    "I16": "ShortStorage",
    "I8": "CharStorage",
    "U8": "ByteStorage",
    "BOOL": "BoolStorage",
}
"""torch's storages by the types of safetensors."""


def is_safetensors(head: bytes) -> bool:
    """Return True if ``head`` begins a safetensors file, even one that was cut short."""
    return head[8:10] == b'{"' and 2 <= int.from_bytes(head[:8], "little") < 2**48


def read_safetensors(file: BinaryIO, size: int) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Return the tensors by name, and the offset of each one's numbers by its storage's key.

    Raises:
        ExportRefused: the header is damaged, or contradicts itself or the file's size.
    """
    length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER:
        raise _damaged("its list of tensors is larger than any network's")
    try:
        header = json.loads(file.read(length), object_pairs_hook=_to_dict)
    except (ValueError, RecursionError):
        raise _damaged("its list of tensors isn't valid JSON") from None
    if not isinstance(header, dict):
        raise _damaged("its list of tensors isn't a JSON object")
    header.pop("__metadata__", None)
    if not header:
        raise ExportRefused("This safetensors file holds no tensors.")
    tensors: dict[str, Tensor] = {}
    offsets: dict[str, int] = {}
    spans: list[tuple[int, int]] = []
    available = size - 8 - length
    for name, entry in header.items():
        tensors[name], begin, end = _tensor(name, entry, available)
        offsets[name] = 8 + length + begin
        spans.append((begin, end))
    spans.sort()
    ends = [0, *(end for _, end in spans)]
    begins = [*(begin for begin, _ in spans), available]
    if begins != ends:
        raise _damaged("its tensors overlap or leave gaps")
    return tensors, offsets


def _to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object without duplicate keys, of which readers take the first or the last."""
    if len(values := dict(pairs)) < len(pairs):
        raise _damaged("its list of tensors has a name twice")
    return values


def _tensor(name: str, entry: Any, available: int) -> tuple[Tensor, int, int]:
    """Return a tensor, and the begin and end of its bytes, counted from the end of the header."""
    try:
        kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise _damaged(f"its entry {printable(name)} isn't complete") from None
    if not isinstance(kind, str) or kind not in STORAGES:
        raise ExportRefused(
            f"Its tensor {printable(name)} is of the type {printable(str(kind))}, which Loupe "
            "doesn't read. Save the network with float32 or float16 weights."
        )
    if isinstance(shape, list) and len(shape) > MAX_DIMENSIONS:
        raise _damaged(f"{printable(name)} has more than {MAX_DIMENSIONS} dimensions")
    numbers = (*shape, begin, end) if isinstance(shape, list) else (None,)
    if not all(type(number) is int and 0 <= number < 2**48 for number in numbers):
        raise _damaged(f"the shape or the offsets of {printable(name)} aren't whole numbers")
    storage = Storage(STORAGES[kind], name, math.prod(shape))
    if end > available or end - begin != storage.bytes:
        raise _damaged(f"the data of {printable(name)} doesn't match its shape")
    strides = tuple(math.prod(shape[place + 1 :]) for place in range(len(shape)))
    return Tensor(storage, 0, tuple(shape), strides), begin, end


def _damaged(why: str) -> ExportRefused:
    return ExportRefused(
        f"This safetensors file is damaged or was not copied whole: {why}. Copy or download it "
        "again, and compare its size with the original's."
    )
