"""``small.json``: read if it fits the bundle, ignored with a log line if it doesn't."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from model import Bundle
from model.bundle import (
    BUILTIN_DIR,
    SMALL_CARD,
    SmallCard,
    get_bundle,
    read_small_card,
    write_small_card,
)
from tests.model.tiny import CALIBRATED, CARD, MEASURED, tiny

BUILTIN = sorted(path.parent.name for path in BUILTIN_DIR.glob("*/bundle.json"))


@pytest.fixture
def measured(models_dir: Path) -> Bundle:
    """A calibrated bundle with a small card."""
    bundle = tiny(models_dir, "measured", confidence=CALIBRATED)
    write_small_card(bundle, SmallCard.model_validate(values(bundle)))
    return bundle


def values(bundle: Bundle, **changes: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "version": bundle.version,
        "graph": "0" * 64,
        "confidence": {**CALIBRATED, "novelty": 0.25},
        "metrics": MEASURED,
        "full_metrics": MEASURED,
        "card": CARD,
        "agreement": [{"name": "held-out photos", "photos": 60, "top_label": 59, "known": 58}],
        **changes,
    }


def test_card_is_read_and_the_version_stays(measured: Bundle) -> None:
    card = read_small_card(measured)
    assert card
    assert card.calibration
    assert card.calibration.ood_threshold == 0.25
    assert card.agreement[0].known == 58
    assert card.metric("kept") == card.full_metric("kept")
    assert card.metric("top5") is None
    assert get_bundle("measured").version == measured.version
    measured.verify()


def test_bundle_without_a_card_logs_no_warning(
    tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_small_card(tiny_bundle) is None
    assert not caplog.records


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": "0" * 12}, "is of version 000000000000"),
        ({"format": 2}, "Input should be 1"),
        ({"confidence": None}, "isn't of the same kind"),
        ({"confidence": {**CALIBRATED, "novelty": None}}, "isn't of the same kind"),
        ({"confidence": {**CALIBRATED, "novelty": float("nan")}}, "finite"),
        ({"confidence": {**CALIBRATED, "score": "another detector"}}, "isn't of the same kind"),
        (
            {"confidence": {**CALIBRATED, "plausible": {"coverage": 0.9, "floors": [0.5]}}},
            "isn't of the same kind",
        ),
        ({"card": {**CARD, "confusion": [[0, 6, 60]]}}, "label index is out of range"),
        ({"extra": 1}, "Extra inputs"),
    ],
)
def test_card_that_does_not_fit_is_ignored(
    change: dict[str, Any], reason: str, measured: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    path = measured.folder / SMALL_CARD
    path.write_text(json.dumps(values(measured, **change)))
    with caplog.at_level(logging.WARNING, "loupe"):
        assert read_small_card(measured) is None
        # Logged once, not by every page that asks.
        assert read_small_card(measured) is None
    (record,) = caplog.records
    assert str(path) in record.getMessage()
    assert reason in record.getMessage()


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000, b"null", b'{"format": 1}'])
def test_damaged_card_is_ignored(
    data: bytes, measured: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    (measured.folder / SMALL_CARD).write_bytes(data)
    assert read_small_card(measured) is None
    assert "is ignored" in caplog.text


def test_huge_card_link_and_folder_are_ignored(
    measured: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = measured.folder / SMALL_CARD
    text = path.read_text()
    with path.open("wb") as file:
        file.truncate(2**30)
    assert read_small_card(measured) is None
    path.unlink()
    (tmp_path / "elsewhere.json").write_text(text)
    path.symlink_to(tmp_path / "elsewhere.json")
    assert read_small_card(measured) is None
    path.unlink()
    path.mkdir()
    assert read_small_card(measured) is None
    assert caplog.text.count("is ignored") == 3


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_models_have_a_small_card(name: str) -> None:
    bundle = Bundle.open(BUILTIN_DIR / name)
    card = read_small_card(bundle)
    assert card
    held_out = card.agreement[0]
    minimum = {"clothing": 0.995, "imagenet": 0.985}[name]
    assert held_out.top_label >= minimum * held_out.photos
    if bundle.manifest.is_calibrated:
        shares = {row.name: (row.known or 0) / row.photos for row in card.agreement}
        assert shares["held-out photos"] >= 0.98
        assert shares["garments of other kinds"] >= 0.96
