"""A temperature estimated on photos that were made harder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import load
from model.answer.phrases import trust_lines
from model.answer.prediction import Certainty, Prediction, certainty
from model.answer.share_link import decode, encode
from model.bundle import Bundle, Calibration, ManifestDraft, publish, read_small_card
from model.calibration.calibrate_folder import write_small_figures
from model.calibration.estimate import estimate_temperature
from model.calibration.graph_head import write_temperature
from model.calibration.graph_outputs import Floats, open_graph
from model.preprocess import Pixels
from tests.model.tiny import COLOURS, tiny

TARGETS = [label for label in range(len(COLOURS)) for _ in range(8)]


def patches() -> list[Image.Image]:
    """Return photos of a coloured patch on noise, one for each target."""
    random = np.random.default_rng(0)
    photos = []
    for label in TARGETS:
        pixels = random.integers(0, 256, (48, 48, 3), np.uint8)
        edge = int(random.integers(2, 22))
        pixels[edge:-edge, edge:-edge] = list(COLOURS.values())[label]
        photos.append(Image.fromarray(pixels))
    return photos


def estimate(bundle: Bundle, sharpness: float, accuracy: float) -> float:
    run = open_graph(bundle.read("graph.onnx"))

    def sharper(pixels: Pixels) -> tuple[Floats, Floats]:
        logits, features = run(pixels)
        return logits * np.float32(sharpness), features

    recipe = bundle.manifest.recipe
    found = estimate_temperature(sharper, patches(), TARGETS, recipe, accuracy)
    low, high = found.range
    assert low <= found.temperature <= high
    return found.temperature


def test_estimate_follows_the_sharpness_of_the_logits_and_the_accuracy(models_dir: Path) -> None:
    bundle = tiny(models_dir)
    flat, sharp = (estimate(bundle, sharpness, 0.66) for sharpness in (1, 3))
    # The prior pulls both a little towards 1.
    assert sharp / flat == pytest.approx(3, rel=0.15)
    # Harder photos ask for a higher temperature.
    assert flat > estimate(bundle, 1, 0.74)


def test_accuracy_that_is_never_reached_is_refused(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.calibration.estimate.SEEDS", (0,))
    with pytest.raises(ValueError, match="still right on more"):
        estimate(tiny(models_dir), 1, 0.01)


def test_estimated_model_says_so_and_names_something(models_dir: Path) -> None:
    source = tiny(models_dir, "source")
    calibration = Calibration(temperature=4, estimated="From three guesses.")

    def write_files(folder: Path) -> ManifestDraft:
        for name in source.manifest.files:
            (folder / name).write_bytes(source.read(name))
        return write_temperature(draft, folder, calibration)

    draft = source.manifest.to_draft().model_copy(update={"name": "estimated"})
    bundle = publish(draft, models_dir, write_files)
    assert not bundle.manifest.is_calibrated
    red = Image.new("RGB", (40, 40), (230, 20, 20))
    before, after = (load(name).identify(red) for name in ("source", "estimated"))
    assert certainty(after) is Certainty.GUESS
    assert after.top(1)[0].label == "red"
    assert after.top(1)[0].probability < before.top(1)[0].probability
    (line,) = trust_lines(after, bundle.manifest)
    assert str(line[0]).startswith("Estimated: ")
    assert "always names something" in str(line[0])
    shared: Prediction = decode(encode(after)).prediction
    assert shared.estimated
    assert shared.prediction_set is None

    halved = calibration.model_copy(update={"temperature": 2})
    write_small_figures(bundle, calibration=halved, metrics=(), full_metrics=())
    card = read_small_card(bundle)
    assert card.calibration.temperature == 2
