"""Files beside a manifest, samples and small card: read, or ignored with a warning."""

import json
import logging
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model import Bundle, load
from model.backup import back_up, restore
from model.bundle import (
    BUILTIN_DIR,
    SMALL_CARD,
    SmallCard,
    familiar_labels,
    get_bundle,
    publish,
    read_samples,
    read_small_card,
    roll_back,
    write_samples,
    write_small_card,
)
from model.bundle.bundle_samples import sample_jpeg
from model.bundle.manifest import SAMPLE_LIST, SAMPLE_PHOTOS
from model.errors import BundleDamaged
from model.photo import Photo, read
from model.settings import ROOT
from tests.model.tiny import CALIBRATED, CARD, COLOURS, colour, edit, give_samples, small_card, tiny
from tests.photos import encoded, turned

BUILTIN = sorted(path.parent.name for path in BUILTIN_DIR.glob("*/bundle.json"))
README = (ROOT / "model/samples/README.md").read_text(encoding="utf-8")
ENTRY = {"title": "Red", "alt": "A red square", "label": "red"}
READERS: dict[str, Callable[[Bundle], object]] = {
    SAMPLE_LIST: read_samples,
    SMALL_CARD: read_small_card,
}


@pytest.fixture
def sampled(models_dir: Path) -> Bundle:
    """A calibrated bundle with a red and a blue sample and a small card."""
    bundle = tiny(models_dir, "sampled", confidence=CALIBRATED)
    give_samples(bundle, "blue", "red")
    write_small_card(bundle, SmallCard.model_validate(small_card(bundle)))
    return bundle


def write(bundle: Bundle, name: str = SAMPLE_LIST, **changes: Any) -> Path:
    """Write a file that fits, with some keys changed."""
    values = small_card(bundle) if name == SMALL_CARD else {"format": 1, "samples": [ENTRY]}
    path = bundle.folder / name
    path.write_text(json.dumps({**values, **changes}), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_samples_are_small_free_and_named_right(name: str) -> None:
    bundle = Bundle.open(BUILTIN_DIR / name)
    samples = read_samples(bundle)
    on_disk = {path.name for path in bundle.folder.glob("sample-*")}
    assert on_disk == set(SAMPLE_PHOTOS[: len(samples)])
    assert len(samples) >= 3
    for file, sample in zip(SAMPLE_PHOTOS, samples, strict=False):
        entry, size = sample.entry, len(sample.photo)
        assert size <= 40_000
        assert len(sample.thumbnail) < 10_000
        with Image.open(BytesIO(sample.photo)) as image:
            assert image.format == "JPEG"
            assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert load(name).identify(sample.photo).answer == entry.label
        (row,) = [line for line in README.splitlines() if f"`{name}/{file}`" in line]
        assert entry.licence == "CC0"
        assert all(text in row for text in (entry.author, entry.licence, entry.source or "?"))
    labels = [sample.entry.label for sample in samples]
    assert len(set(labels)) == len(labels)
    # What it doesn't know comes last, where it can say so.
    assert (None in labels) is (bundle.manifest.is_calibrated)
    assert None not in labels[:-1]


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_models_have_a_small_card(name: str) -> None:
    bundle = Bundle.open(BUILTIN_DIR / name)
    card = read_small_card(bundle)
    held_out = card.agreement[0]
    minimum = {"clothing": 0.995, "imagenet": 0.985}[name]
    assert held_out.top_label >= minimum * held_out.photos
    if bundle.manifest.is_calibrated:
        shares = {row.name: (row.known or 0) / row.photos for row in card.agreement}
        assert shares["held-out photos"] >= 0.98
        assert shares["garments of other kinds"] >= 0.96


def test_samples_and_card_are_read_and_the_version_stays(sampled: Bundle) -> None:
    assert [sample.entry.label for sample in read_samples(sampled)] == ["blue", "red"]
    assert get_bundle("sampled").version == sampled.version
    sampled.verify()
    assert familiar_labels(sampled) == ["blue", "red", "green", "yellow", "white", "black"]
    card = read_small_card(sampled)
    assert (card.calibration.ood_threshold, card.agreement[0].known) == (0.25, 58)
    assert card.metric("kept") == card.full_metric("kept")
    assert card.metric("top5") is None
    write_samples(sampled, [], examples=["white"])
    assert read_samples(sampled) == ()
    assert familiar_labels(sampled)[:2] == ["white", "red"]


def test_own_model_has_no_samples_and_no_small_card(
    tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_samples(tiny_bundle) == ()
    assert read_small_card(tiny_bundle) is None
    assert familiar_labels(tiny_bundle) == list(COLOURS)
    assert not caplog.records


def test_a_photo_of_any_size_becomes_a_small_jpeg() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    data = sample_jpeg(Photo.from_image(Image.fromarray(noise)))
    assert len(data) <= 40_000
    assert read(data).format == "JPEG"


OTHER_FLOORS = {"plausible": {"coverage": 0.9, "floors": [0.5]}}


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (SAMPLE_LIST, {"samples": [{**ENTRY, "file": "../../current"}]}, "Extra inputs"),
        (SAMPLE_LIST, {"samples": [ENTRY] * 6}, "at most 5"),
        (SAMPLE_LIST, {"samples": [{**ENTRY, "alt": "\u202e"}]}, "at least 1"),
        (SAMPLE_LIST, {"samples": [{**ENTRY, "title": ""}]}, "at least 1"),
        (SAMPLE_LIST, {"samples": [{**ENTRY, "label": "../red"}]}, "none of the model's labels"),
        (SAMPLE_LIST, {"examples": ["purple"]}, "none of the model's labels"),
        (SAMPLE_LIST, {"samples": [ENTRY] * 3}, "sample-3.jpg isn't a file"),
        (SAMPLE_LIST, {"format": 2}, "Input should be 1"),
        (SMALL_CARD, {"version": "0" * 12}, "is of version 000000000000"),
        (SMALL_CARD, {"format": 2}, "Input should be 1"),
        (SMALL_CARD, {"confidence": None}, "isn't of the same kind"),
        (SMALL_CARD, {"confidence": {**CALIBRATED, "novelty": None}}, "isn't of the same kind"),
        (SMALL_CARD, {"confidence": {**CALIBRATED, "novelty": float("nan")}}, "finite"),
        (SMALL_CARD, {"confidence": {**CALIBRATED, "score": "another"}}, "isn't of the same kind"),
        (SMALL_CARD, {"confidence": {**CALIBRATED, **OTHER_FLOORS}}, "isn't of the same kind"),
        (SMALL_CARD, {"card": {**CARD, "confusion": [[0, 6, 60]]}}, "index is out of range"),
        (SMALL_CARD, {"extra": 1}, "Extra inputs"),
    ],
)
def test_file_that_does_not_fit_is_ignored(
    name: str,
    change: dict[str, Any],
    reason: str,
    sampled: Bundle,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write(sampled, name, **change)
    with caplog.at_level(logging.WARNING, "loupe"):
        # Logged once, not by every page that asks.
        assert not READERS[name](sampled)
        assert not READERS[name](sampled)
    assert familiar_labels(sampled)[0] == ("blue" if name == SMALL_CARD else "red")
    (record,) = caplog.records
    assert str(sampled.folder / name) in record.getMessage()
    assert reason in record.getMessage()


@pytest.mark.parametrize("name", READERS)
def test_damaged_file_link_and_folder_are_ignored(
    name: str, sampled: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = sampled.folder / name
    valid = path.read_bytes()
    damage = b"", b"\xff", b"[" * 100_000, b"null", b'{"format": 1, "x": 1}', valid.ljust(2**25)
    for data in damage:
        path.write_bytes(data)
        assert not READERS[name](sampled)
    (tmp_path / "elsewhere.json").write_bytes(valid)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere.json")
    assert not READERS[name](sampled)
    path.unlink()
    path.mkdir()
    assert not READERS[name](sampled)
    assert caplog.text.count("is ignored") == len(damage) + 2


RED = encoded(colour("red"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<script>",
        encoded(colour("red"), exif=turned(1)),
        encoded(colour("red"), "PNG"),
        encoded(colour("red"), comment=b"from home"),
        RED + b"<script>alert(1)</script>",
        RED[:-30],
        RED.ljust(40_001, b"\0"),
    ],
    ids=["empty", "text", "exif", "png", "comment", "tail", "short", "large"],
)
def test_photo_with_anything_else_in_it_is_ignored(
    data: bytes, sampled: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    (sampled.folder / SAMPLE_PHOTOS[0]).write_bytes(data)
    write(sampled)
    assert read_samples(sampled) == ()
    assert "is ignored" in caplog.text


def test_links_are_neither_read_nor_copied(sampled: Bundle, tmp_path: Path) -> None:
    path = sampled.folder / SAMPLE_PHOTOS[0]
    path.rename(tmp_path / "elsewhere.jpg")
    path.symlink_to(tmp_path / "elsewhere.jpg")
    write(sampled)
    assert read_samples(sampled) == ()
    assert path.name not in sampled.copied_names


def test_title_is_one_visible_line(sampled: Bundle) -> None:
    write(sampled, samples=[{**ENTRY, "title": "<b>\u202ered\n**x**"}])
    (sample,) = read_samples(sampled)
    assert sample.entry.title == "<b>red **x**"


@pytest.mark.parametrize("name", [SAMPLE_LIST, SAMPLE_PHOTOS[0], SMALL_CARD])
def test_manifest_cannot_list_files_beside_it(name: str, sampled: Bundle) -> None:
    listed = json.loads((sampled.folder / "bundle.json").read_text())["files"]
    edit(sampled, files={**listed, name: listed["graph.onnx"]})
    with pytest.raises(BundleDamaged, match="no part of a bundle"):
        get_bundle("sampled")


def test_samples_survive_backup_rollback_and_update(sampled: Bundle, tmp_path: Path) -> None:
    samples = read_samples(sampled)
    second = tiny(sampled.folder.parents[1], "sampled", title="Second")
    assert read_samples(second) == ()
    assert read_samples(roll_back("sampled", sampled.version)) == samples

    def fill(folder: Path) -> None:
        for name in sampled.manifest.files:
            shutil.copyfile(sampled.folder / name, folder / name)

    draft = sampled.manifest.to_draft().model_copy(update={"title": "Third"})
    third = publish(draft, sampled.folder.parents[1], fill, samples_of=sampled)
    assert read_samples(third) == samples
    back_up(tmp_path / "backup.zip")
    restore(tmp_path / "backup.zip", tmp_path / "restored")
    restored = tmp_path / "restored/models/sampled" / third.version
    assert read_samples(Bundle.open(restored)) == samples


def test_copy_of_a_builtin_model_keeps_samples_and_small_card(models_dir: Path) -> None:
    builtin = get_bundle("clothing")
    tiny(models_dir, "clothing")
    copy = roll_back("clothing", builtin.version)
    assert copy.folder.is_relative_to(models_dir)
    assert read_samples(copy) == read_samples(builtin)
    assert read_small_card(copy) == read_small_card(builtin)


def test_samples_of_two_copies_of_a_model_are_not_mixed_up(sampled: Bundle, tmp_path: Path) -> None:
    copy = Bundle.open(shutil.copytree(sampled.folder, tmp_path / "copy"))
    (copy.folder / SAMPLE_LIST).unlink()
    assert read_samples(copy) == ()
    assert len(read_samples(sampled)) == 2
