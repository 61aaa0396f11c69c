"""An own model's samples: one a label, only those that it names right as they are shown."""

from pathlib import Path

from model import Bundle, load
from model.bundle import get_bundle, read_samples
from model.evaluation.held_out import add_samples, choose_samples
from tests.model.tiny import COLOURS, colour


def save(folder: Path, label: str, name: str) -> tuple[Path, str]:
    path = folder / f"{label}-{name}.png"
    colour(name).save(path)
    return path, label


def test_sample_is_the_likeliest_correct_photo(calibrated_bundle: Bundle, tmp_path: Path) -> None:
    dark = tmp_path / "dark.png"
    colour("red").point(lambda value: value * 3 // 4).save(dark)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff")
    photos = [
        (broken, "red"),
        (dark, "red"),
        save(tmp_path, "red", "red"),
        # Wrong, so blue has no sample.
        save(tmp_path, "blue", "green"),
        *(save(tmp_path, label, label) for label in ("black", "white", "yellow")),
    ]
    classifier = load(calibrated_bundle.name)
    chosen = choose_samples(classifier, photos)
    assert [entry.label for entry, _ in chosen] == ["red", "yellow", "white", "black"]
    assert classifier.identify(chosen[0][1]).top(1)[0].probability > (
        classifier.identify(dark).top(1)[0].probability
    )
    line = add_samples(calibrated_bundle, photos)
    assert line == "Visitors see 4 photos as samples: red, yellow, white, black"
    assert len(read_samples(get_bundle(calibrated_bundle.name))) == 4


def test_samples_are_at_most_five_and_never_rejected_ones(
    calibrated_bundle: Bundle, tmp_path: Path
) -> None:
    classifier = load(calibrated_bundle.name)
    photos = [save(tmp_path, label, label) for label in COLOURS]
    assert len(choose_samples(classifier, photos)) == 5
    grey = tmp_path / "grey.png"
    colour("white").point(lambda value: value // 2).save(grey)
    assert classifier.identify(grey).answer is None
    line = add_samples(calibrated_bundle, [(grey, label) for label in COLOURS])
    assert line == "No samples: the model names none of these photos right."
