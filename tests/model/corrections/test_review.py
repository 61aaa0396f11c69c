"""``model.corrections.review``: what the owner reviews, and the photos to train on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import Photo, Prediction
from model.corrections import CorrectionStore, correction_store
from model.corrections.review import (
    MAX_PER_VISIT,
    list_items,
    training_folder,
    write_training_photos,
)
from model.corrections.store import hash_appearance
from model.errors import DataError
from model.text import clean


def jpeg(seed: int, side: int = 256, quality: int = 85) -> bytes:
    """Return a photo of large random areas."""
    areas = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    image = Image.fromarray(areas).resize((side, side), Image.Resampling.BICUBIC)
    return Photo.from_image(image).to_jpeg(quality=quality)


def listed(store: CorrectionStore, review: object = None) -> list[tuple[str, tuple[int, ...]]]:
    items, _ = list_items(store.iter_corrections(), review)  # type: ignore[arg-type]
    return [(item.label, tuple(item.ids)) for item in items]


def test_least_likely_label_is_first_and_near_copies_are_one(
    store: CorrectionStore, red: Prediction
) -> None:
    order = [label for _, label in sorted(zip(red.probabilities, red.labels, strict=True))]
    likely, unlikely = clean(order[-2]), clean(order[0])
    first = store.add_correction(red, likely, jpeg(1))
    second = store.add_correction(red, unlikely, jpeg(2))
    copy = store.add_correction(red, unlikely, jpeg(2, side=160, quality=50))
    other_label = store.add_correction(red, likely, jpeg(2))
    own_word = store.add_correction(red, "scarlet", jpeg(3))
    store.add_correction(red, unlikely, None)
    assert listed(store) == [
        ("scarlet", (own_word,)),
        (unlikely, (second, copy)),
        (likely, (first,)),
        (likely, (other_label,)),
    ]


def test_one_visit_counts_five_times_for_a_label(store: CorrectionStore, red: Prediction) -> None:
    ids = [store.add_correction(red, "green", jpeg(seed), visit="a") for seed in range(8)]
    others = [store.add_correction(red, "blue", jpeg(20), visit="a")]
    others.append(store.add_correction(red, "green", jpeg(21), visit="b"))
    items, flooded = list_items(store.iter_corrections())
    counted = {number for item in items for number in item.ids}
    assert counted == {*ids[:MAX_PER_VISIT], *others}
    assert [(label, count) for (_, label), count in flooded.items()] == [("green", 8)]
    # What was decided still counts, so that nothing else takes its place.
    store.review(ids[:2], "dropped")
    items, _ = list_items(store.iter_corrections())
    assert {number for item in items for number in item.ids} == {*ids[2:MAX_PER_VISIT], *others}


def test_decisions_are_saved_and_taken_back(store: CorrectionStore, red: Prediction) -> None:
    ids = [store.add_correction(red, "green", jpeg(seed)) for seed in range(3)]
    store.review(ids[:2], "kept", "  dark\ngreen ")
    store.review(ids[2:], "dropped")
    assert listed(store, "kept") == [("dark green", (ids[0],)), ("dark green", (ids[1],))]
    assert listed(store, "dropped") == [("green", (ids[2],))]
    store.review(ids, None)
    assert [label for label, _ in listed(store)] == ["green"] * 3
    for label in (" ", "x" * 201):
        with pytest.raises(DataError):
            store.review(ids, "kept", label)


def test_kept_photos_are_files_until_somebody_takes_them_back(
    own_corrections: None, red: Prediction
) -> None:
    store = correction_store()
    ids = [
        store.add_correction(red, label, jpeg(seed), wording="tap-photo-1", undo_key=str(seed))
        for seed, label in enumerate(("green", "green", "a/b", "../../x"))
    ]
    store.review(ids, "kept")
    folder = training_folder("tiny")

    def files() -> set[str]:
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")}

    assert write_training_photos(store, "tiny") == {"green": 2, "a/b": 1, "../../x": 1}
    assert {name.split("/")[0] for name in files()} == {"green", "a_b", "_.._x"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*.jpg"))
    assert (folder / f"green/correction-{ids[0]}.jpg").read_bytes() == jpeg(0)
    assert store.delete(ids[0], "0")
    assert f"green/correction-{ids[0]}.jpg" not in files()
    store.review([ids[1]], "kept", "blue")
    store.review(ids[2:], None)
    write_training_photos(store, "tiny")
    assert files() == {f"blue/correction-{ids[1]}.jpg"}


def test_what_a_visitor_read_decides_about_training(
    store: CorrectionStore, red: Prediction
) -> None:
    store.add_correction(red, "green", jpeg(1), wording="form-photo-1")
    store.add_correction(red, "green", jpeg(2))
    items, _ = list_items(store.iter_corrections())
    assert {item.first.id: item.is_agreed for item in items} == {1: True, 2: False}


def test_labels_of_the_model_keep_their_folders_and_replaced_photos_go(
    own_corrections: None, red: Prediction
) -> None:
    store = correction_store()
    for seed, label in enumerate(("Green", "green", "GREEN")):
        number = store.add_correction(red, label, jpeg(seed), wording="tap-photo-1")
        store.review([number], "kept")
    write_training_photos(store, "tiny")
    folder = training_folder("tiny")
    assert (folder / "green" / "correction-2.jpg").is_file()
    assert {path.name for path in folder.iterdir()} == {"green", "GREEN (2)", "Green (3)"}
    store.add_correction(red, "green", jpeg(9), wording="tap-photo-1", repeats=2)
    assert not (folder / "green" / "correction-2.jpg").exists()


def test_unreadable_photo_has_no_appearance(tmp_path: Path) -> None:
    assert hash_appearance(b"\xff\xd8 no photo") is None
