"""``NAME.loupe``: a few-shot head in one file, without its base and without any photo.

A zip of ``manifest.json`` and ``head.safetensors`` (float32 ``weight`` and ``means`` [labels, D],
``bias`` [labels]). It comes from strangers: everything is checked before anything is used.
"""

import hashlib
import io
import json
import struct
import zipfile
from datetime import date
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field, ValidationError, model_validator

from ..bundle import Name, StrictModel
from ..errors import ExportRefused
from ..importing.inspect.safetensors_file import read_safetensors
from ..preprocess import Pixels
from ..storage import zips
from ..text import INVISIBLE, clean
from .few_shot_head import FewShotHead
from .left_out import PROMISES, Folds

MANIFEST, HEAD = "manifest.json", "head.safetensors"
MAX_BYTES = 2 * 2**20
"""Most bytes of the file, and of its contents."""

MAX_DIRECTORY_BYTES = 1024
MAX_LABELS, MAX_LABEL_CHARS = 20, 60
MAX_LENGTH_ERROR = 1e-3


def _check_text(text: str) -> str:
    if not text.strip() or text != text.strip() or len(text) > MAX_LABEL_CHARS:
        raise ValueError(f"it needs 1 to {MAX_LABEL_CHARS} characters, without spaces around them")
    if INVISIBLE.search(text):
        raise ValueError("it has invisible characters, such as marks that turn text around")
    return text


Label = Annotated[str, AfterValidator(_check_text)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Counts = Annotated[tuple[Count, ...], Field(max_length=MAX_LABELS)]


class LoupeBase(StrictModel):
    """The model whose features the head needs; ``features`` is their hash, ``size`` their D."""

    name: Name
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    features: Hash
    size: Annotated[int, Field(ge=1, le=100_000)]


class GroupAccuracy(StrictModel):
    """By label: how many left-out photo groups were counted, and how many of them were right."""

    right: Counts
    counted: Counts
    folds: Folds


class LoupeHead(StrictModel):
    """Size and SHA-256 of ``head.safetensors``."""

    sha256: Hash
    bytes: Count


class LoupeGolden(StrictModel):
    """Logits and OOD scores of the ``draw`` pictures on the base's small graph."""

    drawing: Literal[1]
    logits: Annotated[tuple[tuple[float, ...], ...], Field(min_length=2, max_length=2)]
    novelty: Annotated[tuple[float, ...], Field(min_length=2, max_length=2)]


class LoupeManifest(StrictModel):
    """``manifest.json``."""

    format: Literal[1] = 1
    title: Label
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "und"
    labels: Annotated[tuple[Label, ...], Field(min_length=2, max_length=MAX_LABELS)]
    base: LoupeBase
    temperature: Annotated[float, Field(ge=0.05, le=20)]
    ood_threshold: Annotated[float, Field(ge=-1, le=1)]
    promise: float | None
    made: Annotated[str, Field(max_length=40)]
    photos: Counts
    groups: Counts
    accuracy: GroupAccuracy | None
    head: LoupeHead
    golden: LoupeGolden

    @model_validator(mode="after")
    def _check(self) -> Self:
        date.fromisoformat(self.made[:10])
        if self.promise not in (None, *(share for _, share in PROMISES)):
            raise ValueError("promise: it must be 0.9, 0.95 or null")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("labels: two are equal")
        lists = [self.photos, self.groups, *self.golden.logits]
        if accuracy := self.accuracy:
            lists += [accuracy.right, accuracy.counted]
            if any(np.greater(*pair) for pair in zip(*lists[-2:], strict=False)):
                raise ValueError("accuracy: more groups are right than counted")
        if any(len(item) != len(self.labels) for item in lists):
            raise ValueError("a list doesn't have one number per label")
        return self


def write_loupe(manifest: LoupeManifest, head: FewShotHead) -> bytes:
    """Return the bytes of a ``.loupe`` file; the same model is the same file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        text = manifest.model_dump_json(indent=1).encode()
        for name, data in ((MANIFEST, text), (HEAD, pack_head(head))):
            zipped.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def pack_head(head: FewShotHead) -> bytes:
    """Return ``head.safetensors``."""
    header, data = {}, b""
    for name in ("weight", "bias", "means"):
        array = getattr(head, name).astype("<f4")
        offsets = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": offsets}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def read_loupe(data: bytes) -> tuple[LoupeManifest, FewShotHead]:
    """Return the contents of a ``.loupe`` file after checking all of them.

    Raises:
        ExportRefused: something is wrong with it.
    """
    text, packed = _unzip(data)
    try:
        manifest = LoupeManifest.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"] == ("format",):
            raise _refuse("its format is another one than 1; update Loupe to read it") from None
        place = ".".join(map(str, first["loc"])) or "its contents"
        # Unknown keys and wrong dates are quoted from the file.
        reason = clean(f"{place[:60]}: {first['msg'].removeprefix('Value error, ')[:120]}")
        raise _refuse(f"{MANIFEST} isn't valid: {reason}") from None
    if manifest.head != LoupeHead(sha256=hashlib.sha256(packed).hexdigest(), bytes=len(packed)):
        raise _refuse(f"{HEAD} doesn't match its hash in {MANIFEST}")
    return manifest, _unpack_head(packed, manifest)


def _unzip(data: bytes) -> tuple[bytes, bytes]:
    """Return the manifest and the head."""
    two_files = f"its zip must have two files, {MANIFEST} and {HEAD}"
    if len(data) > MAX_BYTES:
        raise _refuse("it is larger than 2 MB")
    file = io.BytesIO(data)
    try:
        zipped = zips.open_zip(file, max_entries=2, max_directory_bytes=MAX_DIRECTORY_BYTES)
        infos = {info.orig_filename: info for info in zipped.infolist()}
        if infos.keys() != {MANIFEST, HEAD} or zips.END.unpack(data[-zips.END.size :])[4] != 2:
            raise _refuse(two_files)
        if zips.LOCATOR64_SIGNATURE in data[-zips.END.size - zips.LOCATOR64.size :]:
            raise _refuse("its zip is of the kind for huge files (zip64)")
        zips.check_overlap(zipped)
        zips.check_layout(file, zipped)
        # Whatever sizes it states, no more is unpacked.
        head = zips.read_member(zipped, infos[HEAD], MAX_BYTES)
        return zips.read_member(zipped, infos[MANIFEST], MAX_BYTES - len(head)), head
    except zips.TooManyEntries:
        raise _refuse(two_files) from None
    except zips.MemberTooLarge:
        raise _refuse("it unpacks to more than 2 MB") from None
    except zips.ZipDamaged:
        raise _refuse("its zip is damaged, encrypted or not made by Loupe") from None


def _unpack_head(data: bytes, manifest: LoupeManifest) -> FewShotHead:
    labels, size = len(manifest.labels), manifest.base.size
    try:
        tensors, offsets = read_safetensors(io.BytesIO(data), len(data))
    except ExportRefused:
        raise _refuse(f"{HEAD} is damaged") from None
    shapes = {"weight": (labels, size), "bias": (labels,), "means": (labels, size)}
    found = {name: (tensor.storage.type, tensor.shape) for name, tensor in tensors.items()}
    if found != {name: ("FloatStorage", shape) for name, shape in shapes.items()}:
        raise _refuse(f"{HEAD} doesn't have float32 numbers for {labels} labels × {size} features")
    weight, bias, means = (
        np.frombuffer(data, "<f4", tensors[name].count, offsets[name]).reshape(shape)
        for name, shape in shapes.items()
    )
    if not all(np.isfinite(array).all() for array in (weight, bias, means)):
        raise _refuse(f"{HEAD} has numbers that aren't finite")
    lengths = np.linalg.norm(means.astype(np.float64), axis=1)
    if np.abs(lengths - 1).max() > MAX_LENGTH_ERROR:
        raise _refuse(f"the means in {HEAD} aren't of length one")
    return FewShotHead(weight, bias, means, manifest.temperature, manifest.ood_threshold)


def _refuse(why: str) -> ExportRefused:
    return ExportRefused(
        f"This .loupe file can't be used: {why}. Ask for the file again, or save it again where "
        "the model was made."
    )


def draw(height: int, width: int) -> Pixels:
    """Return the pictures of the golden outputs, uint8 [2, height, width, 3]: drawing 1."""
    i, r, c, h = np.ogrid[:2, :height, :width, :3]
    waves = r * (3 + 2 * h) + c * (5 + h) + 37 * i + ((r >> 4) ^ (c >> 4)) * (11 + 4 * h)
    return np.asarray(waves & 255, np.uint8)
