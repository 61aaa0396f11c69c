"""Training data: discovered, scanned, prepared and reported on."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.errors import DataError
from model.events import SILENT
from model.preprocess import PreprocessConfig, preprocess
from model.storage.labelled_photos import Dataset, discover
from model.training.config import TrainingConfig
from model.training.data_report import DataReport, PhotoScan, report_on, scan_photos, training_copy
from model.training.prepare import prepare_data, split_photos
from tests.model.training.pictures import folder_of, parted
from tests.photos import drawn

CONFIG = PreprocessConfig(resize=(64, 64), method="crop")


def scan(folder: Path, copies: Path) -> list[PhotoScan]:
    return scan_photos(discover(folder).photos, copies, CONFIG)


def make_report(dataset: Dataset, copies: Path) -> DataReport:
    return report_on(dataset, scan_photos(dataset.photos, copies, CONFIG))


def findings(report: DataReport) -> dict[str, tuple[str, ...]]:
    return {finding.code: finding.names for finding in report.findings}


# Discovering


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("train", "valid"), {"train": "train", "valid": "held out"}),
        (("Train", "val", "TEST"), {"Train": "train", "val": "held out", "TEST": "test"}),
        (("training", "test"), {"training": "train", "test": "held out"}),
        (("train", "dev"), {"train": "train", "dev": "held out"}),
    ],
)
def test_folder_names_say_which_photos_are_held_out(
    tmp_path: Path, parts: tuple[str, ...], expected: dict[str, str]
) -> None:
    for place, part in enumerate(parts):
        folder_of(tmp_path / part, 2, 100 * place)
    dataset = discover(tmp_path)
    assert dataset.labels == ("disc", "square")
    assert dataset.is_split
    discovered = {(photo.name.split("/")[0], photo.part) for photo in dataset.photos}
    assert discovered == set(expected.items())


def test_label_may_be_called_train(tmp_path: Path) -> None:
    folder_of(tmp_path, 2, labels=("train", "bus"))
    dataset = discover(tmp_path)
    assert dataset.labels == ("bus", "train")
    assert not dataset.is_split


@pytest.mark.parametrize(
    ("labels", "message"),
    [((), "photos for no labels; a model needs"), (("disc",), "photos for 1 label; a model needs")],
)
def test_fewer_than_two_labels_are_refused(
    tmp_path: Path, labels: tuple[str, ...], message: str
) -> None:
    folder_of(tmp_path, 2, labels=labels)
    with pytest.raises(DataError, match=message):
        discover(tmp_path)


def test_held_out_label_without_training_photos_is_refused(tmp_path: Path) -> None:
    folder_of(tmp_path / "train", 2)
    folder_of(tmp_path / "valid", 2, labels=("disc", "star"))
    with pytest.raises(DataError, match="Photos of star are held out, but there are none"):
        discover(tmp_path)


# Scanning


def test_scanning_again_reuses_copies_that_are_there(tmp_path: Path) -> None:
    folder, copies = folder_of(tmp_path / "photos", 3), tmp_path / "copies"
    first = scan(folder, copies)
    written = {path.name: path.stat().st_mtime_ns for path in copies.glob("*.jpg")}
    assert len(written) == 6
    assert scan(folder, copies) == first
    assert {path.name: path.stat().st_mtime_ns for path in copies.glob("*.jpg")} == written
    (copies / first[0].copy).unlink()
    (copies / "looks.json").write_text("[{")
    assert scan(folder, copies) == first
    assert (copies / first[0].copy).is_file()


def test_copies_are_written_anew_for_another_size(tmp_path: Path) -> None:
    photos = discover(folder_of(tmp_path / "photos", 2)).photos
    small, large = (PreprocessConfig(resize=(side, side)) for side in (16, 64))
    scan_photos(photos, tmp_path / "both", small)
    folders = tmp_path / "both", tmp_path / "alone"
    copies = [folder / scan_photos(photos, folder, large)[0].copy for folder in folders]
    assert copies[0].read_bytes() == copies[1].read_bytes()


def test_training_copy_keeps_the_cropped_edges() -> None:
    image = drawn(200, 100, 3)
    copy = training_copy(image, CONFIG)
    assert copy.size == (160, 80)
    difference = preprocess(copy, CONFIG).astype(float) - preprocess(image, CONFIG)
    assert abs(difference).mean() < 3
    assert training_copy(Image.new("RGB", (3000, 10)), CONFIG).size == (240, 80)


def test_file_names_of_any_bytes_can_be_printed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 3)
    try:
        (folder / "disc" / "0.jpg").rename(folder / "disc" / os.fsdecode(b"caf\xe9.jpg"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    scans = scan(folder, tmp_path / "copies")
    assert "disc/caf\\udce9.jpg" in {result.name for result in scans if result.copy}
    assert scan(folder, tmp_path / "copies") == scans


def test_held_out_photos_are_prepared_as_photos_to_identify(tmp_path: Path) -> None:
    folder = parted(tmp_path / "photos", 3, 2)
    config = TrainingConfig.create(folder=folder, name="forms")
    data = prepare_data(config, CONFIG, tmp_path, SILENT)
    images = [Image.open(photo.path).convert("RGB") for photo in data.split.held_out]
    assert np.array_equal(data.held_out, [preprocess(image, CONFIG) for image in images])
    assert list(data.held_out_targets) == [0, 0, 1, 1]
    assert len(data.copies) == len(list(data.training_pixels())) == 6


# Reporting


def test_report_lists_damaged_duplicate_and_leaked_photos(tmp_path: Path) -> None:
    folder = parted(tmp_path / "photos", 25, 4)
    train, held_out = folder / "train", folder / "validation"
    (train / "disc" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    (train / "disc" / "note.jpg").write_text("text")
    (train / "disc" / "copy.jpg").write_bytes((train / "disc" / "3.jpg").read_bytes())
    big = drawn(400, 300, 7)
    big.save(train / "square" / "big.jpg", quality=95)
    big.resize((200, 150)).save(train / "square" / "small.jpg", quality=60)
    shared = drawn(300, 300, 8)
    shared.save(train / "disc" / "shared.png")
    shared.resize((280, 280)).save(held_out / "disc" / "again.jpg", quality=80)
    clash = drawn(300, 300, 9)
    clash.save(train / "disc" / "either.png")
    clash.save(train / "square" / "or.png")
    report = make_report(discover(folder), tmp_path / "copies")
    by_code = findings(report)
    assert by_code["damaged"] == ("train/disc/broken.jpg", "train/disc/note.jpg")
    assert by_code["same"] == ("train/disc/copy.jpg",)
    assert by_code["both"] == ("train/disc/shared.png",)
    assert by_code["clash"] == ("train/disc/either.png = train/square/or.png",)
    assert "train/square/small.jpg" in by_code["near"]
    assert "train/disc/shared.png" in report.left_out
    split = split_photos(discover(folder), report)
    assert not {photo.name for photo in split.train} & report.left_out
    assert "validation/disc/again.jpg" in {photo.name for photo in split.held_out}


def test_report_lists_rare_and_imbalanced_labels(tmp_path: Path) -> None:
    folder_of(tmp_path / "photos", 4, labels=("disc",))
    dataset = discover(folder_of(tmp_path / "photos", 50, labels=("square",)))
    by_code = findings(make_report(dataset, tmp_path / "copies"))
    assert by_code["few"] == ("disc (4)",)
    assert by_code["imbalance"] == ("disc (4)", "square (50)")


def test_report_has_no_near_duplicates_among_different_pictures(tmp_path: Path) -> None:
    dataset = discover(folder_of(tmp_path / "photos", 60))
    assert set(findings(make_report(dataset, tmp_path / "copies"))) <= {"few"}


def test_report_lists_other_files_and_empty_folders(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 3)
    (folder / "disc" / "old.pdf").write_bytes(b"%PDF-1.7")
    (folder / "star").mkdir()
    (folder / "star" / "one.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (folder / "disc" / ".DS_Store").write_text("")
    (folder / "disc" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    by_code = findings(make_report(discover(folder), tmp_path / "copies"))
    assert by_code["damaged"] == ("disc/gone.jpg",)
    assert by_code["ignored"] == ("disc/old.pdf", "star/one.mp4")
    assert by_code["empty"] == ("star",)
