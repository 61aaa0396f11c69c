"""Exports answer as the original, or nothing is written; the owner's command keeps downloads."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model import Bundle, Classifier, load
from model.engines.compiled import OnnxEngine
from model.errors import ConversionFailed, DataError
from model.exporting.export_check import CheckPhotos, Reference, Written, compare
from model.exporting.export_folder import write_texts
from model.exporting.formats import FORMATS, export_models, find_downloads, keep_download
from tests.model.tiny import CALIBRATED, COLOURS, colour, edit, tiny
from tests.python import run_python


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in COLOURS:
        (folder / name).mkdir(parents=True)
        for count in range(20):
            colour(name).save(folder / name / f"{count}.png")
    (folder / "red" / "0.png").write_bytes(b"no photo")
    return folder


def run_sample(folder: Path, photo: Path) -> str:
    """Return the output of the sample, isolated so that it can't import Loupe."""
    words = ("-I", "-c", ISOLATED, folder, photo)
    done = run_python(*words, cwd=photo.parent, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


ISOLATED = (
    "import runpy, sys; folder = sys.argv.pop(1); sys.path.insert(0, folder); "
    "runpy.run_path(folder + '/sample.py', run_name='__main__'); "
    "assert not any(name.partition('.')[0] in ('model', 'ui', 'api') for name in sys.modules)"
)


def test_onnx_folder_is_complete_and_its_sample_answers_as_the_model(
    calibrated_bundle: Bundle, tmp_path: Path, photos: Path
) -> None:
    out = tmp_path / "out"
    export = export_models([calibrated_bundle], "onnx", out, photos)
    assert (out / "graph.onnx").read_bytes() == calibrated_bundle.read("graph.onnx")
    config = json.loads((out / "config.json").read_text("utf-8"))
    assert config["labels"] == list(COLOURS)
    assert config["calibration"]["ood_threshold"] == CALIBRATED["novelty"]
    assert (out / "labels.txt").read_text().splitlines() == list(COLOURS)
    readme = (out / "README.md").read_text("utf-8")
    for words in (
        export.checks[0],
        "calibration are inside",
        "the recorded outputs of the learner",
    ):
        assert words in readme
    for name in export.files.keys() - {"README.md", "loupe-export.json"}:
        assert f"`{name}`" in readme, name
    colour("green").save(tmp_path / "green.png")
    colour((128, 128, 128)).save(tmp_path / "grey.png")
    first, *_ = run_sample(out, tmp_path / "green.png").splitlines()
    best = load(calibrated_bundle.name).identify(tmp_path / "green.png").top(1)[0]
    assert first.split() == [f"{best.probability:.1%}", "green"]
    assert run_sample(out, tmp_path / "grey.png").startswith("none of these")


@pytest.mark.parametrize(
    ("threshold", "answer"), [(None, ["green", "yellow", "black"]), (0.9, ["green"]), (0.9999, [])]
)
def test_multilabel_sample_answers_by_the_threshold(
    models_dir: Path, tmp_path: Path, threshold: float | None, answer: list[str]
) -> None:
    bundle = tiny(models_dir, multilabel=True, threshold=threshold)
    export_models([bundle], "onnx", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))
    assert config["threshold"] == (threshold or 0.5)
    readme = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert f"`threshold` in `config.json`, {threshold or 0.5}" in readme
    colour("green").save(tmp_path / "green.png")
    lines = run_sample(tmp_path / "out", tmp_path / "green.png").splitlines()
    assert load(bundle.name).identify(tmp_path / "green.png").answer == answer
    if answer:
        assert [line.split()[1] for line in lines] == answer
    else:
        assert lines[0].startswith("none of these")


def test_uncalibrated_greyscale_model_is_exported(tiny_bundle: Bundle, tmp_path: Path) -> None:
    colour("red").save(photo := tmp_path / "red.png")
    recipe = tiny_bundle.manifest.recipe.model_copy(update={"greyscale": True})
    edit(tiny_bundle, recipe=recipe.model_dump(mode="json"))
    bundle = Bundle.open(tiny_bundle.folder)
    answer = Classifier(bundle, OnnxEngine(bundle)).identify(photo)
    out = tmp_path / "out"
    export_models([bundle], "onnx", out)
    assert json.loads((out / "config.json").read_text("utf-8"))["recipe"]["greyscale"] is True
    readme = (out / "README.md").read_text("utf-8")
    assert "photos to greyscale before it resizes them" in readme
    assert "isn't calibrated" in readme
    assert "thresholds" not in readme
    best = answer.top(1)[0]
    assert run_sample(out, photo).splitlines()[0].split() == [f"{best.probability:.1%}", best.label]


def test_graph_with_wrong_probabilities_is_refused(models_dir: Path, tmp_path: Path) -> None:
    def change(arrays: dict[str, NDArray[np.float32]]) -> None:
        arrays["probabilities"][0, 0] -= 0.002

    bundle = tiny(models_dir, golden_change=change)
    with pytest.raises(ConversionFailed, match=r"differs by 0\.002, and 0\.001 is allowed"):
        export_models([bundle], "onnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nan_fails_the_comparison() -> None:
    shape = np.full((2, 3), 1 / 3, np.float32)
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    reference = Reference("the learner", False, pixels, shape, shape, None)
    with pytest.raises(ConversionFailed):
        compare(reference, np.full((2, 3), np.nan, np.float32)).require_close("It")
    with pytest.raises(ConversionFailed, match="shape"):
        compare(reference, shape[:, :2])


def test_photos_are_taken_from_every_label(photos: Path) -> None:
    images = list(CheckPhotos(photos))
    assert len(images) == 50
    assert {image.getpixel((0, 0)) for image in images} == set(COLOURS.values())


def test_folder_without_photos_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no photo"):
        export_models([tiny_bundle], "onnx", tmp_path / "out", tmp_path / "empty")


@pytest.mark.parametrize("name", [name for name in FORMATS if not FORMATS[name].is_page])
def test_readme_of_each_format_names_its_texts_and_samples(
    calibrated_bundle: Bundle, tmp_path: Path, name: str
) -> None:
    words = "score_output int8_row fastai timm torch python calibration_note".split()
    written = Written(("It answers alike.",), dict.fromkeys(words, ""))
    (folder := tmp_path / "out").mkdir()
    write_texts(calibrated_bundle, FORMATS[name], folder, written)
    files = {path.name for path in folder.iterdir()}
    assert {"README.md", "config.json", "labels.txt"} < files
    readme = (folder / "README.md").read_text("utf-8")
    assert "$" not in readme
    for file in files - {"README.md"}:
        assert f"`{file}`" in readme, file


def keep(bundle: Bundle, folder: Path) -> Path:
    export = export_models([bundle], "onnx", folder)
    return keep_download(bundle, "onnx", folder, export.files)


def test_zip_holds_the_export_in_one_folder(tiny_bundle: Bundle, tmp_path: Path) -> None:
    assert find_downloads(tiny_bundle) == {}
    out = tmp_path / "out"
    path = keep(tiny_bundle, out)
    (out / "private.txt").write_text("not part of the export")
    assert find_downloads(tiny_bundle) == {"onnx": path}
    keep(tiny_bundle, out)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        graph = archive.read("tiny-onnx/graph.onnx")
    assert graph == tiny_bundle.read("graph.onnx")
    assert names == {f"tiny-onnx/{file.name}" for file in out.iterdir()} - {"tiny-onnx/private.txt"}


def test_export_of_another_version_is_not_offered(models_dir: Path, tmp_path: Path) -> None:
    versions = [tiny(models_dir, "tiny", title=title) for title in ("One", "Two", "Three")]
    keep(versions[0], tmp_path / "out")
    assert find_downloads(versions[1]) == {}
    for bundle in versions[1:]:
        keep(bundle, tmp_path / "out")
    # The previous version is kept, for a rollback; older ones are not.
    assert [bool(find_downloads(bundle)) for bundle in versions] == [False, True, True]
