"""Teaching from a folder, ``.loupe`` files and the bundles that both become."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from model import Bundle, load
from model.answer.phrases import ShownLabel, device_words, headline, trust_lines
from model.browser.cache import find_folder
from model.browser.device_files import device_dir, device_name, run_graph
from model.browser.small_graph import describe_features, make_small_graph
from model.bundle import ManifestDraft, get_bundle, list_models, publish
from model.calibration.graph_head import attach_head
from model.errors import DataError, ExportRefused
from model.preprocess import PreprocessConfig
from model.teaching import TaughtModel, teach
from model.teaching.loupe_file import draw, read_loupe
from tests.model.command import output_of, run
from tests.model.tiny import CALIBRATED, COLOURS, colour, graph, tiny, values
from tests.model.training.pictures import folder_of
from tests.test_architecture import loaded_modules

NAMES = ("blue", "green", "red")


def photos_of_colours(folder: Path, count: int = 4, names: tuple[str, ...] = NAMES) -> Path:
    """A folder per colour with photos of different shades."""
    others = [(0, 0), (130, 0), (0, 130), (110, 110)]
    for name in names:
        (folder / name).mkdir(parents=True)
        for number, shade in enumerate(others[:count]):
            rgb = np.array(COLOURS[name])
            rgb[rgb == 0] = shade
            colour(tuple(rgb.tolist())).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return photos_of_colours(tmp_path / "My colours")


@pytest.fixture
def taught(folder: Path, tiny_bundle: Bundle) -> TaughtModel:
    return teach(folder, tiny_bundle.name)


def test_taught_model_names_its_labels_and_rejects_other_photos(taught: TaughtModel) -> None:
    assert taught.manifest.labels == NAMES
    assert taught.manifest.title == "My colours"
    bundle = taught.publish("mine")
    classifier = load("mine")
    prediction = classifier.identify(colour("green"))
    assert (prediction.top(1)[0].label, prediction.in_distribution) == ("green", True)
    assert classifier.identify(colour((128, 128, 128))).in_distribution is False
    accuracy, metric = taught.accuracy, bundle.manifest.metric("accuracy")
    assert metric == accuracy
    assert (metric.counted, metric.successes) == ("12 recordings", 12)
    assert (metric.on, metric.by) == ("each left out in turn", "measured by Loupe")
    calibration = bundle.manifest.calibration
    assert calibration.target_id_accept_rate == taught.left_out.promise == 0.9
    assert len(bundle.training_photos or ()) == 12


def test_folder_in_a_labels_folder_is_one_group_and_damaged_photos_are_named(
    folder: Path, tiny_bundle: Bundle
) -> None:
    (folder / "red" / "kitchen").mkdir()
    for number in (0, 1):
        (folder / "red" / f"{number}.png").rename(folder / "red" / "kitchen" / f"{number}.png")
    (folder / "blue" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    for name in ("notes.txt", "red/notes.txt", ".hidden"):
        (folder / name).write_text("no photo")
    taught = teach(folder, tiny_bundle.name)
    of_red = taught.left_out.groups[taught.left_out.targets == 2]
    in_kitchen = [path.parent.name == "kitchen" for path in taught.photos[-4:]]
    assert len(set(of_red[in_kitchen])) == 1
    assert list(taught.skipped) == ["blue/3.png", "red/notes.txt", "notes.txt"]
    assert taught.manifest.photos == (3, 4, 4)
    result = run("teach", folder, "--name", "mine", "--base", tiny_bundle.name)
    assert "blue/3.png was left out: " in result.output


def test_one_photo_per_label_is_a_model_whose_accuracy_is_unknown(
    tmp_path: Path, tiny_bundle: Bundle
) -> None:
    folder = photos_of_colours(tmp_path / "once", 1)
    result = run("teach", folder, "--name", "once", "--base", tiny_bundle.name)
    assert "can't be known yet: record each label in two places or more" in result.output
    assert "%" not in result.output
    assert "–" in run("list").output
    assert get_bundle("once").manifest.metrics == ()
    # What browsers load of it is made before visitors ask.
    assert find_folder(device_name(get_bundle("once")))
    answer = load("once").identify(colour("red"))
    assert headline(answer) == ("My best guess: ", ShownLabel("red"))
    (line,) = trust_lines(answer, get_bundle("once").manifest)
    assert str(line[0]).endswith("%, but it was never tested.")
    assert device_words(get_bundle("once").manifest)["estimated"] is True


def test_commands_teach_save_and_import_one_model(
    folder: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    file = tmp_path / "mine.loupe"
    base = ("--base", tiny_bundle.name)
    kept = run("teach", folder, "--name", "my-own", *base, "--keep")
    assert "Visitors of the app still see tiny first." in kept.output
    taught = run("teach", folder, "--name", "mine", *base, "--save", file)
    imported = run("import", file, "--name", "theirs", "--title", "Theirs")
    for result in (taught, imported):
        assert result.exit_code == 0, result.output
        assert "3 labels, 12 photos in 12 recordings" in result.output
        assert "100.0% of 12 recordings correct (95% CI 75.8–100.0%; each left" in result.output
        assert "it may call up to 1 in 10 things it knows “none of these”" in result.output
        assert "see it: make run, or python -m model identify --model " in result.output
    mine, theirs = get_bundle("mine"), get_bundle("theirs")
    assert mine.manifest.title == "Mine"
    assert theirs.read("graph.onnx") == mine.read("graph.onnx")
    assert (theirs.manifest.title, theirs.manifest.labels) == ("Theirs", NAMES)
    assert theirs.manifest.metrics == mine.manifest.metrics
    exported = run("export", "mine", "--to", "onnx", "--out", tmp_path / "onnx")
    assert "same decision on “none of these” on" in exported.output
    assert theirs.manifest.calibration == mine.manifest.calibration
    output = output_of("import", file, "--name", "other", "--arch", "resnet18", code=2)
    assert "only --name" in output


def test_file_needs_its_base_with_the_same_features(
    taught: TaughtModel, models_dir: Path, tmp_path: Path
) -> None:
    taught.save(file := tmp_path / "mine.loupe")
    shutil.rmtree(models_dir / "tiny")
    needs = "It needs the model that it was taught on. No model named 'tiny'"
    assert needs in run("import", file, "--name", "mine").output
    tiny(models_dir, corner=True)
    output = output_of("import", file, "--name", "mine", code=2)
    assert "was taught on tiny" in output
    assert "other features" in output
    assert "teach it again from its photos" in output
    tiny(models_dir, confidence=CALIBRATED)
    assert run("import", file, "--name", "mine").exit_code == 0


def test_base_without_features_is_refused(folder: Path, models_dir: Path) -> None:
    tiny(models_dir, "plain", more={"graph.onnx": graph(drop=["features"])})
    output = output_of("teach", folder, "--name", "mine", "--base", "plain", code=2)
    assert "plain can't be a base: its graph has no features. Use imagenet." in output


def test_file_whose_golden_outputs_differ_is_refused(taught: TaughtModel) -> None:
    golden = taught.manifest.golden
    other = golden.model_copy(update={"novelty": (golden.novelty[0] + 0.002, golden.novelty[1])})
    changed = taught.manifest.model_copy(update={"golden": other})
    with pytest.raises(ExportRefused, match="other novelty here than where it was made"):
        replace(taught, manifest=changed).publish("mine")
    assert "mine" not in list_models()


@pytest.mark.parametrize(
    ("labels", "count", "message"),
    [
        ([], 0, "photos for no labels"),
        (["red"], 2, "at least two"),
        ([f"label {number}" for number in range(21)], 1, "at most 500 of 20"),
        (["red", "blue"], 251, "at most 500 of 20"),
        (["red", "x" * 61], 1, "1 to 60 characters"),
        (["red", "\u200e"], 1, "1 to 60 characters"),
        (["red", "re\u202ed"], 1, "differ from others in more than spaces and marks"),
        (["train/red", "train/blue", "validation/red"], 1, "is split into parts"),
    ],
)
def test_folder_that_cannot_be_taught_is_refused_with_a_sentence(
    labels: list[str], count: int, message: str, tmp_path: Path, tiny_bundle: Bundle
) -> None:
    (tmp_path / "photos").mkdir()
    for label in labels:
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(count):
            colour("red", 8).save(tmp_path / "photos" / label / f"{number}.png")
    output = output_of(
        "teach", tmp_path / "photos", "--name", "mine", "--base", tiny_bundle.name, code=2
    )
    assert message in output
    assert "[data-refused]" in output


def test_label_is_shown_without_marks_and_needs_a_photo_that_can_be_read(
    folder: Path, tiny_bundle: Bundle
) -> None:
    (folder / "red").rename(folder / "\u202eder\u202c  two")
    assert teach(folder, tiny_bundle.name).manifest.labels == ("blue", "green", "der two")
    for path in (folder / "blue").iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(DataError, match="None of the photos of blue can be read"):
        teach(folder, tiny_bundle.name)


def test_teaching_loads_no_torch(folder: Path, tiny_bundle: Bundle) -> None:
    words = ["teach", str(folder), "--name", "mine", "--base", tiny_bundle.name]
    command = f"from model.cli import main; main({words}, standalone_mode=False)"
    # Of a base with weights, the head becomes the last layer.
    loaded = loaded_modules(f"import safetensors.numpy; {command}")
    assert "sklearn" in loaded
    assert loaded & {"torch", "fastai", "timm"} == set()


def test_missing_package_is_named_with_what_to_install(
    folder: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    output = output_of("teach", folder, "--name", "mine", "--base", tiny_bundle.name, code=2)
    assert "isn't installed. Run pip install scikit-learn safetensors" in output


def test_hash_of_features_survives_a_calibration_and_nothing_else() -> None:
    data, recipe = graph(), PreprocessConfig(resize=(32, 32))

    def digest(data: bytes, **changes: object) -> str:
        changed = recipe.model_copy(update=changes)
        return str(describe_features("own", changed, make_small_graph(data))["sha256"])

    before = digest(data)
    assert digest(attach_head(data, 3.0, None)) == before
    assert digest(data, interpolation="bicubic") != before
    model = onnx.load_from_string(data)
    tensor = next(item for item in model.graph.initializer if item.name == "scale")
    tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
    assert digest(model.SerializeToString()) != before


def test_devices_say_how_often_a_taught_model_is_right(taught: TaughtModel) -> None:
    words = device_words(taught.publish("mine").manifest)
    record = ["Right for 12 of 12 recordings, each left out in turn"]
    unknown = ["It says this of up to 1 in 10 things it does know"]
    assert words["records"] == {
        "full": {"labels": 3 * [record], "plausible": [], "unknown": unknown}
    }
    assert set(words["testing"].values()) == {""}


def test_model_json_has_the_features_of_a_base(tiny_bundle: Bundle) -> None:
    info = json.loads((device_dir(tiny_bundle) / "model.json").read_text("utf-8"))
    features = info["graphs"]["small"]["features"]
    graph = make_small_graph(tiny_bundle.read("graph.onnx"))
    assert features == describe_features("tiny", tiny_bundle.manifest.recipe, graph)
    assert (features["size"], features["near_copy"]) == (3, 0.95)


@pytest.mark.slow
@pytest.mark.torch
def test_both_engines_and_the_small_graph_give_the_files_outputs(
    tmp_path: Path, models_dir: Path
) -> None:
    taught = teach(folder_of(tmp_path / "shapes", 3))
    taught.save(tmp_path / "shapes.loupe")
    manifest, head = read_loupe((tmp_path / "shapes.loupe").read_bytes())
    bundle = taught.publish("shapes")
    assert bundle.manifest.engines == ("compiled", "learner")
    for engine in bundle.manifest.engines:
        load("shapes", engine).run_golden_test()
    small = make_small_graph(bundle.read("graph.onnx"))
    outputs = run_graph(small, draw(224, 224))
    assert outputs["logits"] == pytest.approx(np.array(manifest.golden.logits), abs=1e-3)
    assert outputs["novelty"] == pytest.approx(np.array(manifest.golden.novelty), abs=1e-3)
    tensors = {item.name: item for item in onnx.load_from_string(small).graph.initializer}
    assert np.array_equal(numpy_helper.to_array(tensors["few_shot_weight"]), head.weight)
    assert (tmp_path / "shapes.loupe").stat().st_size < 2 * 20_000


@pytest.mark.slow
@pytest.mark.torch
def test_base_with_fastais_head_keeps_its_learner(tmp_path: Path, models_dir: Path) -> None:
    """Its last layer has no bias, and a few-shot head has one."""
    from model.learner.inference_module import export_onnx
    from model.learner.rebuild import empty_learner

    changes = {"library": "torchvision", "body": "resnet18", "head": "fastai", "features": 512}
    draft = ManifestDraft.model_validate(values("own", side=(64, 64)))
    architecture = draft.architecture.model_copy(update=changes)
    engines = ("compiled", "learner")
    draft = draft.model_copy(update={"architecture": architecture, "engines": engines})
    network = empty_learner(draft).model.eval()
    publish(draft, models_dir, lambda folder: export_onnx(network, draft, folder))
    bundle = teach(folder_of(tmp_path / "shapes", 2), "own").publish("shapes")
    assert bundle.manifest.engines == engines
    learner = load("shapes", "learner")
    assert learner.engine.run(bundle.golden.pixels[:1]).logits == pytest.approx(
        bundle.golden.logits[:1], abs=1e-4
    )
