"""The exported graph, of a small network."""

from pathlib import Path

import onnxruntime as ort
import pytest

from tests.model.importing.learners import loaders, pictures, read_back, sensitive_learner

pytestmark = pytest.mark.torch


def test_graph_has_no_paths_of_the_exporting_machine(tmp_path: Path) -> None:
    import fastai
    import torch
    from fastai.vision.all import Resize

    from model.learner.inference_module import export_onnx
    from model.settings import ROOT

    folder = pictures(tmp_path / "photos")
    restored = read_back(sensitive_learner(loaders(folder, Resize(32)), 3, folder / "cat/0.png"))
    export_onnx(restored.rgb_model, restored.report().draft(), tmp_path)
    graph = (tmp_path / "graph.onnx").read_bytes()
    for place in (ROOT, *(Path(str(package.__file__)).parent for package in (torch, fastai))):
        assert str(place).encode() not in graph
    assert ort.InferenceSession(graph).get_inputs()[0].name == "pixels"
