"""``graph.onnx`` in ONNX Runtime: the default."""

import threading
from functools import cached_property
from typing import ClassVar

import onnxruntime as ort

from ..bundle import Bundle
from ..errors import BundleDamaged
from ..preprocess import Pixels
from ..resources import has_cpu_limit
from ..settings import settings
from .base import Engine, EngineOutput

__all__ = ["OnnxEngine"]

GRAPH = "graph.onnx"
NEEDED = ("logits", "features", "probabilities")


class OnnxEngine(Engine):
    """The learner compiled: several times faster than the eager module, and small."""

    name: ClassVar[str] = "compiled"

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self._lock = threading.Lock()
        self._session = self._start(settings().threads)
        self._check_input()
        outputs = [output.name for output in self._session.get_outputs()]
        if missing := [name for name in NEEDED if name not in outputs]:
            raise BundleDamaged(
                f"{bundle.folder / GRAPH} has no output {missing[0]!r}. "
                "Build or import the model again."
            )
        self._outputs = [*NEEDED, *(["novelty"] if "novelty" in outputs else [])]

    def _start(self, threads: int) -> ort.InferenceSession:
        """A session whose runs use ``threads`` cores each."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait answer a tenth faster, but burn a quota.
        spin = "0" if has_cpu_limit() else "1"
        options.add_session_config_entry("session.intra_op.allow_spinning", spin)
        # The arena keeps what a run took: 10 MB for no measurable speed.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        # The bytes that were hashed are the bytes that run.
        data = self.bundle.read(GRAPH)
        try:
            return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has no public base for what it raises
            raise BundleDamaged(
                f"{self.bundle.folder / GRAPH} cannot be run: {error}. "
                "Build or import the model again."
            ) from error

    @cached_property
    def _single(self) -> ort.InferenceSession:
        """For batches: a photo a core gets more done than all cores on one photo.

        Started with the first batch, because it takes the model's size in memory again.
        """
        return self._session if settings().threads == 1 else self._start(1)

    def _check_input(self) -> None:
        """Refuse a graph that takes anything but the recipe's pixels."""
        height, width = self.bundle.manifest.recipe.size
        inputs = self._session.get_inputs()
        found = [(part.name, part.type, list(part.shape[1:])) for part in inputs]
        if found != [("pixels", "tensor(uint8)", [height, width, 3])]:
            raise BundleDamaged(
                f"{self.bundle.folder / GRAPH} takes {found}, not pixels of {height} × {width}. "
                "Build or import the model again."
            )

    def run(self, pixels: Pixels, *, single_thread: bool = False) -> EngineOutput:
        """See ``Engine.run``; a session may run in many threads at once."""
        if single_thread:
            with self._lock:
                session = self._single
        else:
            session = self._session
        return EngineOutput(*session.run(self._outputs, {"pixels": pixels}))
