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


@pytest.mark.parametrize("name", FILES)
def test_file_is_complete_only_with_its_last_byte(tmp_path: Path, name: str) -> None:
    size = len(FILES[name])
    cuts = [12, size // 4, size // 2, size - 300, size - 1]
    assert whole(tmp_path, FILES[name], [*cuts, size]) == [*([False] * len(cuts)), True]


def test_bytes_after_the_end_do_not_matter_and_other_formats_are_left_to_the_decoder(
    tmp_path: Path,
) -> None:
    longer = FILES["JPEG"] + bytes(100)
    assert whole(tmp_path, longer, [len(longer)]) == [True]
    assert whole(tmp_path, encoded(drawn(120, 80), "GIF"), [0, 1, 5, 200]) == [True] * 4


def whole(folder: Path, data: bytes, cuts: list[int]) -> Any:
    """Return whether a file counts as whole when it is cut to these lengths."""
    file = folder / "photo"
    file.write_bytes(data)
    return run_node(SCRIPT, {"file": str(file), "cuts": cuts})
