"""The fastai learner itself, rebuilt from the bundle: the reference."""

from typing import Any, ClassVar

import onnxruntime as ort
import torch

from ..bundle import Bundle
from ..learner.inference_module import InferenceModule
from ..learner.rebuild import rebuild
from ..preprocess import Pixels
from ..settings import settings
from .base import Engine, EngineOutput

__all__ = ["LearnerEngine"]


class LearnerEngine(Engine):
    """Runs the learner's module, not ``learn.predict``: that one mutates the learner.

    fastai's ``predict`` swaps callbacks and data loaders on a shared object, so
    visitors would meet in it. The bare module in evaluation mode is safe.
    """

    name: ClassVar[str] = "learner"

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        torch.set_num_threads(settings().threads)
        self.learner = rebuild(bundle)
        self._tail = self._trust(bundle)
        # Not every version of torch declares memory_format.
        module: Any = InferenceModule.around(self.learner.model, bundle.manifest).eval()
        # Channels last is twice as fast here, with the same answers.
        self._module: torch.nn.Module = module.to(memory_format=torch.channels_last)

    def run(self, pixels: Pixels, *, single_thread: bool = False) -> EngineOutput:
        """See ``Engine.run``."""
        with torch.inference_mode():
            outputs = self._module(torch.from_numpy(pixels.copy()))
        logits, features, probabilities = (output.numpy() for output in outputs)
        if self._tail is None:
            return EngineOutput(logits, features, probabilities)
        inputs = {"logits": logits, "features": features}
        known = {part.name for part in self._tail.get_inputs()}
        made = self._tail.run(None, {name: inputs[name] for name in known})
        names = [part.name for part in self._tail.get_outputs()]
        trust = dict(zip(names, made, strict=True))
        return EngineOutput(logits, features, trust["probabilities"], trust.get("novelty"))

    @staticmethod
    def _trust(bundle: Bundle) -> ort.InferenceSession | None:
        """The graph's last nodes: calibration has one definition, for all engines."""
        if bundle.manifest.calibration is None:
            return None
        from ..calibration.graph_head import extract_head

        options = ort.SessionOptions()
        options.log_severity_level = 3
        return ort.InferenceSession(extract_head(bundle.read("graph.onnx")), options)
