"""What is found in folders, seen of photos, reported and split."""

import os
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from model.errors import DataError
from model.preprocess import PreprocessConfig, preprocess
from model.training.data import Report, discover, report, scan_photos, split
from tests.model.training.pictures import folder_of, parted, picture
from tests.photos import drawn


def seen(folder: Path, copies: Path) -> Report:
    found = discover(folder)
    return report(found, scan_photos(found.photos, copies, lambda image: image, side=64))


def codes(found: Report) -> dict[str, tuple[str, ...]]:
    return {finding.code: finding.which for finding in found.findings}


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        (("train", "valid"), {"train": "train", "valid": "held out"}),
        (("Train", "val", "TEST"), {"Train": "train", "val": "held out", "TEST": "test"}),
        (("training", "test"), {"training": "train", "test": "held out"}),
        (("train", "dev"), {"train": "train", "dev": "held out"}),
    ],
)
def test_folders_say_what_is_held_out(
    tmp_path: Path, parts: tuple[str, ...], wanted: dict[str, str]
) -> None:
    for place, part in enumerate(parts):
        folder_of(tmp_path / part, 2, 100 * place)
    found = discover(tmp_path)
    assert found.labels == ("disc", "square")
    assert found.parted
    assert {(photo.name.split("/")[0], photo.part) for photo in found.photos} == set(wanted.items())


def test_a_label_may_be_called_train(tmp_path: Path) -> None:
    folder_of(tmp_path, 2, labels=("train", "bus"))
    found = discover(tmp_path)
    assert found.labels == ("bus", "train")
    assert not found.parted


@pytest.mark.parametrize(
    ("labels", "said"), [((), "photos of 0 labels"), (("disc",), "photos of 1 labels")]
)
def test_one_label_is_no_model(tmp_path: Path, labels: tuple[str, ...], said: str) -> None:
    folder_of(tmp_path, 2, labels=labels)
    with pytest.raises(DataError, match=said):
        discover(tmp_path)


def test_what_is_held_out_must_be_learnt(tmp_path: Path) -> None:
    folder_of(tmp_path / "train", 2)
    folder_of(tmp_path / "valid", 2, labels=("disc", "star"))
    with pytest.raises(DataError, match="held out of star"):
        discover(tmp_path)


def test_every_trouble_is_reported(tmp_path: Path) -> None:
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
    found = seen(folder, tmp_path / "copies")
    told = codes(found)
    assert told["damaged"] == ("train/disc/broken.jpg", "train/disc/note.jpg")
    assert told["same"] == ("train/disc/copy.jpg",)
    assert told["both"] == ("train/disc/shared.png",)
    assert told["clash"] == ("train/disc/either.png = train/square/or.png",)
    assert "train/square/small.jpg" in told["near"]
    assert found.left_out["train/disc/shared.png"] == "the same photo is held out"
    parts = split(discover(folder), found)
    names = {photo.name for photo in parts.train}
    assert not names & set(found.left_out)
    assert "validation/disc/again.jpg" in {photo.name for photo in parts.held_out}


def test_few_and_uneven_labels_are_reported(tmp_path: Path) -> None:
    folder_of(tmp_path / "photos", 4, labels=("disc",))
    folder_of(tmp_path / "photos", 50, labels=("square",))
    told = codes(seen(tmp_path / "photos", tmp_path / "copies"))
    assert told["few"] == ("disc (4)",)
    assert told["imbalance"] == ("disc (4)", "square (50)")


def test_different_pictures_are_not_near(tmp_path: Path) -> None:
    folder_of(tmp_path / "photos", 60)
    told = codes(seen(tmp_path / "photos", tmp_path / "copies"))
    assert set(told) <= {"few"}


def test_a_split_is_stratified_repeatable_and_keeps_duplicates_together(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 40)
    for number in range(10):
        image = picture("disc", number)
        for scale in (90, 100, 110):
            image.resize((scale, scale)).save(folder / "disc" / f"like-{number}-{scale}.jpg")
    found = discover(folder)
    told = report(
        found, scan_photos(found.photos, tmp_path / "copies", lambda image: image, side=64)
    )
    parts = split(found, told, seed=1)
    assert split(found, told, seed=1) == parts
    assert split(found, told, seed=2) != parts
    groups = told.groups
    assert not {groups[one.name] for one in parts.train} & {
        groups[one.name] for one in parts.held_out
    }
    assert {one.label for one in parts.held_out} == {"disc", "square"}
    share = len(parts.held_out) / (len(parts.held_out) + len(parts.train))
    assert share == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_photos_to_split_are_refused(tmp_path: Path, count: int) -> None:
    folder_of(tmp_path / "photos", count, labels=("disc",))
    folder_of(tmp_path / "photos", 9, labels=("square",))
    found = discover(tmp_path / "photos")
    told = report(
        found, scan_photos(found.photos, tmp_path / "copies", lambda image: image, side=64)
    )
    with pytest.raises(DataError, match=rf"Too few photos.*disc \({count}\)"):
        split(found, told)


def test_a_second_look_uses_what_the_first_left(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 3)
    found, shaped = discover(folder), []

    def shape(image: Image.Image) -> Image.Image:
        shaped.append(image)
        return image

    first = scan_photos(found.photos, tmp_path / "copies", shape, side=64)
    assert scan_photos(found.photos, tmp_path / "copies", shape, side=64) == first
    assert len(shaped) == 6
    (tmp_path / "copies" / first[0].copy).unlink()
    (tmp_path / "copies" / "looks.json").write_text("[{")
    assert scan_photos(found.photos, tmp_path / "copies", shape, side=64) == first


def test_copies_are_shaped_as_answers_are() -> None:
    pytest.importorskip("torch")
    from model.training.loaders import copy_of

    wide = Image.new("RGB", (200, 100), (255, 255, 255))
    recipe = PreprocessConfig(resize=(64, 64), method="pad", padding="zeros")
    copy = copy_of(wide, recipe)
    assert copy.size == (80, 80)
    assert copy.getpixel((40, 5)) == (0, 0, 0)
    assert copy.getpixel((40, 40)) == (255, 255, 255)


def test_copies_keep_what_an_answer_cuts_off() -> None:
    pytest.importorskip("torch")
    from model.training.loaders import copy_of

    recipe = PreprocessConfig(resize=(64, 64), method="crop")
    image = drawn(200, 100, 3)
    copy = copy_of(image, recipe)
    assert copy.size == (160, 80)
    seen, answered = (preprocess(one, recipe).astype(float) for one in (copy, image))
    assert abs(seen - answered).mean() < 3
    assert copy_of(Image.new("RGB", (3000, 10)), recipe).size == (240, 80)


def test_what_is_no_photo_is_reported(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 3)
    (folder / "disc" / "old.pdf").write_bytes(b"%PDF-1.7")
    (folder / "star").mkdir()
    (folder / "star" / "one.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (folder / "disc" / ".DS_Store").write_text("")
    told = codes(seen(folder, tmp_path / "copies"))
    assert told["ignored"] == ("disc/old.pdf", "star/one.mp4")
    assert told["empty"] == ("star",)


def test_a_link_that_leads_nowhere_is_a_damaged_photo(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 3)
    (folder / "disc" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert codes(seen(folder, tmp_path / "copies"))["damaged"] == ("disc/gone.jpg",)


def test_names_of_any_bytes_can_be_printed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 3)
    try:
        (folder / "disc" / "0.jpg").rename(folder / "disc" / os.fsdecode(b"caf\xe9.jpg"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = discover(folder)
    looks = scan_photos(found.photos, tmp_path / "copies", lambda image: image, side=64)
    assert "disc/caf\\udce9.jpg" in {one.name for one in looks if not one.refusal}
    assert scan_photos(found.photos, tmp_path / "copies", lambda image: image, side=64) == looks


def test_a_rare_label_is_measured_and_makes_no_other_one_pay(tmp_path: Path) -> None:
    folder_of(tmp_path / "photos", 3, labels=("disc",))
    folder_of(tmp_path / "photos", 50, labels=("square",))
    found = discover(tmp_path / "photos")
    told = report(
        found, scan_photos(found.photos, tmp_path / "copies", lambda image: image, side=64)
    )
    for seed in range(5):
        parts = split(found, told, seed)
        counts = Counter(photo.label for photo in parts.held_out)
        assert counts["disc"] >= 1
        assert counts["square"] <= 12
        assert parts.unmeasured == ()


def test_a_label_of_like_photos_is_told_to_be_unmeasured(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 20, labels=("square", "star"))
    (folder / "disc").mkdir()
    for number in range(6):
        picture("disc", 1).resize((90 + number, 90)).save(folder / "disc" / f"{number}.png")
    found = discover(folder)
    told = report(
        found, scan_photos(found.photos, tmp_path / "copies", lambda image: image, side=64)
    )
    seeds = [split(found, told, seed).unmeasured for seed in range(5)]
    assert ("disc",) in seeds
