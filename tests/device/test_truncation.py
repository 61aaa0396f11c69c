"""Incomplete files are recognised as on the server."""

from pathlib import Path
from typing import Any

import pytest

from tests.device.node import run_node
from tests.photos import drawn, encoded, turned

SCRIPT = """
  const { isWhole } = await load("engine/photo_file.mjs");
  const bytes = new Uint8Array(readFileSync(given.file));
  return given.cuts.map((length) => isWhole(bytes.subarray(0, length)));
"""

THUMBNAIL = b"Exif\0\0" + encoded(drawn(16, 16), "JPEG")

FILES: dict[str, bytes] = {
    "JPEG": encoded(drawn(120, 80)),
    "progressive JPEG": encoded(drawn(120, 80), progressive=True),
    "JPEG with restarts": encoded(drawn(120, 80), restart_marker_rows=1),
    "JPEG with a thumbnail": encoded(drawn(120, 80), exif=THUMBNAIL),
    "turned JPEG": encoded(drawn(120, 80), exif=turned(6)),
    "PNG": encoded(drawn(120, 80), "PNG"),
    "WebP": encoded(drawn(120, 80), "WEBP"),
}


def whole(file: Path, cuts: list[int]) -> Any:
    return run_node(SCRIPT, {"file": str(file), "cuts": cuts})


@pytest.mark.parametrize("name", FILES)
def test_file_is_complete_only_with_its_last_byte(tmp_path: Path, name: str) -> None:
    file = tmp_path / "photo"
    file.write_bytes(FILES[name])
    size = len(FILES[name])
    cuts = [12, size // 4, size // 2, size - 300, size - 1]
    assert whole(file, [*cuts, size]) == [*([False] * len(cuts)), True]


def test_bytes_after_the_end_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "photo"
    file.write_bytes(FILES["JPEG"] + bytes(100))
    assert whole(file, [len(FILES["JPEG"]) + 100]) == [True]


def test_other_formats_are_left_to_the_decoder(tmp_path: Path) -> None:
    file = tmp_path / "photo"
    file.write_bytes(encoded(drawn(120, 80), "GIF"))
    assert whole(file, [0, 1, 5, 200]) == [True] * 4
