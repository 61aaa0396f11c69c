"""The small graph's calibration: fitted to its own outputs, written beside the bundle."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model import Bundle
from model.bundle import SMALL_CARD, get_bundle, read_small_card
from model.calibration import GraphOutputs, calibrate
from model.calibration.graph_outputs import CalibrationOutputs
from tests.model.calibration.clouds import id_outputs, ood_outputs
from tests.model.calibration.shades import shades
from tests.model.command import run


def shifted(outputs: GraphOutputs) -> GraphOutputs:
    """Outputs of a graph that is twice as confident and whose features are noisier."""
    noise = np.random.default_rng(8).normal(size=outputs.features.shape).astype(np.float32)
    return replace(outputs, logits=2 * outputs.logits, features=outputs.features + 4 * noise)


def test_thresholds_are_fitted_to_the_small_graph() -> None:
    held_out, far = id_outputs(600), {"far": ood_outputs(200)}
    small = CalibrationOutputs(shifted(held_out), {"far": shifted(far["far"])})
    result = calibrate(held_out, None, far, small=small)
    assert result.small
    full, fitted = result.calibration, result.small.calibration
    assert fitted.temperature == pytest.approx(2 * full.temperature, rel=0.05)
    assert fitted.ood_detector == full.ood_detector
    new = shifted(id_outputs(3000, 9))
    assert fitted.ood_threshold is not None
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
    assert same
    assert [(row.name, row.photos, row.top_label, row.known) for row in same.agreement] == [
        ("held-out photos", 300, 300, 300),
        ("far", 200, 200, 200),
    ]
    changed = replace(held_out, logits=np.roll(held_out.logits, 1, axis=1))
    other = calibrate(held_out, None, far, small=CalibrationOutputs(changed, far)).small
    assert other
    assert other.agreement[0].top_label == 0


def test_calibrating_measures_the_small_graph(
    tiny_bundle: Bundle, photos: Path, greys: Path
) -> None:
    result = run("calibrate", "tiny", photos, "--unknown", greys)
    assert result.exit_code == 0, result.output
    assert "held-out photos: same top label on 72 of 72" in result.output
    bundle = get_bundle("tiny")
    card = read_small_card(bundle)
    assert card
    # Its weights are too few to be rounded, so both graphs are the same.
    assert card.calibration == bundle.manifest.calibration
    assert card.metrics == card.full_metrics
    # Older versions of Loupe don't know the last figure.
    shown = card.full_metric("shown")
    assert shown
    assert bundle.manifest.metrics == tuple(one for one in card.metrics if one != shown)
    assert shown.value <= card.full_metric("kept").value
    assert card.card
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
    result = run("calibrate", "tiny", others, "--small")
    assert result.exit_code == 2
    assert "comes out differently" in result.output
    assert (bundle.folder / SMALL_CARD).read_text().splitlines() == after


def test_model_without_calibration_gets_figures_only(tiny_bundle: Bundle, photos: Path) -> None:
    result = run("calibrate", "tiny", photos, "--small")
    assert result.exit_code == 0, result.output
    card = read_small_card(get_bundle("tiny"))
    assert card
    assert card.calibration is None
    assert card.card is None
    assert card.agreement[0].known is None
    assert card.agreement[0].top_label == 72
    assert "may have been trained on" in card.metrics[0].by


def test_reference_without_small_is_refused(tiny_bundle: Bundle, photos: Path) -> None:
    result = run("calibrate", "tiny", photos, "--reference", photos)
    assert result.exit_code == 2
    assert "with --small only" in result.output
