"""Read the header of a safetensors file: its tensors as references into the file.

Source: the format's specification, https://huggingface.co/docs/safetensors. The safetensors package
isn't part of the light install, in which ``doctor`` runs, and ``doctor`` needs only the header.
"""

import json
import math
from typing import Any, BinaryIO

from ...errors import ExportRefused
from .export_report import printable
from .placeholders import Storage
from .tensors import MAX_DIMENSIONS, Tensor

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
