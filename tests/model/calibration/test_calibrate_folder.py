"""``calibrate`` on a model of colours and folders of photos, and on its small graph."""

import dataclasses
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from model import Bundle, load
from model.bundle import HASH_DIGITS, SMALL_CARD, TRAINING_PHOTOS, get_bundle, read_small_card
from model.calibration.cross_validation import calibrate
from model.calibration.graph_outputs import CalibrationOutputs, GraphOutputs
from model.cli.train import command_line
from model.loading import default_model
from model.storage.disk import hash_file
from tests.model.calibration.conftest import id_outputs, ood_outputs, shades
from tests.model.command import output_of, run
from tests.model.tiny import colour, replace, tiny


def test_calibrating_publishes_a_new_version_and_keeps_the_previous_one(
    tiny_bundle: Bundle, photos: Path, greys: Path
) -> None:
    output = output_of("calibrate", "tiny", photos, "--unknown", f"shades of grey={greys}")
    calibrated = get_bundle("tiny")
    assert calibrated.version != tiny_bundle.version
    assert (tiny_bundle.folder / "bundle.json").is_file()
    card = calibrated.manifest.card
    assert card.photos == 72
    assert card.ood_sets[0].name == "shades of grey"
    assert card.on == "held-out photos"
    assert str(photos) not in (calibrated.folder / "bundle.json").read_text()
    assert {metric.name for metric in calibrated.manifest.metrics} == {
        "accuracy",
        "coverage",
        "kept",
        "calibration_error",
        "calibration_error_before",
    }
    assert "of 60 out-of-distribution photos (shades of grey)" in output
    assert load("tiny").run_golden_test() < 1e-4
    assert load("tiny").identify(colour("red")).in_distribution is True
    assert run("verify", "tiny").exit_code == 0


def test_damaged_photos_copies_and_other_labels_are_skipped_and_named(
    tiny_bundle: Bundle, photos: Path
) -> None:
    (photos / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (photos / "red" / "copy.png").write_bytes((photos / "red" / "3.png").read_bytes())
    (photos / "tulip").mkdir()
    (photos / "tulip" / "one.png").write_bytes((photos / "red" / "3.png").read_bytes())
    output = output_of("calibrate", "tiny", photos)
    assert "or copies of another one): 2 (red/broken.jpg, red/copy.png)" in output
    assert "Skipped folders (no label with that name): 1 (tulip)" in output
    card = get_bundle("tiny").manifest.card
    assert card.photos == 72
    assert "tulip" not in (get_bundle("tiny").folder / "bundle.json").read_text()
    assert "The model doesn't record its training photos" in output
    assert "may have been trained on" in get_bundle("tiny").manifest.metrics[0].by


def test_model_that_only_guesses_is_held_back(tiny_bundle: Bundle, photos: Path) -> None:
    # Each folder has the name of the next one.
    names = sorted(path.name for path in photos.iterdir())
    moved = [(photos / name).rename(photos / f"was {name}") for name in names]
    for folder, name in zip(moved, [*names[1:], names[0]], strict=True):
        folder.rename(photos / name)
    assert default_model() == "tiny"
    output = output_of("calibrate", "tiny", photos)
    assert "The model isn't measurably better than guessing (17%)" in output
    assert ": check that each folder holds photos of the label in its name" in output
    assert "now see imagenet first. LOUPE_MODEL=tiny keeps tiny." in output
    assert default_model() == "imagenet"
    assert "better than guessing" in run("evaluate", "tiny", photos).stderr
    run("rollback", "tiny", tiny_bundle.version)
    assert default_model() == "tiny"


@pytest.mark.slow
def test_first_model_stays_with_keep_and_with_unmatched_folders(
    models_dir: Path, tiny_bundle: Bundle, photos: Path
) -> None:
    os.utime(tiny(models_dir, "other").folder / "bundle.json", (0, 0))
    kept = "Visitors of the app still see tiny first."
    assert kept in run("calibrate", "other", photos, "--keep").output
    (photos / "tulip").mkdir()
    result = run("calibrate", "other", photos)
    assert "No label is called tulip: check the names of these folders." in result.output
    assert kept in result.output
    # The first model itself isn't held back.
    for words in ((), ("--keep",)):
        run("calibrate", "tiny", photos, *words)
        assert default_model() == "tiny"
    (photos / "tulip").rmdir()
    assert "Visitors of the app now see other first." in run("calibrate", "other", photos).output
    assert default_model() == "other"


def test_command_on_the_card_names_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("clothes", "calibrate", "my photos"):
        (tmp_path / name).mkdir()
    words = ["calibrate", "clothes", "my photos", "--unknown", f"other things={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["model", *words])
    assert command_line("clothes") == (
        "python -m model calibrate clothes FOLDER --unknown 'other things=FOLDER'"
    )


def record_training_photos(bundle: Bundle, *photos: Path) -> None:
    """Have a bundle list photos that it was trained on."""
    hashes = sorted(hash_file(photo)[:HASH_DIGITS] for photo in photos)
    replace(bundle, TRAINING_PHOTOS, "\n".join(hashes).encode())


def test_photos_that_the_model_was_trained_on_are_refused(
    tiny_bundle: Bundle, photos: Path
) -> None:
    files = sorted(photos.rglob("*.png"))
    record_training_photos(tiny_bundle, *files[:30])
    output = output_of("calibrate", "tiny", photos, code=2)
    assert f"trained on 30 of the 72 photos in {photos}" in " ".join(output.split())
    assert "such as those in" not in output
    unseen = shades(photos.parent / "validation", spread=20)
    assert f"such as those in {unseen}." in run("calibrate", "tiny", photos).output
    assert "trained on 30 of these 72 photos" in run("evaluate", "tiny", photos).stderr
    output = output_of("calibrate", "tiny", unseen)
    assert "training photos" not in output
    assert get_bundle("tiny").manifest.metrics[0].by == "measured by Loupe"
    # The new version records them as well.
    assert run("calibrate", "tiny", photos).exit_code == 2
    record_training_photos(get_bundle("tiny"), *files[:20])
    result = run("calibrate", "tiny", photos)
    assert "Photos that the model was trained on, skipped: 20" in result.output
    card = get_bundle("tiny").manifest.card
    assert card.photos == 52


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody", "{photos}"], "no-such-model"),
        (["tiny", "{photos}", "--reference", "{photos}"], "with --small only"),
        (["tiny", "{empty}"], "no folders to take labels from"),
        (["tiny", "{few}"], "at least 50"),
        (["tiny", "{photos}", "--unknown", "{empty}"], "at least 50"),
        (["several", "{photos}"], "several labels"),
        (["tiny", "{photos}", "--unknown", "greys={photos}/none"], "isn't a folder"),
        (["tiny", "{photos}", "--unknown", "a={photos}", "--unknown", "a={few}"], "Rename one"),
    ],
)
def test_unsuitable_photos_and_models_are_refused(
    words: list[str],
    message: str,
    tiny_bundle: Bundle,
    models_dir: Path,
    photos: Path,
    tmp_path: Path,
) -> None:
    tiny(models_dir, "several", multilabel=True)
    (tmp_path / "empty").mkdir()
    few = shades(tmp_path / "few", 2)
    folders = {"photos": photos, "empty": tmp_path / "empty", "few": few}
    before = json.loads((tiny_bundle.folder / "bundle.json").read_text())
    output = output_of("calibrate", *[word.format(**folders) for word in words], code=2)
    assert message in output
    assert "Traceback" not in output
    assert json.loads((get_bundle("tiny").folder / "bundle.json").read_text()) == before


def shifted(outputs: GraphOutputs) -> GraphOutputs:
    """Outputs of a graph that is twice as confident and whose features are noisier."""
    noise = np.random.default_rng(8).normal(size=outputs.features.shape).astype(np.float32)
    return dataclasses.replace(
        outputs, logits=2 * outputs.logits, features=outputs.features + 4 * noise
    )


def test_thresholds_are_fitted_to_the_small_graph() -> None:
    held_out, far = id_outputs(600), {"far": ood_outputs(200)}
    small = CalibrationOutputs(shifted(held_out), {"far": shifted(far["far"])})
    result = calibrate(held_out, None, far, small=small)
    full, fitted = result.calibration, result.small.calibration
    assert fitted.temperature == pytest.approx(2 * full.temperature, rel=0.05)
    assert fitted.ood_detector == full.ood_detector
    new = shifted(id_outputs(3000, 9))
    accepted = (result.detector(new) <= fitted.ood_threshold).mean()
    assert accepted == pytest.approx(0.95, abs=0.03)
    kept = next(metric.value for metric in result.small.metrics if metric.name == "kept")
    assert kept == pytest.approx(accepted, abs=0.03)
    # The full graph's result is what it is without the small one.
    assert result.calibration == calibrate(held_out, None, far).calibration


@pytest.mark.slow
def test_agreement_is_counted_for_each_set_of_photos() -> None:
    held_out, far = id_outputs(300), {"far": ood_outputs(200)}
    same = calibrate(held_out, None, far, small=CalibrationOutputs(held_out, far)).small
    assert [(row.name, row.photos, row.top_label, row.known) for row in same.agreement] == [
        ("held-out photos", 300, 300, 300),
        ("far", 200, 200, 200),
    ]
    changed = dataclasses.replace(held_out, logits=np.roll(held_out.logits, 1, axis=1))
    other = calibrate(held_out, None, far, small=CalibrationOutputs(changed, far)).small
    assert other.agreement[0].top_label == 0


def test_calibrating_measures_the_small_graph(
    tiny_bundle: Bundle, photos: Path, greys: Path
) -> None:
    output = output_of("calibrate", "tiny", photos, "--unknown", greys)
    assert "held-out photos: same top label on 72 of 72" in output
    bundle = get_bundle("tiny")
    card = read_small_card(bundle)
    # Its weights are too few to be rounded, so both graphs are the same.
    assert card.calibration == bundle.manifest.calibration
    assert card.metrics == card.full_metrics
    # Older versions of Loupe don't know the last figure.
    shown = card.full_metric("shown")
    assert bundle.manifest.metrics == tuple(one for one in card.metrics if one != shown)
    assert shown.value <= card.full_metric("kept").value
    assert card.card.confusion == bundle.manifest.card.confusion
    assert [row.name for row in card.agreement] == ["held-out photos", "other photos"]
    assert '"small": {' in run("show", "tiny").output


@pytest.mark.slow
def test_small_graph_of_an_older_bundle_is_calibrated_without_a_new_version(
    tiny_bundle: Bundle, photos: Path, greys: Path, tmp_path: Path
) -> None:
    run("calibrate", "tiny", photos, "--unknown", greys)
    bundle = get_bundle("tiny")
    first = (bundle.folder / SMALL_CARD).read_text()
    (bundle.folder / SMALL_CARD).unlink()
    result = run("calibrate", "tiny", photos, "--unknown", greys, "--small")
    assert result.exit_code == 0, result.output
    assert get_bundle("tiny").version == bundle.version
    before, after = (
        text.splitlines() for text in (first, (bundle.folder / SMALL_CARD).read_text())
    )
    assert [line for line in before if "command" not in line] == [
        line for line in after if "command" not in line
    ]
    others = shades(tmp_path / "other photos", spread=20)
    assert "comes out differently" in output_of("calibrate", "tiny", others, "--small", code=2)
    assert (bundle.folder / SMALL_CARD).read_text().splitlines() == after


def test_model_without_calibration_gets_figures_only(tiny_bundle: Bundle, photos: Path) -> None:
    result = run("calibrate", "tiny", photos, "--small")
    assert result.exit_code == 0, result.output
    card = read_small_card(get_bundle("tiny"))
    assert card.calibration is None
    assert card.card is None
    assert card.agreement[0].known is None
    assert card.agreement[0].top_label == 72
    assert "may have been trained on" in card.metrics[0].by
