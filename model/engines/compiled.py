"""``graph.onnx`` in ONNX Runtime: the default engine."""

import threading
from functools import cached_property
from typing import ClassVar

import onnxruntime as ort

from ..bundle import Bundle
from ..errors import BundleDamaged
from ..preprocess import Pixels
from ..resources import has_cpu_limit
from ..settings import settings
from . import Engine, EngineOutput

GRAPH = "graph.onnx"
REQUIRED_OUTPUTS = ("logits", "features", "probabilities")
HEAD_OUTPUTS = {"probabilities", "novelty"}


class OnnxEngine(Engine):
    """The compiled graph, several times faster than the eager module."""

    name: ClassVar[str] = "compiled"

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self._lock = threading.Lock()
        self._ort_session = self._start(settings().threads)
        self._check_input()
        outputs = [output.name for output in self._ort_session.get_outputs()]
        if missing := [name for name in REQUIRED_OUTPUTS if name not in outputs]:
            raise BundleDamaged(
                f"{bundle.folder / GRAPH} has no output {missing[0]!r}. "
                "Build or import the model again."
            )
        self._outputs = [*REQUIRED_OUTPUTS, *(["novelty"] if "novelty" in outputs else [])]

    def _start(self, threads: int) -> ort.InferenceSession:
        """Start an ONNX Runtime session whose runs use ``threads`` cores each."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait are a tenth faster, but use up a container's quota.
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "0" if has_cpu_limit() else "1"
        )
        # The arena never returns what a run needed: 10 MB for no measurable speed.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        # Load the bytes that were hashed: the file may change after the check.
        data = self.bundle.read(GRAPH)
        try:
            return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no public base class
            raise BundleDamaged(
                f"{self.bundle.folder / GRAPH} can't be loaded: {error}. "
                "Build or import the model again."
            ) from error

    @cached_property
    def _single_thread_session(self) -> ort.InferenceSession:
        """A session for batches, where one core per photo has higher throughput.

        It starts with the first batch, because it needs the model's memory a second time.
        """
        return self._ort_session if settings().threads == 1 else self._start(1)

    def _check_input(self) -> None:
        """Refuse a graph that takes anything but pixels of the recipe's size."""
        height, width = self.bundle.manifest.recipe.size
        inputs = [
            (node.name, node.type, list(node.shape[1:])) for node in self._ort_session.get_inputs()
        ]
        if inputs != [("pixels", "tensor(uint8)", [height, width, 3])]:
            raise BundleDamaged(
                f"{self.bundle.folder / GRAPH} takes {inputs}, not pixels of {height} × {width}. "
                "Build or import the model again."
            )

    def run(self, pixels: Pixels, *, single_thread: bool = False) -> EngineOutput:
        """See ``Engine.run``."""
        session = self._ort_session
        if single_thread:
            with self._lock:
                session = self._single_thread_session
        return EngineOutput(*session.run(self._outputs, {"pixels": pixels}))


def extract_head(graph: bytes) -> bytes:
    """Return the nodes after ``logits`` and ``features`` as a graph of their own."""
    # Imported when needed, because the default engine runs without the onnx package.
    import onnx.utils

    model = onnx.load_from_string(graph)
    outputs = [output.name for output in model.graph.output if output.name in HEAD_OUTPUTS]
    head = onnx.utils.Extractor(model).extract_model(["logits", "features"], outputs)
    return bytes(head.SerializeToString())
