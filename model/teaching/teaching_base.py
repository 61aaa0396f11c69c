"""The model whose features a few-shot head stands on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..browser.base_features import describe_features
from ..browser.small_graph import make_small_graph
from ..bundle import Bundle, get_bundle
from ..calibration.graph_outputs import Floats, Run, open_graph
from ..errors import DataError
from ..preprocess import Pixels


@dataclass(frozen=True, eq=False)
class TeachingBase:
    """A bundle with its small graph, as phones run it, and ``features`` of its ``model.json``."""

    bundle: Bundle
    run: Run
    features: dict[str, Any]

    @classmethod
    def open(cls, name: str) -> "TeachingBase":
        """Open the model of that name.

        Raises:
            BundleError: there is none, or it can't be opened.
            DataError: its graph has no features.
        """
        bundle = get_bundle(name)
        graph = make_small_graph(bundle.read("graph.onnx"))
        if features := describe_features(name, bundle.manifest.recipe, graph):
            return cls(bundle, open_graph(graph), features)
        raise DataError(f"{name} can't be a base: its graph has no features. Use imagenet.")

    def compute_features(self, photos: Iterable[Pixels]) -> Floats:
        """Return the features, float32 [N, D], of preprocessed photos."""
        return np.concatenate([self.run(pixels[None])[1] for pixels in photos])
