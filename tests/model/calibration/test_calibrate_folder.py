"""The command ``calibrate`` on a model of colours and folders of photos."""

import json
from pathlib import Path

import pytest

from model import Bundle, load
from model.bundle import get_bundle
from tests.model.calibration.shades import shades
from tests.model.command import run
from tests.model.tiny import colour, tiny


def test_calibrating_publishes_a_new_version_and_keeps_the_previous_one(
    tiny_bundle: Bundle, photos: Path, greys: Path
) -> None:
    result = run("calibrate", "tiny", photos, "--unknown", greys)
    assert result.exit_code == 0, result.output
    calibrated = get_bundle("tiny")
    assert calibrated.version != tiny_bundle.version
    assert (tiny_bundle.folder / "bundle.json").is_file()
    confidence, card = calibrated.manifest.calibration, calibrated.manifest.card
    assert confidence
    assert card
    assert card.photos == 72
    assert card.ood_sets[0].name == "greys"
    assert {metric.name for metric in calibrated.manifest.metrics} == {
        "accuracy",
        "coverage",
        "kept",
        "calibration_error",
        "calibration_error_before",
    }
    assert "of 60 out-of-distribution photos in greys" in result.output
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
    result = run("calibrate", "tiny", photos)
    assert result.exit_code == 0
    assert "or copies of another one): 2 (red/broken.jpg, red/copy.png)" in result.output
    assert "Skipped folders (no label with that name): 1 (tulip)" in result.output
    card = get_bundle("tiny").manifest.card
    assert card
    assert card.photos == 72


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody", "{photos}"], "no-such-model"),
        (["tiny", "{empty}"], "no folders to take labels from"),
        (["tiny", "{few}"], "at least 50"),
        (["tiny", "{photos}", "--unknown", "{empty}"], "at least 50"),
        (["several", "{photos}"], "several labels"),
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
    result = run("calibrate", *[word.format(**folders) for word in words])
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert json.loads((get_bundle("tiny").folder / "bundle.json").read_text()) == before
