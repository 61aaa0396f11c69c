"""Zips for tests: of any members, and with single fields of their headers changed."""

import io
import zipfile
from collections.abc import Iterable, Mapping

LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def zipped(
    files: Mapping[str, bytes] | Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_STORED
) -> bytes:
    """Return a zip of those files, in that order; pairs may repeat a name.

    The same files give the same bytes.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            # writestr warns of a second member of one name.
            opened.NameToInfo.clear()
            opened.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def central(data: bytes, name: str, at: int, packed: bytes) -> bytes:
    """Return the zip with bytes of a member's central header replaced, ``at`` from its start."""
    place = int.from_bytes(data[-6:-2], "little")
    while not data[place + 46 :].startswith(name.encode()):
        place = data.index(CENTRAL, place + 1)
    return data[: place + at] + packed + data[place + at + len(packed) :]


def both_headers(data: bytes, at: int, packed: bytes) -> bytes:
    """Return the zip with bytes of its first member replaced in both of its headers.

    ``at`` counts from the start of the local header; the central one has two bytes more before.
    """
    for signature, place in ((LOCAL, at), (CENTRAL, at + 2)):
        place += data.index(signature)
        data = data[:place] + packed + data[place + len(packed) :]
    return data
