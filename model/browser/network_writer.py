"""The file of a packed network: steps of the kernels with their maps, weights, vector operators."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"LNN1"
ALIGNMENT = 64
"""Offsets in the file and in the arena are multiples of this, in bytes."""

READ = ("in", "other", "factors", "residual")
"""Names of the maps that a step reads."""

Array = NDArray[Any]
Step = dict[str, Any]


def stored_channels(channels: int) -> int:
    """Return the channels that a map has in memory: kernels work on four at a time."""
    return -(-channels // 4) * 4


class NetworkWriter:
    """Steps and weights so far. Maps are [height, width, channels]; a vector is one of one place.

    Attributes:
        shapes: of the maps that steps write, by name.
        writers: the steps that write them.
        tail: vector operators behind the steps, as operator, inputs and outputs.
    """

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.writers: dict[str, Step] = {}
        self.tail: list[list[Any]] = []
        self._steps: list[Step] = []
        self._data = bytearray()

    def put(self, array: Array, shape: Sequence[int] | None = None) -> int:
        """Store int8 or else float32 values, padded with zeros to a shape; return their offset."""
        padded = np.zeros(shape or array.shape, np.int8 if array.dtype == np.int8 else np.float32)
        padded[tuple(map(slice, array.shape))] = array
        self._data.extend(bytes(-len(self._data) % ALIGNMENT))
        self._data.extend(padded.tobytes())
        return len(self._data) - padded.nbytes

    def add(self, op: str, output: str, shape: Sequence[int], **values: Any) -> None:
        """Append a step; ``values`` are its attributes, and the maps of ``READ`` by name."""
        step = {"op": op, "number": len(self._steps), "out": output, "outShape": tuple(shape)}
        if "in" in values:
            step["inShape"] = self.shapes[values["in"]]
        self._steps.append(step | values)
        self.writers[output], self.shapes[output] = self._steps[-1], tuple(shape)

    def join(self, name: str, output: str, **values: Any) -> None:
        """Make the step that writes ``name`` write ``output`` instead, and add values to it."""
        step = self.writers[output] = self.writers[name]
        self.shapes[output] = self.shapes[name]
        step.update(out=output, **values)

    def to_bytes(self, size: Sequence[int], outputs: dict[str, str]) -> bytes:
        """Return the file.

        It is ``MAGIC``, the length of a JSON header as uint32, the header and, from the next
        multiple of ``ALIGNMENT`` on, the weights.

        Args:
            size: height and width of the photo.
            outputs: maps of one place, or vectors, by the names of the network's outputs.
        """
        read = [name for _, inputs, _ in self.tail for name in inputs if isinstance(name, str)]
        kept = sorted({*read, *outputs.values()} & self.shapes.keys())
        content = {
            "height": size[0],
            "width": size[1],
            "arena": self._plan_arena(kept),
            "steps": [{k: v for k, v in step.items() if k != "number"} for step in self._steps],
            "kept": {name: [self.writers[name]["out"], self.shapes[name][2]] for name in kept},
            "tail": self.tail,
            "outputs": outputs,
        }
        header = json.dumps(content, separators=(",", ":")).encode()
        file = MAGIC + len(header).to_bytes(4, "little") + header
        return file + bytes(-len(file) % ALIGNMENT) + bytes(self._data)

    def _plan_arena(self, kept: Sequence[str]) -> int:
        """Replace names of maps by offsets, each in the first gap that fits; return the size."""
        last = {step[key]: step["number"] for step in self._steps for key in READ if key in step}
        last |= dict.fromkeys(kept, len(self._steps))
        places: dict[str, tuple[int, int]] = {}
        for step in self._steps:
            height, width, channels = step["outShape"]
            # The photo keeps its three channels.
            stored = channels if step["op"] == "look-up" else stored_channels(channels)
            size = -(-4 * height * width * stored // ALIGNMENT) * ALIGNMENT
            at = 0
            is_live = {name: last.get(name, -1) >= step["number"] for name in places}
            for start, end in sorted(places[name] for name in places if is_live[name]):
                if at + size <= start:
                    break
                at = max(at, end)
            places[step["out"]] = at, at + size
            step.update({key: places[step[key]][0] for key in (*READ, "out") if key in step})
        return max(end for _, end in places.values())
