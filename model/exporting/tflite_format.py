"""TensorFlow Lite: the bundle's graph for LiteRT, MediaPipe and ML Kit on phones."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx.utils
import onnxruntime as ort

from ..bundle import Bundle
from ..engines.compiled import GRAPH
from .export_check import CheckPhotos, Comparison, Reference, Written, compare, run_reference
from .export_folder import CONVERTERS_DIR, find_converter, label_lines, run_converter

MODEL, CLASSIFIER, INT8 = "model.tflite", "classifier.tflite", "model.int8.tflite"
CONVERTER, RUNTIME = "onnx2tf", "litert"
INT8_ROW = (
    "| `model.int8.tflite` | the same with 8-bit weights, by {}: smaller, not faster; the changes "
    "are below |\n"
)
SCRIPTS = CONVERTERS_DIR / "tflite"
OPTIONS = (
    *("--batch_size", "1", "--tflite_backend", "flatbuffer_direct", "--non_verbose"),
    # Otherwise the input becomes [1, width, 3, height].
    *("--keep_shape_absolutely_input_names", "pixels"),
)


def write(bundle: Bundle, folder: Path, photos: CheckPhotos, *, int8: bool = False) -> Written:
    """See ``export_models``."""
    for name in (CONVERTER, RUNTIME):
        find_converter(name)
    reference = run_reference(bundle, photos)
    has_score = reference.ood_score is not None
    outputs = ["probabilities", *(["novelty"] if has_score else [])]
    graph = bundle.read(GRAPH)
    with tempfile.TemporaryDirectory() as temporary:
        room = Path(temporary)
        np.save(room / "pixels.npy", reference.pixels)
        convert_graph(make_static_graph(graph, outputs), folder / MODEL)
        checks = [_check(MODEL, folder, room, reference)]
        convert_graph(make_static_graph(graph, ["probabilities"]), room / CLASSIFIER)
        (room / "labels.txt").write_text(label_lines(bundle), encoding="utf-8")
        arguments = [room / CLASSIFIER, room / "labels.txt", folder / CLASSIFIER]
        run_converter(RUNTIME, [SCRIPTS / "add_labels.py", *arguments], "add the labels")
        checks.append(_check(CLASSIFIER, folder, room, reference))
        for comparison in checks:
            comparison.require_close("The converted model")
        if int8:
            arguments = [folder / MODEL, folder / INT8]
            run_converter(RUNTIME, [SCRIPTS / "quantize.py", *arguments], "make 8-bit weights")
            checks.append(_check(INT8, folder, room, reference))
    names = (MODEL, CLASSIFIER, INT8)
    programs = (
        f"Converted by {_version(CONVERTER, 'onnx2tf')}, run by "
        f"{_version(RUNTIME, 'ai-edge-litert')} on a computer's processor, not on a phone."
    )
    return Written(
        (
            *(f"`{name}`: {check}" for name, check in zip(names, checks, strict=False)),
            programs,
        ),
        {
            "score_output": " and `novelty`" if has_score else "",
            "int8_row": INT8_ROW.format(_version(RUNTIME, "litert-quantizer")) if int8 else "",
        },
    )


def make_static_graph(graph: bytes, outputs: Sequence[str]) -> bytes:
    """Return the graph for pixels [1, height, width, 3], without nodes of other outputs.

    Nodes that compute the number of photos become constants, which converters can't do themselves.

    Args:
        graph: an ONNX model, self-contained.
        outputs: names of the outputs to keep.
    """
    model = onnx.load_from_string(graph)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    # Shapes in between still have the number of photos as a variable.
    del model.graph.value_info[:]
    model = onnx.utils.Extractor(model).extract_model(["pixels"], list(outputs))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # The next level would use operators that only ONNX Runtime has.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        options.optimized_model_filepath = str(path)
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return path.read_bytes()


def convert_graph(graph: bytes, path: Path) -> None:
    """Write an ONNX graph, for one photo, as a float32 TensorFlow Lite model to ``path``.

    Raises:
        EngineUnavailable: the converter isn't installed.
        ConversionFailed: it failed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        source, target = Path(temporary) / "graph.onnx", Path(temporary) / "converted"
        source.write_bytes(graph)
        arguments = ["-m", "onnx2tf", "-i", str(source), "-o", str(target), *OPTIONS]
        run_converter(CONVERTER, arguments, "convert this network")
        # Its float16 file doesn't run on processors.
        shutil.move(target / "graph_float32.tflite", path)


def _check(name: str, folder: Path, room: Path, reference: Reference) -> Comparison:
    """Compare a file in ``folder`` with the original on the pixels in ``room``."""
    results = room / "outputs.npz"
    arguments = [SCRIPTS / "run.py", folder / name, room / "pixels.npy", results]
    run_converter(RUNTIME, arguments, f"run {name}")
    with np.load(results, allow_pickle=False) as outputs:
        return compare(reference, outputs["probabilities"], outputs.get("novelty"))


def _version(environment: str, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return f"{package} {run_converter(environment, ['-c', code], 'name its version').strip()}"
