"""Occlusion maps, tried on a model that sees one corner only."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import Bundle, Classifier, load
from model.admission import admission_queue
from model.engines import EngineOutput
from model.errors import Busy
from model.explanation import occlusion_map, render_overlay
from model.preprocess import Pixels
from tests.model.slots import held
from tests.model.tiny import tiny

SIDE = 64


@pytest.fixture
def cornered(models_dir: Path) -> Classifier:
    """It sees the upper left quarter of each side, and nothing else."""
    tiny(models_dir, "corner", side=(SIDE, SIDE), corner=True)
    return load("corner")


def picture(corner: tuple[int, int, int], rest: tuple[int, int, int]) -> Pixels:
    pixels = np.full((SIDE, SIDE, 3), rest, dtype=np.uint8)
    pixels[: SIDE // 4, : SIDE // 4] = corner
    return pixels


def test_occlusion_map_is_bright_in_the_corner_the_model_sees(cornered: Classifier) -> None:
    pixels = picture((255, 0, 0), (0, 0, 255))
    assert cornered.identify(Image.fromarray(pixels)).answer == "red"
    heat = occlusion_map(cornered, pixels, 0)
    assert heat.shape == (SIDE, SIDE)
    assert heat.dtype == np.float32
    assert 0 <= float(heat.min()) < 0.05
    assert float(heat.max()) == pytest.approx(1)
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    assert max(row, column) < SIDE // 4 + 4
    corner = heat[: SIDE // 4, : SIDE // 4]
    assert corner.mean() > 5 * heat[SIDE // 2 :, :].mean()
    assert heat[SIDE // 2 :, SIDE // 2 :].max() < 0.05


def test_occlusion_map_is_finite_where_nothing_matters(cornered: Classifier) -> None:
    heat = occlusion_map(cornered, picture((255, 0, 0), (255, 0, 0)), 0)
    assert np.isfinite(heat).all()
    assert 0 <= heat.min() <= heat.max() <= 1


def test_occlusion_map_ends_once_the_order_of_its_regions_is_clear(
    cornered: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Pixels] = []
    run = cornered.engine.run

    def count_run(pixels: Pixels) -> EngineOutput:
        runs.append(pixels)
        return run(pixels)

    monkeypatch.setattr(cornered.engine, "run", count_run)
    occlusion_map(cornered, picture((255, 0, 0), (255, 0, 0)), 0, seconds=60)
    # The photo, the coarse patches, and the first finer ones.
    assert len(runs) == 1 + 16 + 6
    occlusion_map(cornered, picture((255, 0, 0), (0, 0, 255)), 0, seconds=60)
    assert len(runs) <= 23 + 40


def test_occlusion_map_waits_in_the_admission_queue(
    cornered: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission_queue(), "queue", 0)
    with held(admission_queue(), admission_queue().slots), pytest.raises(Busy):
        occlusion_map(cornered, picture((255, 0, 0), (0, 0, 255)), 0)


def test_occlusion_map_has_the_size_of_the_pixels_and_keeps_them(
    models_dir: Path, calibrated_bundle: Bundle
) -> None:
    tiny(models_dir, "oblong", side=(24, 40))
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    before = pixels.copy()
    assert occlusion_map(load("oblong"), pixels, 2).shape == (24, 40)
    np.testing.assert_array_equal(pixels, before)


def test_overlay_keeps_important_regions_bright() -> None:
    pixels = np.full((SIDE, 2 * SIDE, 3), 200, dtype=np.uint8)
    heat = np.zeros((SIDE, 2 * SIDE), dtype=np.float32)
    heat[:16, :16] = 1
    lit = np.asarray(render_overlay(pixels, heat, side=256))
    assert lit.shape == (256, 512, 3)
    assert lit[:40, :40].mean() > 190
    assert lit[128:, 128:].mean() < 100
