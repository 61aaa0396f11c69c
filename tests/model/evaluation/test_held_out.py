"""``model.evaluation.held_out``: photos that stay for all versions, and samples."""

from pathlib import Path

import pytest

from model import Bundle, load
from model.browser.cache import find_folder
from model.browser.device_files import device_name
from model.bundle import (
    current_version,
    get_bundle,
    list_versions,
    open_version,
    read_samples,
    roll_back,
)
from model.errors import ArchiveError, BundleError
from model.evaluation import held_out
from model.model_store.publications import make_current
from model.storage.photo_files import open_photos
from tests.model.tiny import COLOURS, colour, tiny
from tests.photos import encoded
from tests.zips import zipped


def save(*names: str) -> None:
    labels = {name: Path(name).parent.name for name in names}
    photos = {
        name: encoded(colour(label), "PNG") if label in COLOURS else b"\x89PNG\r\n"
        for name, label in labels.items()
    }
    held_out.save_held_out("tiny", open_photos(zipped(photos), 100))


def test_photos_stay_until_others_replace_them(models_dir: Path) -> None:
    old, new = tiny(models_dir), tiny(models_dir, corner=True)
    assert (held_out.count_held_out("tiny"), held_out.count_uses("tiny")) == (0, 0)
    save(
        "red/a.png", "x/red/a.png", "green/b.png", "c.png", "../blue/d.png", "yellow/bad.png/e.png"
    )
    assert {path.name for path in held_out.held_out_folder("tiny").iterdir()} == {
        *("red", "green", "blue", "bad.png")
    }
    assert held_out.count_held_out("tiny") == 5
    figures = held_out.compare_versions(old, new)
    assert (figures.table.photos, figures.table.both_right) == (4, 4)
    assert figures.left_out == ("bad.png",)
    held_out.compare_versions(old, new)
    assert held_out.count_uses("tiny") == 1, "the same pair chose twice"
    held_out.compare_versions(new, old)
    assert held_out.count_uses("tiny") == 2
    save("red/a.png")
    assert (held_out.count_held_out("tiny"), held_out.count_uses("tiny")) == (1, 0)


def test_zip_without_folders_changes_nothing(models_dir: Path) -> None:
    save("red/a.png")
    with pytest.raises(ArchiveError, match="one folder per label"):
        save("a.png")
    assert held_out.count_held_out("tiny") == 1
    assert {path.name for path in held_out.held_out_folder("").iterdir()} == {"tiny", ".lock"}


def test_damaged_version_is_not_published(models_dir: Path) -> None:
    old, new = tiny(models_dir), tiny(models_dir, corner=True)
    make_current(old)
    assert load("tiny").bundle.version == old.version
    make_current(new)
    assert load("tiny").bundle.version == new.version
    # What browsers load of it is made before visitors ask.
    assert find_folder(device_name(new))
    graph = open_version("tiny", old.version).folder / "graph.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError):
        make_current(old)
    assert get_bundle("tiny").version == new.version


def test_candidate_leaves_the_version_in_use(models_dir: Path) -> None:
    first = tiny(models_dir, is_candidate=True)
    assert current_version(models_dir / "tiny") == first.version, "there was none before"
    second = tiny(models_dir, corner=True, is_candidate=True)
    assert get_bundle("tiny").version == first.version
    assert {item.version for item in list_versions("tiny")} == {first.version, second.version}
    assert roll_back("tiny", second.version).version == second.version


def test_candidate_leaves_the_built_in_model_current(models_dir: Path) -> None:
    built_in = get_bundle("clothing")
    new = tiny(models_dir, "clothing", is_candidate=True)
    assert get_bundle("clothing").version == built_in.version
    versions = {item.version: item.current for item in list_versions("clothing")}
    assert versions == {built_in.version: True, new.version: False}


def save_photo(folder: Path, label: str, name: str) -> tuple[Path, str]:
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
        save_photo(tmp_path, "red", "red"),
        # Wrong, so blue has no sample.
        save_photo(tmp_path, "blue", "green"),
        *(save_photo(tmp_path, label, label) for label in ("black", "white", "yellow")),
    ]
    classifier = load(calibrated_bundle.name)
    chosen = held_out.choose_samples(classifier, photos)
    assert [entry.label for entry, _ in chosen] == ["red", "yellow", "white", "black"]
    assert classifier.identify(chosen[0][1]).top(1)[0].probability > (
        classifier.identify(dark).top(1)[0].probability
    )
    line = held_out.add_samples(calibrated_bundle, photos)
    assert line == "Visitors see 4 photos as samples: red, yellow, white, black"
    assert len(read_samples(get_bundle(calibrated_bundle.name))) == 4


def test_samples_are_at_most_five_and_never_rejected_ones(
    calibrated_bundle: Bundle, tmp_path: Path
) -> None:
    classifier = load(calibrated_bundle.name)
    photos = [save_photo(tmp_path, label, label) for label in COLOURS]
    assert len(held_out.choose_samples(classifier, photos)) == 5
    grey = tmp_path / "grey.png"
    colour("white").point(lambda value: value // 2).save(grey)
    assert classifier.identify(grey).answer is None
    line = held_out.add_samples(calibrated_bundle, [(grey, label) for label in COLOURS])
    assert line == "No samples: the model names none of these photos right."
