"""TensorFlow Lite exports answer as the original in LiteRT and in MediaPipe."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL.Image import Transpose

from model import load
from model.bundle import get_bundle
from model.errors import EngineUnavailable
from model.exporting.export_check import CheckPhotos, run_reference
from model.exporting.export_folder import find_converter, run_converter
from model.exporting.formats import Export, export_models
from model.samples import samples, shapes
from tests.model.tiny import CALIBRATED, colour, tiny

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

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


@pytest.fixture(scope="module", autouse=True)
def converters() -> None:
    """Skip without the converters."""
    try:
        for name in ("onnx2tf", "litert"):
            find_converter(name)
    except EngineUnavailable as error:
        pytest.skip(str(error))


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
def clothing(
    converters: None, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Export]:
    """The folder of an export of the built-in model, and its report."""
    out = tmp_path_factory.mktemp("exports") / "clothing"
    return out, export_models([get_bundle("clothing")], "tflite", out, photos, int8=True)


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


def test_sample_answers_as_the_command_line(clothing: tuple[Path, Export]) -> None:
    path = samples()[0].path
    prediction = load("clothing").identify(path)
    lines = run_sample(clothing[0], path).splitlines()
    assert (lines[0] == "none of these; closest:") == (prediction.in_distribution is False)
    best = prediction.top(1)[0]
    assert f"{best.probability:.1%}  {best.label}" in [line.strip() for line in lines]


def test_graph_without_a_network_is_exported_with_its_score(
    models_dir: Path, tmp_path: Path
) -> None:
    bundle = tiny(models_dir, confidence=CALIBRATED)
    out = tmp_path / "out"
    export = export_models([bundle], "tflite", out)
    assert "`novelty` by" in export.checks[0]
    colour((128, 128, 128)).save(tmp_path / "grey.png")
    assert run_sample(out, tmp_path / "grey.png").startswith("none of these")


def run_sample(folder: Path, photo: Path) -> str:
    code = (
        "import runpy, sys; folder = sys.argv.pop(1); sys.path.insert(0, folder); "
        "runpy.run_path(folder + '/sample.py', run_name='__main__')"
    )
    return run_converter("litert", ["-c", code, folder, photo], "run the sample")


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
