"""The options for importing weights: their values, and the messages on invalid or missing ones."""

from pathlib import Path

import pytest

from model.errors import DataError, ExportRefused
from model.importing.weights_settings import OPTIONS, WeightsSettings

GIVEN = {
    "--arch": "resnet18",
    "--labels": "cat,dog",
    "--size": "224",
    "--method": "crop",
    "--normalize": "imagenet",
}


def read(**changed: str) -> WeightsSettings:
    options = {**GIVEN, **{f"--{name}": value for name, value in changed.items()}}
    settings = WeightsSettings.from_options(options)
    assert settings is not None
    return settings


def test_options_are_read() -> None:
    settings = read(size="128x96", method="Pad", normalize="0.5/0.1,0.2,0.3")
    assert (settings.arch, settings.labels) == ("resnet18", ("cat", "dog"))
    assert (settings.size, settings.method) == ((128, 96), "pad")
    assert settings.normalize == ((0.5, 0.5, 0.5), (0.1, 0.2, 0.3))
    assert not settings.multilabel
    assert read(normalize="none").normalize == ((0, 0, 0), (1, 1, 1))
    assert read(normalize="imagenet").normalize[0] == (0.485, 0.456, 0.406)


def test_no_options_give_no_settings() -> None:
    assert WeightsSettings.from_options(dict.fromkeys(GIVEN, "")) is None


def test_all_missing_options_are_named() -> None:
    assert set(GIVEN) == set(OPTIONS)
    for left_out in GIVEN:
        options = {**GIVEN, left_out: ""}
        with pytest.raises(ExportRefused) as raised:
            WeightsSettings.from_options(options)
        assert [name for name in OPTIONS if f"{name} (" in str(raised.value)] == [left_out]
    with pytest.raises(ExportRefused) as raised:
        WeightsSettings.from_options({**dict.fromkeys(GIVEN, ""), "--size": "64"})
    message = str(raised.value)
    assert [name for name in OPTIONS if f"{name} (" in message] == [
        name for name in OPTIONS if name != "--size"
    ]
    with pytest.raises(ExportRefused, match="Add --arch"):
        WeightsSettings.from_options(dict.fromkeys(GIVEN, ""), multilabel=True)


def test_threshold_belongs_to_several_labels() -> None:
    assert read().threshold == 0.5
    several = WeightsSettings.from_options(GIVEN, multilabel=True, threshold=0.3)
    assert several is not None
    assert several.threshold == 0.3
    with pytest.raises(DataError, match="--multilabel"):
        WeightsSettings.from_options(GIVEN, threshold=0.3)
    with pytest.raises(ExportRefused, match="Add --arch"):
        WeightsSettings.from_options(dict.fromkeys(GIVEN, ""), threshold=0.3)
    for wrong in (0.0, 1.0, float("nan")):
        with pytest.raises(DataError, match="--threshold:"):
            WeightsSettings.from_options(GIVEN, multilabel=True, threshold=wrong)


@pytest.mark.parametrize(
    "data", [b"cat\nbig dog\nowl, grey\n", b"\xef\xbb\xbfcat\r\nbig dog \r\nowl, grey"]
)
def test_labels_come_from_a_file_in_its_order(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(data)
    assert read(labels=str(path)).labels == ("cat", "big dog", "owl, grey")


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("arch", "x" * 101, "at most 100 characters"),
        ("labels", "nowhere.txt", "no file nowhere.txt"),
        ("labels", "cat,dog,cat", "read the same: 'cat'. Correct the list"),
        ("labels", "cat,,dog", "1 to 200 characters"),
        ("labels", "cat,\x1b[31mdog", "control characters"),
        ("labels", "x" * 5000, "no file"),
        ("size", "0", "isn't a size"),
        ("size", "7", "from 8 to 2048"),
        ("size", "large", "HEIGHTxWIDTH"),
        ("size", "224x4096", "from 8 to 2048"),
        ("method", "stretch", "crop, pad or squish"),
        ("normalize", "cifar", "neither imagenet, none nor MEAN/STD"),
        ("normalize", "0.5,0.5/1", "neither"),
        ("normalize", "0.5/0", "neither"),
        ("normalize", "nan/1", "neither"),
        ("normalize", "0.5/1/2", "neither"),
    ],
)
def test_unreadable_value_is_refused_with_the_accepted_values(
    option: str, value: str, sentence: str
) -> None:
    with pytest.raises(DataError) as raised:
        read(**{option: value})
    assert str(raised.value).startswith(f"--{option}:")
    assert sentence in str(raised.value)


def test_more_labels_than_a_model_may_have_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(map(str, range(100_001))))
    with pytest.raises(DataError, match=r"^--labels: .* 100000 items"):
        read(labels=str(path))


def test_labels_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="isn't UTF-8 text"):
        read(labels=str(path))
