"""Tests of ``model.storage.zips``: the checks that all readers of zips share."""

import csv
import io
import struct
import zipfile

import pytest

from model.storage import zips
from model.storage.zips import escape_formula, write_csv
from tests.zips import zipped


def open_and_check(
    data: bytes, *, entries: int = 10, directory: int = 2**20, strict: bool = True
) -> None:
    """Open a zip and check its layout."""
    file = io.BytesIO(data)
    with zips.open_zip(
        file, max_entries=entries, max_directory_bytes=directory, strict=strict
    ) as archive:
        zips.check_layout(file, archive)


def with_zip64_end(data: bytes, place: int | None = None) -> bytes:
    """Return a zip with a zip64 end, which Python writes for large zips alone."""
    *_, entries, size, offset, _ = zips.END.unpack(data[-22:])
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, offset)
    place = len(data) - 22 if place is None else place
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
    full = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
    return data[:-22] + end + locator + full


def test_zip64_is_opened_within_the_limits() -> None:
    open_and_check(with_zip64_end(zipped({"a": b"x"})))
    with (
        zipfile.ZipFile(file := io.BytesIO(), "w") as archive,
        archive.open("a", "w", force_zip64=True) as member,
    ):
        member.write(b"x")
    open_and_check(file.getvalue())
    data = with_zip64_end(zipped({f"{i}": b"x" for i in range(11)}))
    for entries, directory in ((10, 2**20), (100, 200)):
        with pytest.raises(zips.TooManyEntries):
            open_and_check(data, entries=entries, directory=directory)
    with pytest.raises(zips.ZipDamaged):
        open_and_check(with_zip64_end(zipped({"a": b"x"}), place=0))


def test_strict_zip_has_no_comment_and_nothing_behind_it() -> None:
    plain = zipped({"a": b"x"})
    commented = plain[:-2] + b"\5\0hello"
    zips.open_zip(io.BytesIO(commented), max_entries=1, max_directory_bytes=100, strict=False)
    for data in (commented, plain + b"more"):
        with pytest.raises(zips.ZipDamaged):
            open_and_check(data)


@pytest.mark.parametrize("data", [b"", b"PK", bytes(200), zipped({"a": b"x"})[:-1]])
@pytest.mark.parametrize("strict", [True, False])
def test_missing_end_is_incomplete(data: bytes, strict: bool) -> None:
    with pytest.raises(zips.ZipDamaged):
        open_and_check(data, strict=strict)


def test_layout_rejects_members_that_contradict_the_directory() -> None:
    data = zipped({"good": b"x", "next": b"y"})
    for damaged in (
        data.replace(b"good", b"evil", 1),
        data.replace(b"PK\3\4", b"PK\3\5", 1),
        b"PK\3\4" + bytes(50) + data,
    ):
        with pytest.raises(zips.ZipDamaged):
            open_and_check(damaged)


def test_member_is_read_up_to_its_limit() -> None:
    with zipfile.ZipFile(io.BytesIO(zipped({"a": b"12345"}))) as archive:
        info = archive.getinfo("a")
        assert zips.read_member(archive, info, 5) == b"12345"
        with pytest.raises(zips.MemberTooLarge):
            zips.read_member(archive, info, 4)
        info.file_size = 4
        with pytest.raises(zips.ZipDamaged):
            zips.read_member(archive, info, 10)


FORMULAS = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\n=x", "  =x", "＝x", "﹢x", "|x", "%x"]


def test_formula_gets_an_apostrophe_and_other_text_is_unchanged():
    assert [escape_formula(text) for text in FORMULAS] == [f"'{text}" for text in FORMULAS]
    for text in ("", "a=b", "photo-1.jpg", "…/x.jpg", "'quoted", "a|b"):
        assert escape_formula(text) == text


def test_csv_escapes_texts_and_leaves_numbers():
    text = write_csv(["photo", "share"], [[formula, -0.5] for formula in FORMULAS])
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == ["photo", "share"]
    assert rows == [["'" + formula, "-0.5"] for formula in FORMULAS]


def test_csv_keeps_empty_cells_and_line_breaks():
    text = write_csv(["a", "b"], [[None, 'x\r\n"y", z'], ["", 1]])
    rows = [["a", "b"], ["", 'x\r\n"y", z'], ["", "1"]]
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows
