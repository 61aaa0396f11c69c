"""Writers of formats: the graph for one photo, and TensorFlow Lite, Core ML and fastai."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL.Image import Transpose

from model import Bundle, Classifier, engine_info, load
from model.browser.device_files import run_graph
from model.bundle import get_bundle
from model.errors import ConversionFailed, EngineUnavailable
from model.exporting import writers
from model.exporting.export_check import CheckPhotos, run_reference
from model.exporting.export_folder import find_converter, run_converter
from model.exporting.formats import Export, export_models
from model.importing.inspect import inspect_export
from model.samples import samples, shapes
from tests.model.exporting.test_formats import run_sample
from tests.model.tiny import CALIBRATED, COLOURS, colour, tiny


def require_converters(*names: str) -> None:
    """Skip without the environments of converters."""
    try:
        for name in names:
            find_converter(name)
    except EngineUnavailable as error:
        pytest.skip(str(error))


def test_static_graph_answers_as_the_full_one(imagenet: Classifier) -> None:
    graph_bytes = imagenet.bundle.read("graph.onnx")
    pixels = imagenet.bundle.golden.pixels[:2]
    static = writers.make_static_graph(graph_bytes, ["probabilities"])
    expected, found = (run_graph(data, pixels) for data in (graph_bytes, static))
    assert list(found) == ["probabilities"]
    assert np.abs(found["probabilities"] - expected["probabilities"]).max() < 1e-5
    # Nothing depends on the number of photos.
    graph = onnx.load_from_string(static).graph
    height, width = imagenet.bundle.manifest.recipe.size
    assert [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [1, height, width, 3]
    assert [d.dim_value for d in graph.output[0].type.tensor_type.shape.dim] == [1, 1000]
    assert not {node.op_type for node in graph.node} & {"Shape", "Range"}
    assert {node.domain for node in graph.node} <= {"", "ai.onnx"}


@pytest.mark.parametrize("outputs", [["probabilities"], ["probabilities", "novelty"]])
def test_only_the_named_outputs_stay(calibrated_bundle: Bundle, outputs: list[str]) -> None:
    graph = calibrated_bundle.read("graph.onnx")
    static = onnx.load_from_string(writers.make_static_graph(graph, outputs)).graph
    assert [item.name for item in static.output] == outputs
    uses_score = any("novelty" in node.output for node in static.node)
    assert uses_score == ("novelty" in outputs)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"labels": list(COLOURS)[::-1]}, "labels"),
        ({"is_rgb": False, "input": ["image", 16, 32]}, "input, is_rgb"),
        ({"version": None}, "version"),
    ],
)
def test_unexpected_structure_is_refused(
    tiny_bundle: Bundle, change: dict[str, object], named: str
) -> None:
    structure = {
        "input": ["image", 32, 32],
        "is_rgb": True,
        "outputs": ["classLabel", "classLabel_probs"],
        "label": "classLabel",
        "probabilities": "classLabel_probs",
        "version": tiny_bundle.version,
        "labels": list(COLOURS),
    }
    writers.check_structure(tiny_bundle, structure)
    with pytest.raises(ConversionFailed, match=f"another {named}"):
        writers.check_structure(tiny_bundle, {**structure, **change})


@pytest.mark.slow
def test_clothing_is_converted_and_its_readme_says_that_nothing_ran_it(
    data_folder: Path, tmp_path: Path
) -> None:
    require_converters("coreml")
    bundle, out = get_bundle("clothing"), tmp_path / "out"
    export = export_models([bundle], "coreml", out)
    assert "the same top label on 8" in export.checks[0]
    assert "haven't been compared" in export.checks[1]
    with np.load(out / "expected.npz") as expected:
        assert np.array_equal(expected["pixels"], bundle.golden.pixels)
        assert np.array_equal(expected["probabilities"], bundle.golden.probabilities)
    assert json.loads((out / "config.json").read_text())["calibration"] is None
    readme = (out / "README.md").read_text("utf-8")
    assert "Nothing has run this model yet" in readme
    for name in {path.name for path in out.iterdir()} - {"README.md"}:
        assert name in readme, name


@pytest.mark.parametrize(("name", "title"), [("coreml", "Core ML"), ("fastai", "fastai")])
def test_formats_of_networks_refuse_a_bundle_with_only_a_graph(
    tiny_bundle: Bundle, tmp_path: Path, name: str, title: str
) -> None:
    with pytest.raises(ConversionFailed, match=f"{title} needs the network itself.*has only its"):
        export_models([tiny_bundle], name, tmp_path / "out")


def test_fastai_without_the_packages_says_what_to_install(
    imagenet: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_info, "find_spec", lambda name: None)
    with pytest.raises(
        EngineUnavailable, match="needs .* installed.*pip install -r requirements.txt"
    ):
        export_models([imagenet.bundle], "fastai", tmp_path / "out")


@pytest.mark.slow
@pytest.mark.torch
def test_plain_fastai_loads_the_export(imagenet: Classifier, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export = export_models([imagenet.bundle], "fastai", out)
    assert "the same top label on 8" in export.checks[0]
    assert json.loads((out / "config.json").read_text())["calibration"] is None
    names = inspect_export(out / "export.pkl").names
    assert not [name for name in names if name.split(".")[0] in ("model", "ui", "tests")]
    sample = samples()[0]
    first = run_sample(out, sample.path).splitlines()[0]
    best = imagenet.identify(sample.path).top(1)[0]
    assert best.label in first


CLASSIFY = """
import json, sys
import mediapipe, numpy
from mediapipe.tasks.python import BaseOptions, vision

base = BaseOptions(model_asset_path=sys.argv[1])
options = vision.ImageClassifierOptions(base_options=base)
rows = []
with vision.ImageClassifier.create_from_options(options) as classifier:
    for photo in numpy.load(sys.argv[2]):
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=photo)
        categories = classifier.classify(image).classifications[0].categories
        rows.append({item.category_name: item.score for item in categories})
print(json.dumps(rows))
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty photos: the samples as they are, mirrored and turned, and drawn shapes."""
    folder = tmp_path_factory.mktemp("photos")
    images = [sample.open().convert("RGB") for sample in samples()]
    methods = Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180
    images += [image.transpose(method) for image in images for method in methods]
    images += [*shapes(), *(colour(name) for name in ("red", "blue"))]
    assert len(images) == 20
    for number, image in enumerate(images):
        image.save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def clothing(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Export]:
    """The folder of a TensorFlow Lite export of a built-in model, and its report."""
    require_converters("onnx2tf", "litert")
    out = tmp_path_factory.mktemp("exports") / "clothing"
    return out, export_models([get_bundle("clothing")], "tflite", out, photos, int8=True)


@pytest.mark.slow
def test_every_file_predicts_as_the_learner(clothing: tuple[Path, Export]) -> None:
    out, export = clothing
    full, classifier, small, _ = export.checks
    assert "`model.tflite`: On 20 photos" in full
    assert "the same decision on “none of these” on 20" in full
    assert "the same top label on 20" in classifier
    assert small.startswith("`model.int8.tflite`")
    assert export.files["model.int8.tflite"] < 0.3 * export.files["model.tflite"]
    assert not list(out.glob("*float16*"))
    readme = (out / "README.md").read_text("utf-8")
    for name in export.files.keys() - {"README.md", "loupe-export.json"}:
        assert f"`{name}`" in readme, name


@pytest.mark.slow
def test_sample_answers_as_the_command_line(clothing: tuple[Path, Export]) -> None:
    path = samples()[0].path
    prediction = load("clothing").identify(path)
    lines = run_tflite_sample(clothing[0], path).splitlines()
    assert (lines[0] == "none of these; closest:") == (prediction.in_distribution is False)
    best = prediction.top(1)[0]
    assert f"{best.probability:.1%}  {best.label}" in [line.strip() for line in lines]


@pytest.mark.slow
def test_graph_without_a_network_is_exported_with_its_score(
    models_dir: Path, tmp_path: Path
) -> None:
    require_converters("onnx2tf", "litert")
    bundle = tiny(models_dir, confidence=CALIBRATED)
    out = tmp_path / "out"
    export = export_models([bundle], "tflite", out)
    assert "`novelty` by" in export.checks[0]
    colour((128, 128, 128)).save(tmp_path / "grey.png")
    assert run_tflite_sample(out, tmp_path / "grey.png").startswith("none of these")


def run_tflite_sample(folder: Path, photo: Path) -> str:
    code = (
        "import runpy, sys; folder = sys.argv.pop(1); sys.path.insert(0, folder); "
        "runpy.run_path(folder + '/sample.py', run_name='__main__')"
    )
    return run_converter("litert", ["-c", code, folder, photo], "run the sample")


@pytest.mark.slow
def test_mediapipe_reads_labels_and_probabilities(
    clothing: tuple[Path, Export], photos: Path, tmp_path: Path
) -> None:
    bundle = get_bundle("clothing")
    reference = run_reference(bundle, CheckPhotos(photos))
    model, pixels = clothing[0] / "classifier.tflite", tmp_path / "pixels.npy"
    np.save(pixels, reference.pixels)
    arguments = ["-c", CLASSIFY, str(model), str(pixels)]
    rows = json.loads(run_converter("litert", arguments, "classify").splitlines()[-1])
    assert len(rows) == 20
    for found, expected in zip(rows, reference.probabilities, strict=True):
        assert found == pytest.approx(dict(zip(bundle.labels, expected, strict=True)), abs=1e-3)
