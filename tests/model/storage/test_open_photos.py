"""Photos in a zip, opened by ``model.storage.photo_files``; and zips made to do harm."""

import struct
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given

from model.errors import ArchiveError, DamagedPhoto, PhotoError, PhotoTooLarge, UnsupportedFormat
from model.storage import photo_files
from model.storage.photo_files import open_photos
from tests.damage import damaged
from tests.photos import drawn, encoded
from tests.zips import both_headers, central, zipped

MB = 2**20


def test_photos_keep_their_order_name_label_and_bytes() -> None:
    data = zipped({"b/two.PNG": b"2", "a/x/one.jpg": b"1", "loose.heic": b"3"})
    found = open_photos(data, 10)
    assert [(one.name, one.folder, one.read()) for one in found] == [
        ("b/two.PNG", "b", b"2"),
        ("a/x/one.jpg", "x", b"1"),
        ("loose.heic", None, b"3"),
    ]


def test_other_files_are_left_out() -> None:
    names = ["notes.txt", "__MACOSX/a/._one.jpg", ".hidden.jpg", ".git/two.jpg", "folder.jpg/"]
    data = zipped({**dict.fromkeys(names, b"x"), "a/1.jpg": b"x"})
    assert [one.name for one in open_photos(data, 1)] == ["a/1.jpg"]


def test_zip_in_a_zip_is_listed_as_unreadable() -> None:
    inner = zipped({"deep.jpg": b"x"})
    nested, photo = open_photos(zipped({"in.zip": inner, "b.jpg": b"y"}), 2)
    assert (nested.name, photo.read()) == ("in.zip", b"y")
    with pytest.raises(UnsupportedFormat, match=r"zip inside a zip.*Unpack it"):
        nested.read()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_photos_of_other_suffixes_are_found_by_content(method: int) -> None:
    files = {"IMG_1": "JPEG", "windows.jfif": "JPEG", "upload.tmp": "PNG", "raw.dng": "TIFF"}
    data = zipped({name: encoded(drawn(20, 20), form) for name, form in files.items()}, method)
    names = [photo.name for photo in open_photos(data, 5)]
    expected = ["windows.jfif"] if method == zipfile.ZIP_BZIP2 else [*files][:3]
    assert names == expected


@pytest.mark.parametrize(
    ("name", "shown", "label"),
    [
        ("../../etc/passwd.jpg", "etc/passwd.jpg", "etc"),
        ("/abs/./x.jpg", "abs/x.jpg", "abs"),
        ("..\\..\\windows\\x.jpg", "windows/x.jpg", "windows"),
        ("a\x1b[31m/x\n.jpg", "a[31m/x.jpg", "a[31m"),
        ("a/\u202egpj.exe.jpg", "a/gpj.exe.jpg", "a"),
        ("u\u0308ber/x.jpg", "\u00fcber/x.jpg", "\u00fcber"),
        ("می\u200cخواهم/x  1.jpg", "می\u200cخواهم/x  1.jpg", "می\u200cخواهم"),
    ],
)
def test_unsafe_names_are_made_safe(name: str, shown: str, label: str) -> None:
    (found,) = open_photos(zipped({name: b"x"}), 1)
    assert (found.name, found.folder) == (shown, label)


def test_long_name_keeps_its_end() -> None:
    (found,) = open_photos(zipped({"d" * 30_000 + "/end.jpg": b"x"}), 1)
    assert len(found.name) <= photo_files.MAX_NAME_CHARS + 1
    assert found.name.endswith("/end.jpg")


def test_utf8_names_without_the_flag_are_read() -> None:
    data = both_headers(zipped({"b\u00fccher/x.jpg": b"x"}), 6, b"\0\0")
    assert open_photos(data, 1)[0].folder == "b\u00fccher"


def test_zip_of_countless_entries_is_rejected_before_zipfile_reads_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = zipped({f"{i}.txt": b"" for i in range(2000)})
    # The number of entries at the end may be a lie; the size of their list is not.
    lying = data[:-14] + struct.pack("<HH", 1, 1) + data[-10:]
    opened: list[object] = []
    monkeypatch.setattr(zipfile, "ZipFile", opened.append)
    for countless in (data, lying):
        with pytest.raises(ArchiveError, match="too many"):
            open_photos(countless, 5)
    assert not opened


def test_photo_that_states_too_large_a_size_is_rejected_alone() -> None:
    big, small = open_photos(zipped({"big.jpg": bytes(20 * MB + 1), "small.jpg": b"y"}), 2)
    assert small.read() == b"y"
    with pytest.raises(PhotoTooLarge):
        big.read()


def test_photo_larger_than_stated_is_rejected_without_unpacking_it() -> None:
    data = zipped({"bomb.jpg": bytes(60 * MB)}, zipfile.ZIP_DEFLATED)
    (found,) = open_photos(both_headers(data, 22, struct.pack("<I", 1000)), 1)
    with pytest.raises(PhotoTooLarge):
        found.read()


def test_changed_byte_damages_one_photo() -> None:
    data = zipped({"a.jpg": b"x" * 50, "b.jpg": b"y"})
    first, second = open_photos(data.replace(b"xxx", b"xzx", 1), 2)
    assert second.read() == b"y"
    with pytest.raises(DamagedPhoto):
        first.read()


def better_bomb() -> bytes:
    """Return a zip whose files begin with the next one's header, quoted in a stored block."""
    kernel = zlib.compressobj(wbits=-15)
    packed = kernel.compress(bytes(MB)) + kernel.flush()
    names = [f"{i}.jpg".encode() for i in range(4)]
    local = [
        struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 33, 0, 0, 0, len(name), 0) + name
        for name in names
    ]
    body, starts = b"", []
    for header, following in pairwise([*local, b""]):
        starts.append(len(body))
        quote = struct.pack("<BHH", 0, len(following), ~len(following) & 0xFFFF)
        body += header + (quote if following else b"")
    body += packed
    entries = b"".join(
        struct.pack(
            "<IHHHHHHIIIHHHHHII",
            *(0x02014B50, 20, 20, 0, 8, 0, 33, 0),
            *(len(body) - start - 30 - len(name), MB, len(name), 0, 0, 0, 0, 0, start),
        )
        + name
        for name, start in zip(names, starts, strict=True)
    )
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 4, 4, len(entries), len(body), 0)
    return body + entries + end


SIZES = struct.pack("<I", 600 * MB)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped({"a.txt": b"x"}), "contains no photos. Supported files: JPEG, PNG"),
        (zipped({"in.zip": zipped({"deep.jpg": b"x"})}), "another zip and no photos.*Unpack it"),
        (zipped({f"{i}.jpg": b"x" for i in range(11)}), "at most 10 photos"),
        (
            central(central(zipped({"0.jpg": b"", "1.jpg": b""}), "0", 24, SIZES), "1", 24, SIZES),
            "1 GB",
        ),
        (zipped({"a.jpg": bytes(15 * MB)}, zipfile.ZIP_DEFLATED), "100 times"),
        (better_bomb(), "overlap"),
        (central(zipped({"a.jpg": b"x" * 20}), "a.jpg", 8, struct.pack("<H", 1)), "password"),
        (b"", "damaged or incomplete"),
        (b"PK", "damaged or incomplete"),
        (b"not a zip at all", "damaged or incomplete"),
        (b"PK\x05\x06" + b"\xff" * 18, "damaged or incomplete"),
    ],
    ids="no-photos nested many huge ratio bomb password empty cut text end".split(),
)
def test_zip_is_rejected_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        open_photos(data, 10)


WHOLE = zipped({"a/1.jpg": b"x" * 90, "b/2.png": bytes(300)}, zipfile.ZIP_DEFLATED)


def test_truncated_zip_is_rejected_at_every_length() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(ArchiveError):
            open_photos(WHOLE[:length], 10)


@given(damaged([WHOLE]))
def test_any_damage_gives_photos_or_an_archive_error(data: bytes) -> None:
    with suppress(ArchiveError):
        for found in open_photos(data, 10):
            with suppress(PhotoError):
                assert len(found.read()) <= 20 * MB


def test_threads_may_read_one_zip() -> None:
    contents = {f"{i}.jpg": bytes([i]) * 5000 for i in range(60)}
    found = open_photos(zipped(contents, zipfile.ZIP_DEFLATED), 60)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda one: one.read(), found)) == list(contents.values())
