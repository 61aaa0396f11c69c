"""One writer per format for programs: each writes its files and compares their answers.

``export_models`` calls ``write_NAME`` for the row NAME of ``formats.FORMATS``.
"""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.utils
import onnxruntime as ort

from ..browser.device_files import run_graph
from ..bundle import Bundle
from ..engines import why_unavailable
from ..engines.compiled import GRAPH
from ..errors import ConversionFailed, EngineUnavailable
from ..learner import installed_versions
from ..settings import ROOT
from .export_check import (
    CheckPhotos,
    Comparison,
    Reference,
    Written,
    compare,
    golden_reference,
    require_network,
    run_reference,
)
from .export_folder import CONVERTERS_DIR, find_converter, label_lines, run_converter


def write_onnx(bundle: Bundle, folder: Path, photos: CheckPhotos) -> Written:
    """Write the bundle's own graph, which runs in ONNX Runtime in any language."""
    graph = bundle.read(GRAPH)
    (folder / GRAPH).write_bytes(graph)
    reference = run_reference(bundle, photos)
    has_learner = not reference.is_graph
    if not has_learner:
        # Comparing the graph with itself would prove nothing.
        reference = golden_reference(bundle)
    outputs = run_graph(graph, reference.pixels)
    comparison = compare(reference, outputs["probabilities"], outputs.get("novelty"))
    comparison.require_close("The graph")
    checks = [f"{comparison} Run by ONNX Runtime {version('onnxruntime')}."]
    if photos.folder is not None and not has_learner:
        checks.append(
            "The photos of `--photos` weren't used, because there is no learner to compare the "
            "graph with."
        )
    return Written(tuple(checks))


TFLITE, CLASSIFIER, INT8 = "model.tflite", "classifier.tflite", "model.int8.tflite"
TFLITE_CONVERTER, RUNTIME = "onnx2tf", "litert"
INT8_ROW = (
    "| `model.int8.tflite` | the same with 8-bit weights, by {}: smaller, not faster; the changes "
    "are below |\n"
)
TFLITE_SCRIPTS = CONVERTERS_DIR / "tflite"
TFLITE_OPTIONS = (
    *("--batch_size", "1", "--tflite_backend", "flatbuffer_direct", "--non_verbose"),
    # Otherwise the input becomes [1, width, 3, height].
    *("--keep_shape_absolutely_input_names", "pixels"),
)


def write_tflite(
    bundle: Bundle, folder: Path, photos: CheckPhotos, *, int8: bool = False
) -> Written:
    """Write the graph for LiteRT, MediaPipe and ML Kit on phones."""
    for name in (TFLITE_CONVERTER, RUNTIME):
        find_converter(name)
    reference = run_reference(bundle, photos)
    has_score = reference.ood_score is not None
    outputs = ["probabilities", *(["novelty"] if has_score else [])]
    graph = bundle.read(GRAPH)
    with tempfile.TemporaryDirectory() as temporary:
        room = Path(temporary)
        np.save(room / "pixels.npy", reference.pixels)
        convert_graph(make_static_graph(graph, outputs), folder / TFLITE)
        checks = [_check(TFLITE, folder, room, reference)]
        convert_graph(make_static_graph(graph, ["probabilities"]), room / CLASSIFIER)
        (room / "labels.txt").write_text(label_lines(bundle), encoding="utf-8")
        arguments = [room / CLASSIFIER, room / "labels.txt", folder / CLASSIFIER]
        run_converter(RUNTIME, [TFLITE_SCRIPTS / "add_labels.py", *arguments], "add the labels")
        checks.append(_check(CLASSIFIER, folder, room, reference))
        for comparison in checks:
            comparison.require_close("The converted model")
        if int8:
            arguments = [folder / TFLITE, folder / INT8]
            run_converter(
                RUNTIME, [TFLITE_SCRIPTS / "quantize.py", *arguments], "make 8-bit weights"
            )
            checks.append(_check(INT8, folder, room, reference))
    names = (TFLITE, CLASSIFIER, INT8)
    lines = [f"`{name}`: {check}" for name, check in zip(names, checks, strict=False)]
    lines.append(
        f"Converted by {_version(TFLITE_CONVERTER, 'onnx2tf')}, run by "
        f"{_version(RUNTIME, 'ai-edge-litert')} on a computer's processor, not on a phone."
    )
    return Written(
        tuple(lines),
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
        arguments = ["-m", "onnx2tf", "-i", str(source), "-o", str(target), *TFLITE_OPTIONS]
        run_converter(TFLITE_CONVERTER, arguments, "convert this network")
        # Its float16 file doesn't run on processors.
        shutil.move(target / "graph_float32.tflite", path)


def _check(name: str, folder: Path, room: Path, reference: Reference) -> Comparison:
    """Compare a file in ``folder`` with the original on the pixels in ``room``."""
    results = room / "outputs.npz"
    arguments = [TFLITE_SCRIPTS / "run.py", folder / name, room / "pixels.npy", results]
    run_converter(RUNTIME, arguments, f"run {name}")
    with np.load(results, allow_pickle=False) as outputs:
        return compare(reference, outputs["probabilities"], outputs.get("novelty"))


def _version(environment: str, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return f"{package} {run_converter(environment, ['-c', code], 'name its version').strip()}"


COREML, EXPECTED = "Model.mlpackage", "expected.npz"
COREML_SCRIPT = CONVERTERS_DIR / "coreml" / "convert.py"


def write_coreml(bundle: Bundle, folder: Path, photos: CheckPhotos) -> Written:
    """Write the network for Apple's devices, and compare its program before the conversion."""
    require_network(bundle, "Core ML")
    find_converter("coreml")
    reference = run_reference(bundle, photos)
    with tempfile.TemporaryDirectory() as temporary:
        pixels = Path(temporary) / "pixels.npy"
        np.save(pixels, reference.pixels)
        paths = [COREML_SCRIPT, ROOT, bundle.folder, pixels, folder / COREML]
        printed = run_converter("coreml", paths, "convert this network")
    result = json.loads(printed.strip().splitlines()[-1])
    comparison = compare(reference, np.array(result["probabilities"], np.float32))
    comparison.require_close("The exported program")
    check_structure(bundle, result["structure"])
    golden = bundle.golden
    np.savez_compressed(folder / EXPECTED, pixels=golden.pixels, probabilities=golden.probabilities)
    unknown = (
        "The converted model: input, outputs, labels and version are those of this README. Its "
        "answers haven't been compared, since nothing here runs it."
    )
    return Written((f"Before its conversion, as a program of torch.export. {comparison}", unknown))


def check_structure(bundle: Bundle, structure: dict[str, Any]) -> None:
    """Check the metadata of the model package.

    Raises:
        ConversionFailed: it isn't what the README says.
    """
    height, width = bundle.manifest.recipe.size
    expected = {
        "input": ["image", width, height],
        "is_rgb": True,
        "outputs": ["classLabel", "classLabel_probs"],
        "label": "classLabel",
        "probabilities": "classLabel_probs",
        "version": bundle.version,
        "labels": list(bundle.labels),
    }
    if wrong := [key for key in expected if structure.get(key) != expected[key]]:
        raise ConversionFailed(f"coremltools wrote a model with another {', '.join(wrong)}.")


FASTAI_EXPORT = "export.pkl"
FASTAI_PACKAGES = ("fastai", "timm", "torch")


def write_fastai(bundle: Bundle, folder: Path, photos: CheckPhotos) -> Written:
    """Write the learner as ``export.pkl``, for programs that use fastai without Loupe."""
    require_network(bundle, "fastai")
    if reason := why_unavailable(bundle, "learner"):
        raise EngineUnavailable(reason)
    import torch

    from ..learner.rebuild import export_learner, predict_with_export

    export_learner(bundle, folder / FASTAI_EXPORT)
    reference = run_reference(bundle, photos)
    # fastai knows no calibration, so its probabilities are compared with uncalibrated ones.
    logits = torch.from_numpy(reference.logits)
    activated = logits.sigmoid() if bundle.manifest.multilabel else logits.softmax(dim=1)
    uncalibrated = replace(reference, probabilities=activated.numpy())
    comparison = compare(uncalibrated, predict_with_export(folder / FASTAI_EXPORT, photos))
    comparison.require_close("The export")
    versions = installed_versions(FASTAI_PACKAGES)
    calibration = bundle.manifest.calibration
    note = (
        ""
        if calibration is None
        else ", without the temperature that Loupe estimated"
        if calibration.estimated
        else ", without the temperature and “none of these” that Loupe fitted on held-out photos"
    )
    return Written(
        (f"{comparison} Run by fastai {versions['fastai']}, from upright photos.",),
        {**versions, "calibration_note": note},
    )
