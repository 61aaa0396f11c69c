"""Files that are often taken for an export: what each is, and what to do instead."""

from collections.abc import Collection

__all__ = ["AGAIN", "BIG_ENDIAN", "describe_foreign", "describe_foreign_zip"]

AGAIN = "In the notebook where it was trained call learn.export(), and take the file it writes."

BIG_ENDIAN = (
    "This file was written with big-endian numbers, and Loupe reads little-endian ones. Load it "
    "on a little-endian machine (x86, ARM) and call learn.export() there."
)

STARTS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs",
        (
            "This is a Git LFS pointer, a few lines of text in place of the file. "
            "Fetch the file itself with: git lfs pull"
        ),
    ),
    (
        b"\x89HDF\r\n\x1a\n",
        (
            "This is an HDF5 file, as Keras and TensorFlow write it (.h5), not a fastai export. "
            "Keras models cannot be imported."
        ),
    ),
    (b"\x1f\x8b", "This is a gzip archive. Unpack it first, then name the export.pkl in it."),
    (b"BZh", "This is a bzip2 archive. Unpack it first, then name the export.pkl in it."),
    (b"\xfd7zXZ\0", "This is an xz archive. Unpack it first, then name the export.pkl in it."),
    (
        b"7z\xbc\xaf\x27\x1c",
        "This is a 7z archive. Unpack it first, then name the export.pkl in it.",
    ),
    (b"Rar!", "This is a RAR archive. Unpack it first, then name the export.pkl in it."),
    (b"\x93NUMPY", f"This is a NumPy array (.npy), not a learner. {AGAIN}"),
    (b"\xff\xd8\xff", f"This is a photo (JPEG), not a learner. {AGAIN}"),
    (b"\x89PNG", f"This is a picture (PNG), not a learner. {AGAIN}"),
    (b"GGUF", "This is a GGUF language model, not a fastai export. It cannot be imported."),
    (b"SQLite format 3", f"This is an SQLite database, not a learner. {AGAIN}"),
    (b"%PDF", f"This is a PDF, not a learner. {AGAIN}"),
)

PAGE = (
    "This is a web page that was saved under the export's name: a sign-in page, or the page "
    "about the file instead of the file. Open the link in a browser, and use its download button."
)


def describe_foreign(head: bytes, size: int) -> str | None:
    """Describe a file by its first bytes; return None if it may be a pickle or a zip."""
    return _nothing(head, size) or _marked(head) or _looks_like(head)


def _nothing(head: bytes, size: int) -> str | None:
    if not size:
        return f"This file is empty. The download or the copy did not work. {AGAIN}"
    if not head.strip(b"\0"):
        return f"This file begins with nothing but zeros: it was not copied whole. {AGAIN}"
    return None


def _marked(head: bytes) -> str | None:
    """Describe a file by the magic bytes of its format."""
    for start, message in STARTS:
        if head.startswith(start):
            return message
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return PAGE
    if head[4:8] == b"TFL3":
        return "This is a TensorFlow Lite model, not a fastai export. It cannot be imported."
    if head[257:262] == b"ustar":
        return (
            "This is a tar archive. Unpack it first, then name the export.pkl in it. (torch before "
            "0.1.10 wrote such files, too; they are not read.)"
        )
    if text[:1] in (b"{", b"[") and head.isascii():
        return f"This is a text (JSON, or a notebook), not a learner. {AGAIN}"
    return None


def _looks_like(head: bytes) -> str | None:
    """Describe a file whose format has no magic bytes."""
    if _onnx(head):
        return (
            "This is an ONNX model: a network without the labels and without how photos are "
            f"prepared. {AGAIN}"
        )
    return None


def describe_foreign_zip(names: Collection[str]) -> str:
    """Describe a zip without a ``data.pkl``."""
    lower = {name.lower() for name in names}
    ends = {name.rsplit("/", 1)[-1] for name in lower}
    if "bundle.json" in ends:
        return (
            "This is a zipped model of Loupe. Unpack it into models/NAME/ in the data folder; "
            "it needs no import."
        )
    if "model.weights.h5" in ends or "saved_model.pb" in ends:
        return "This is a Keras or TensorFlow model, not a fastai export. It cannot be imported."
    inside = next((name for name in names if name.lower().endswith((".pkl", ".pth", ".pt"))), None)
    if inside:
        return f"This is a zip with the file {inside} in it. Unpack it first, then name that file."
    if ends and all(name.endswith(".npy") for name in ends):
        return f"These are NumPy arrays (.npz), not a learner. {AGAIN}"
    return f"This zip was not written by torch: there is no data.pkl in it. {AGAIN}"


def _onnx(head: bytes) -> bool:
    """Return whether it is a protobuf that begins with ONNX's version and its writer's name."""
    return (
        head[:1] == b"\x08" and 0 < head[1] < 32 and head[2:3] in (b"\x12", b"\x3a", b"\x42")
    ) or (head[:1] in (b"\x08", b"\x0a", b"\x3a") and b"onnx" in head[:256].lower())
