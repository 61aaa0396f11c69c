"""Training data, split into photos to train on and held-out photos."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from model.errors import DataError
from model.storage.labelled_photos import Dataset, LabelledPhoto, add_photos, discover
from model.training.data_report import DataReport, PhotoScan, report_on
from model.training.prepare import split_photos
from tests.model.training.pictures import LABELS, folder_of, picture
from tests.model.training.test_data_report import make_report


def test_split_is_stratified_repeatable_and_keeps_duplicates_together(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 40)
    for number in range(10):
        image = picture("disc", number)
        for side in (90, 100, 110):
            image.resize((side, side)).save(folder / "disc" / f"like-{number}-{side}.jpg")
    dataset = discover(folder)
    report = make_report(dataset, tmp_path / "copies")
    split = split_photos(dataset, report, seed=1)
    assert split_photos(dataset, report, seed=1) == split
    assert split_photos(dataset, report, seed=2) != split
    groups = report.groups
    trained = {groups[photo.name] for photo in split.train}
    assert not trained & {groups[photo.name] for photo in split.held_out}
    assert {photo.label for photo in split.held_out} == {"disc", "square"}
    share = len(split.held_out) / (len(split.held_out) + len(split.train))
    assert share == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("count", [1, 2])
def test_label_with_too_few_photos_to_split_is_refused(tmp_path: Path, count: int) -> None:
    folder_of(tmp_path / "photos", count, labels=("disc",))
    dataset = discover(folder_of(tmp_path / "photos", 9, labels=("square",)))
    report = make_report(dataset, tmp_path / "copies")
    with pytest.raises(DataError, match=rf"Too few photos.*disc \({count}\)\. Each label needs"):
        split_photos(dataset, report)


def test_rare_label_is_held_out_without_taking_from_others(tmp_path: Path) -> None:
    folder_of(tmp_path / "photos", 3, labels=("disc",))
    dataset = discover(folder_of(tmp_path / "photos", 50, labels=("square",)))
    report = make_report(dataset, tmp_path / "copies")
    for seed in range(5):
        split = split_photos(dataset, report, seed)
        counts = Counter(photo.label for photo in split.held_out)
        assert counts["disc"] >= 1
        assert counts["square"] <= 12
        assert split.unmeasured == ()


def test_label_of_near_duplicates_may_be_unmeasured(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 20, labels=("square", "star"))
    (folder / "disc").mkdir()
    for number in range(6):
        picture("disc", 1).resize((90 + number, 90)).save(folder / "disc" / f"{number}.png")
    dataset = discover(folder)
    report = make_report(dataset, tmp_path / "copies")
    assert ("disc",) in [split_photos(dataset, report, seed).unmeasured for seed in range(5)]


# Photos that an earlier run split, and recordings


def dataset_of(folders: list[str], count: int) -> tuple[Dataset, DataReport]:
    """Photos that don't look alike; their files don't exist."""
    names = [f"{folder}/{number}.jpg" for folder in folders for number in range(count)]
    photos = [LabelledPhoto(Path(name), name, name.split("/")[0], None) for name in names]
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    scans = [PhotoScan(name, sha256=key, hash=key, copy="x") for name, key in hashes.items()]
    dataset = Dataset(LABELS, tuple(photos))
    return dataset, report_on(dataset, scans)


@pytest.mark.parametrize(("added", "new"), [(2, 0), (4, 2), (40, 16)])
def test_held_out_photos_stay_held_out_and_new_photos_are_split(added: int, new: int) -> None:
    sides = {photo.name: photo.name[-5] in "36" for photo in dataset_of([*LABELS], 10)[0].photos}
    split = split_photos(*dataset_of([*LABELS], 10 + added), sides=sides)
    held_out = {photo.name for photo in split.held_out}
    assert held_out & sides.keys() == {name for name, is_held_out in sides.items() if is_held_out}
    assert len(held_out - sides.keys()) == new


def test_near_duplicates_of_a_training_photo_are_never_held_out() -> None:
    dataset, report = dataset_of([*LABELS], 10)
    alike = {"disc/1.jpg": False, "disc/3.jpg": True, "disc/5.jpg": None}
    report.groups.update(dict.fromkeys(alike, report.groups["disc/1.jpg"]))
    sides = {photo.name: photo.name[-5] in "36" for photo in dataset.photos} | alike
    del sides["disc/5.jpg"]
    held_out = {photo.name for photo in split_photos(dataset, report, sides=sides).held_out}
    assert held_out == {"disc/6.jpg", "square/3.jpg", "square/6.jpg"}


def test_recordings_stay_together_even_if_a_label_has_two() -> None:
    folders = [f"{label}/recording-{number}" for label in LABELS for number in (1, 2)]
    dataset, report = dataset_of(folders, 4)
    together = {(name.rpartition("/")[0], group) for name, group in report.groups.items()}
    assert len({group for _, group in together}) == len(together) == 4
    held_out = split_photos(dataset, report).held_out
    counts = Counter(photo.name.rpartition("/")[0] for photo in held_out)
    assert [(name.split("/")[0], n) for name, n in counts.items()] == [("disc", 4), ("square", 4)]


# Photos that are only trained on


def test_added_photos_are_never_held_out_nor_copies_of_held_out_ones(tmp_path: Path) -> None:
    main, added = tmp_path / "main", tmp_path / "added"
    folder_of(main, 10)
    folder_of(added, 4, 500)
    folder_of(added, 1, 600, labels=("triangle",))
    copied = discover(main)
    for photo in copied.photos[:5]:
        (added / photo.label / f"copy-{photo.path.name}").write_bytes(photo.path.read_bytes())
    dataset = add_photos(copied, added)
    assert not dataset.is_split
    assert dataset.ignored == ("added/triangle/600.jpg",)
    split = split_photos(dataset, make_report(dataset, tmp_path / "copies"))
    plain = split_photos(copied, make_report(copied, tmp_path / "more"))
    assert split.held_out == plain.held_out
    assert {*plain.train} < {*split.train}
    extra = [photo.name for photo in split.train if photo.part == "added"]
    assert len(extra) == 8
    assert not [name for name in extra if "copy-" in name]


def test_added_photos_join_the_training_part_of_split_folders(tmp_path: Path) -> None:
    for part, start in (("train", 0), ("valid", 100)):
        folder_of(tmp_path / "main" / part, 4, start)
    folder_of(tmp_path / "added", 2, 500)
    dataset = add_photos(discover(tmp_path / "main"), tmp_path / "added")
    split = split_photos(dataset, make_report(dataset, tmp_path / "copies"))
    assert Counter(photo.part for photo in split.train) == {"train": 8, "added": 4}
    assert {photo.part for photo in split.held_out} == {"held out"}
