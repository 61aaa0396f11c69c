"""``.loupe`` files that must be refused, and one that must open, for both parsers.

``python -m tests.model.teaching.hostile_loupe`` prints them as JSON, for JavaScript's.
"""

import base64
import hashlib
import io
import json
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.teaching.loupe_file import LoupeManifest
from tests.zips import zipped as stored_zip

MANIFEST, HEAD = "manifest.json", "head.safetensors"
LABELS, SIZE = 3, 4
Array = NDArray[Any]
Arrays = dict[str, Array]
Values = dict[str, Any]


class HostileLoupe(NamedTuple):
    """A file, and a regular expression that the refusal must match, whatever its case."""

    name: str
    data: bytes
    mentions: str


def arrays() -> Arrays:
    random = np.random.default_rng(0)
    weight, means = random.normal(size=(2, LABELS, SIZE))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    whole = {"weight": weight, "bias": random.normal(size=LABELS), "means": means}
    return {name: array.astype("<f4") for name, array in whole.items()}


def pack(tensors: Arrays, change: Callable[[Values], object] = lambda _: None) -> bytes:
    """Return a safetensors file; ``change`` edits its header."""
    header: Values = {}
    data = b""
    for name, array in tensors.items():
        kind = {"<f4": "F32", "<f2": "F16"}[array.dtype.str]
        offsets = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": offsets}
        data += array.tobytes()
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def values(head: bytes) -> Values:
    return {
        "format": 1,
        "title": "Pets",
        "language": "und",
        "labels": ["cat", "Hündin", "שלום"],
        "base": {"name": "imagenet", "version": "0" * 12, "features": "a" * 64, "size": SIZE},
        "temperature": 0.5,
        "ood_threshold": -0.4,
        "promise": 0.9,
        "made": "2026-11-28",
        "photos": [5, 5, 5],
        "groups": [4, 5, 5],
        "accuracy": {"right": [3, 5, 4], "counted": [4, 5, 5], "folds": "each group"},
        "head": {"sha256": hashlib.sha256(head).hexdigest(), "bytes": len(head)},
        "golden": {"drawing": 1, "logits": [[1.0, 0, -1.5]] * 2, "novelty": [-0.5, 0.25]},
    }


zipped = partial(stored_zip, method=zipfile.ZIP_DEFLATED)


def text(change: Callable[[Values], object] = lambda _: None, head: bytes = b"") -> bytes:
    """Return a manifest, of the good head or of another; ``change`` edits it."""
    manifest = values(head or pack(arrays()))
    change(manifest)
    return json.dumps(manifest).encode()


def good(method: int = zipfile.ZIP_DEFLATED, *, manifest: bytes = b"", head: bytes = b"") -> bytes:
    """Return a file that must open, whose base is made up; or one with another manifest or head."""
    head = head or pack(arrays())
    return stored_zip({MANIFEST: manifest or text(head=head), HEAD: head}, method)


def replaced(old: bytes, new: bytes, count: int = -1) -> bytes:
    data = good(zipfile.ZIP_STORED)
    assert old in data
    return data.replace(old, new, count)


def with_end(change: Callable[[list[int]], object], before: bytes = b"") -> bytes:
    """Return the good file with another end of its directory, and bytes before that."""
    data, end = good(), struct.Struct("<4s4H2LH")
    fields: list[Any] = list(end.unpack(data[-end.size :]))
    change(fields)
    return data[: -end.size] + before + end.pack(*fields)


def broken_zips() -> Iterator[tuple[str, bytes, str]]:
    data, files = good(), {MANIFEST: text(), HEAD: pack(arrays())}
    huge = {**files, MANIFEST: b" " * (3 * 2**20)}
    yield "nothing", b"", "zip"
    yield "no zip", b"\xff\xd8\xff\xe0" * 100, "zip"
    yield "cut short", data[: len(data) // 2], "zip"
    yield "larger than 2 MB", data + bytes(2 * 2**20), "2 MB"
    yield "unpacks to 3 MB", zipped(huge), "2 MB"
    bomb = zipped(huge).replace(struct.pack("<L", 3 * 2**20), struct.pack("<L", 500))
    yield "unpacks to more than it states", bomb, "zip|2 MB"
    yield "a third file", zipped({**files, "photo.jpg": b"x"}), "two files"
    yield "no head", zipped({MANIFEST: text()}), "two files"
    yield "a path out", zipped({f"../{MANIFEST}": text(), HEAD: files[HEAD]}), "two files"
    yield "a folder", zipped({f"pets/{name}": item for name, item in files.items()}), "two files"
    twice = zipped({MANIFEST: text(), "manifest.jsoN": text()}).replace(b"jsoN", b"json")
    yield "a name twice", twice, "two files|twice"
    yield "another name in the file", replaced(b"manifest.json", b"manifest.jsoN", 1), "zip"
    flagged = bytearray(data)
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        flagged[data.index(signature) + place] |= 1
    yield "encrypted", bytes(flagged), "zip"
    streamed = io.BytesIO()
    unseekable: Any = SimpleNamespace(write=streamed.write, flush=streamed.flush)
    with zipfile.ZipFile(unseekable, "w") as archive:
        for name, item in files.items():
            archive.writestr(name, item)
    yield "sizes after the data", streamed.getvalue(), "zip"
    yield "bzip2", stored_zip(files, zipfile.ZIP_BZIP2), "zip"
    yield "changed contents", replaced(b'"Pets"', b'"Pest"'), "zip"
    yield "bytes after the end", data + b"more", "zip"
    yield "bytes before the zip", b"x" * 100 + data, "zip"
    comment = zipfile.ZipFile(file := io.BytesIO(data), "a")
    comment.comment = b"hello"
    comment.close()
    yield "a comment", file.getvalue(), "zip"
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(data) - 22, 1)
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, 0, 0)
    yield "zip64", with_end(lambda _: None, record + locator), "zip"
    yield "a directory elsewhere", with_end(lambda end: end.__setitem__(6, 2**31)), "zip"
    yield "another count of files", with_end(lambda end: end.__setitem__(4, 1)), "zip|two files"


def put(manifest: Values, key: str, value: object) -> None:
    *outer, last = key.split(".")
    for name in outer:
        manifest = manifest[name]
    manifest[last] = value


BAD_LABELS = (
    *("", "  ", " cat", "x" * 61, 7, "two\nlines", "bell\x07", "\u200fmark", "\u2067isolate"),
    *("line\u2028separator", "half\ud83d", "\u200b", "\u200d\u0301", "\u3164", "\u2800\ufe0f"),
)
INVALID_DATES = "2026-13-01 2026-02-30 0000-01-01 2026-W48-6".split()
FIELDS: dict[str, tuple[object, ...]] = {
    "title": (*BAD_LABELS, "pets\u202egpj"),
    "labels": (*(["cat", bad, "dog"] for bad in (*BAD_LABELS, "cat")), ["cat", "dog"]),
    "made": (*INVALID_DATES, ["2026-11-28"]),
    "base.size": (5,),
    "promise": (0.99, float("nan")),
    "photos": ([5, 5], [5, 5, -1]),
    "groups": ([1.5, 5, 5],),
    "accuracy.right": ([5, 5, 5],),
    "accuracy.counted": ([],),
    "head.sha256": ("0" * 64,),
    "head.bytes": (1,),
    "golden.logits": ([[1, 0, 0]], [[1, 0]] * 2),
    "golden.novelty": ([0.0, float("nan")],),
    "\u202e\x1b[2J" + "long" * 100: ("a key that would clear a terminal",),
    "base.url": ("https://example.org",),
}
"""Values that must be refused, by the dotted key of the manifest; ``wrong_values`` has more."""

SCHEMA = LoupeManifest.model_json_schema()


def wrong_values(schema: Values, good: Any, key: str = "") -> Iterator[tuple[str, object]]:
    """Yield dotted keys and values that the manifest's schema excludes; ``good`` is allowed."""
    option, *others = schema.get("anyOf", [schema])
    option = SCHEMA["$defs"][option["$ref"].split("/")[-1]] if "$ref" in option else option
    kind = None if "const" in option else option["type"]
    if kind == "object":
        yield f"{key}.surprise".lstrip("."), "field"
        for name, part in option["properties"].items():
            yield from wrong_values(part, good[name], f"{key}.{name}".lstrip("."))
    wrong: dict[str | None, tuple[object, ...]] = {
        None: (2, str(good)),
        "array": ("cat", {}, good * 22 if kind == "array" else ()),
        "string": (7, True, "", "x" * 101, *([f"{good}\n", "../x"] * ("pattern" in option))),
        "number": (str(good), True, float("nan"), float("-inf"), -1e9, 1e9),
        "integer": (str(good), True, 4.5, -(10**9), 10**9),
    }
    yield from ((key, value) for value in (*wrong.get(kind, ()), *([] if others else [None])))


def broken_manifests() -> Iterator[tuple[str, bytes, str]]:
    yield "no JSON", good(manifest=b"title: Pets"), "manifest"
    yield "not UTF-8", good(manifest=text().replace(b"Pets", b"P\xe9ts")), "manifest"
    yield "a list", good(manifest=b"[]"), "manifest"
    yield "nested", good(manifest=b"[" * 100_000), "manifest"
    yield "without a base", good(manifest=text(lambda manifest: manifest.pop("base"))), "base"
    listed = ((key, value) for key, wrong in FIELDS.items() for value in wrong)
    for key, value in (*listed, *wrong_values(SCHEMA, values(pack(arrays())))):
        name = f"{ascii(key)[1:30]} = {ascii(value)[:40]}"
        changed = good(manifest=text(partial(put, key=key, value=value)))
        yield name, changed, "manifest|format|head"


def broken_heads() -> Iterator[tuple[str, bytes, str]]:
    whole = arrays()
    changed: dict[str, bytes] = {
        "no tensors": pack({}),
        "one tensor too few": pack({name: whole[name] for name in ("weight", "bias")}),
        "one tensor too many": pack({**whole, "extra": whole["bias"]}),
        "half precision": pack({name: array.astype("<f2") for name, array in whole.items()}),
        "a label too few": pack({name: array[:2] for name, array in whole.items()}),
        "a feature too few": pack({**whole, "weight": whole["weight"][:, :3].copy()}),
        "turned": pack({**whole, "weight": whole["weight"].T.copy()}),
        "cut short": pack(whole)[:-4],
        "more at its end": pack(whole) + b"more",
        "a huge header": struct.pack("<Q", 2**60) + b"{}",
        "no JSON": struct.pack("<Q", 2) + b"{x",
        "too short for a header": b"\x01",
        "overlapping tensors": pack(whole, lambda h: h["means"].update(data_offsets=[0, 48])),
        "negative offsets": pack(whole, lambda h: h["bias"].update(data_offsets=[-12, 0])),
        "a shape of text": pack(whole, lambda h: h["bias"].update(shape="3")),
        "means that aren't of length one": pack({**whole, "means": whole["means"] * 2}),
        "means of nothing": pack({**whole, "means": whole["means"] * 0}),
    }
    for name, number in (("weight", np.nan), ("bias", np.inf), ("means", np.nan)):
        array = whole[name].copy()
        array.flat[1] = number
        changed[f"{number} in {name}"] = pack({**whole, name: array})
    for name, head in changed.items():
        yield f"head: {name}", good(head=head), "head"


HOSTILE = [HostileLoupe(*item) for item in (*broken_zips(), *broken_manifests(), *broken_heads())]

if __name__ == "__main__":
    rows = [{**item._asdict(), "data": base64.b64encode(item.data).decode()} for item in HOSTILE]
    json.dump({"good": base64.b64encode(good()).decode(), "hostile": rows}, sys.stdout)
