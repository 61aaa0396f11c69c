"""Zips made in memory, and lies in their directories."""

import io
import zipfile


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip of those files, in that order; the same files are the same zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, data in files.items():
            opened.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def central(data: bytes, name: str, at: int, packed: bytes) -> bytes:
    """Return the zip with bytes of one member's central header replaced, ``at`` from its start."""
    headers = [0]
    while (found := data.find(b"PK\x01\x02", headers[-1] + 1)) >= 0:
        headers.append(found)
    for header in headers[1:]:
        if data[header + 46 :].startswith(name.encode()):
            return data[: header + at] + packed + data[header + at + len(packed) :]
    raise AssertionError(name)
