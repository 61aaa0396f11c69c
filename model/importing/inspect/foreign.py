"""Files often mistaken for an export: a description of each, and what to do instead."""

import re
from collections.abc import Collection

AGAIN = "In the notebook where it was trained call learn.export(), and take the file it writes."
UNPACK = "Unpack it first, then name the export.pkl in it."
NO_IMPORT = "It cannot be imported."

BIG_ENDIAN = (
    "This file was written with big-endian numbers, and Loupe reads little-endian ones. Load it "
    "on a little-endian machine (x86, ARM) and call learn.export() there."
)

KERAS = "a Keras or TensorFlow model, not a fastai export."
PAGE = (
    "a web page that was saved under the export's name: a sign-in page, or the page about the "
    "file instead of the file. Open the link in a browser, and use its download button."
)
POINTER = (
    "a Git LFS pointer, a few lines of text in place of the file. Fetch the file itself with: git "
    "lfs pull"
)

FORMATS: tuple[tuple[bytes, str], ...] = (
    (rb"version https://git-lfs", POINTER),
    (rb"\x89HDF\r\n\x1a\n", f"an HDF5 file (.h5), as Keras writes it: {KERAS} {NO_IMPORT}"),
    (
        rb"\x1f\x8b|BZh|\xfd7zXZ\0|7z\xbc\xaf\x27\x1c|Rar!|.{257}ustar",
        f"an archive (gzip, bzip2, xz, 7z, RAR or tar). {UNPACK}",
    ),
    (rb"\x93NUMPY", f"a NumPy array (.npy), not a learner. {AGAIN}"),
    (rb"\xff\xd8\xff|\x89PNG|%PDF", f"a photo or a picture, not a learner. {AGAIN}"),
    (rb"GGUF", f"a GGUF language model, not a fastai export. {NO_IMPORT}"),
    (rb"(\xef\xbb\xbf)?\s*(?i:<!doctype|<html|<\?xml|<head)", PAGE),
    (rb".{4}TFL3", f"a TensorFlow Lite model, not a fastai export. {NO_IMPORT}"),
    (rb"(\xef\xbb\xbf)?\s*[{\[][\x00-\x7f]*\Z", f"a text file (JSON, a notebook). {AGAIN}"),
    # A protobuf that begins with ONNX's version, or names ONNX or its writer.
    (
        rb"\x08[\x01-\x1f][\x12\x3a\x42]|[\x08\x0a\x3a].{0,252}(?i:onnx)",
        f"an ONNX model: a network without labels and preprocessing. {AGAIN}",
    ),
)
"""Formats by a regular expression of their first bytes, in words that follow "This is"."""


def describe_foreign(head: bytes, size: int) -> str | None:
    """Describe a file by its first bytes; return None if it may be a pickle or a zip."""
    if not size:
        return f"This file is empty. The download or the copy did not work. {AGAIN}"
    if not head.strip(b"\0"):
        return f"This file begins with nothing but zeros: it was not copied whole. {AGAIN}"
    for pattern, what in FORMATS:
        if re.match(pattern, head, re.DOTALL):
            return f"This is {what}"
    return None


def describe_foreign_zip(names: Collection[str]) -> str:
    """Describe a zip without a ``data.pkl``."""
    ends = {name.lower().rsplit("/", 1)[-1] for name in names}
    if "bundle.json" in ends:
        return (
            "This is a zipped model of Loupe. Unpack it into models/NAME/ in the data folder; "
            "it needs no import."
        )
    if "project.json" in ends:
        return (
            "This may be a project of Teach, with its photos. Open it on the page Teach, save "
            "the model there as a .loupe file, and import that."
        )
    if "model.weights.h5" in ends or "saved_model.pb" in ends:
        return f"This is {KERAS} {NO_IMPORT}"
    inside = next((name for name in names if name.lower().endswith((".pkl", ".pth", ".pt"))), None)
    if inside:
        return f"This is a zip with the file {inside} in it. Unpack it first, then name that file."
    if ends and all(name.endswith(".npy") for name in ends):
        return f"These are NumPy arrays (.npz), not a learner. {AGAIN}"
    return f"This zip was not written by torch: there is no data.pkl in it. {AGAIN}"
