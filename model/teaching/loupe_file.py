"""``NAME.loupe``: a few-shot head in one file, without its base and without any photo.

A zip of ``manifest.json`` and ``head.safetensors`` (float32 ``weight`` and ``means`` [labels, D],
``bias`` [labels]). It comes from strangers: everything is checked before anything is used.
"""

import hashlib
import io
import json
import re
import zipfile
from datetime import date
from typing import Annotated, Self

import numpy as np
from pydantic import AfterValidator, Field, ValidationError, model_validator

from ..bundle import Metric, Name, StrictModel
from ..calibration.cross_validation import MEASURED_BY
from ..errors import ExportRefused
from ..evaluation.metrics import proportion_metric
from ..preprocess import Pixels
from ..storage import zips
from ..text import INVISIBLE, VISIBLE, clean, one_of
from .few_shot_head import PROMISES, FewShotHead, Folds

MANIFEST, HEAD = "manifest.json", "head.safetensors"
MAX_BYTES = 2 * 2**20
"""Most bytes of the file, and of its contents."""

MAX_DIRECTORY_BYTES = 1024
PLAIN_FLAGS = 0x0806
"""Bits of a zip's flags that don't change how it is read: UTF-8 names, kinds of Deflate."""

TESTED = {"each group": "each left out in turn", "five": "a fifth left out at a time"}
MAX_LABELS, MAX_LABEL_CHARS = 20, 60
MAX_LENGTH_ERROR = 1e-3
CONTROL = re.compile(f"[{one_of('controls')}]")


def is_label(text: str) -> bool:
    """Return whether a text can be a new label or title."""
    return was_label(text) and not INVISIBLE.search(text)


def was_label(text: str) -> bool:
    """Return whether some version of Loupe allowed it, so that a file with it opens."""
    is_short = len(text.strip()) == len(text) <= MAX_LABEL_CHARS
    return is_short and bool(VISIBLE.search(text)) and not CONTROL.search(text)


def _check_text(text: str) -> str:
    if not was_label(text):
        raise ValueError(
            f"it needs 1 to {MAX_LABEL_CHARS} visible characters, no spaces at its ends"
        )
    return text


Label = Annotated[str, AfterValidator(_check_text)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
One = Annotated[int, Field(ge=1, le=1)]  # Literal[1] accepts JSON's true
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

    drawing: One = 1
    logits: Annotated[tuple[tuple[float, ...], ...], Field(min_length=2, max_length=2)]
    novelty: Annotated[tuple[float, ...], Field(min_length=2, max_length=2)]


class LoupeManifest(StrictModel):
    """``manifest.json``."""

    format: One = 1
    title: Label
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "und"
    labels: Annotated[tuple[Label, ...], Field(min_length=2, max_length=MAX_LABELS)]
    base: LoupeBase
    temperature: Annotated[float, Field(ge=0.05, le=20)]
    ood_threshold: Annotated[float, Field(ge=-1, le=1)]
    promise: float | None
    made: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    photos: Counts
    groups: Counts
    accuracy: GroupAccuracy | None
    head: LoupeHead
    golden: LoupeGolden

    @model_validator(mode="after")
    def _check(self) -> Self:
        date.fromisoformat(self.made)
        if self.promise not in (None, *(share for _, share in PROMISES)):
            raise ValueError("promise: it must be 0.9, 0.95 or null")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("labels: two are equal")
        lists = [self.photos, self.groups, *self.golden.logits]
        if accuracy := self.accuracy:
            lists += [accuracy.right, accuracy.counted]
            if any(right > count for right, count in zip(*lists[-2:], strict=False)):
                raise ValueError("accuracy: more groups are right than counted")
        if any(len(item) != len(self.labels) for item in lists):
            raise ValueError("a list doesn't have one number per label")
        return self

    @property
    def metric(self) -> Metric | None:
        """The share of left-out photo groups that are right; None until each label has some."""
        if not self.accuracy or not all(self.accuracy.counted):
            return None
        right, count = sum(self.accuracy.right), sum(self.accuracy.counted)
        tested = TESTED[self.accuracy.folds]
        metric = proportion_metric("accuracy", right, count, tested, MEASURED_BY)
        return metric.model_copy(update={"unit": "recordings"})


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
    header = _header(*head.weight.shape)
    header += b" " * (-len(header) % 8)
    data = b"".join(array.astype("<f4").tobytes() for array in (head.weight, head.bias, head.means))
    return len(header).to_bytes(8, "little") + header + data


def describe_file(packed: bytes) -> LoupeHead:
    """Return what the manifest says of ``head.safetensors``."""
    return LoupeHead(sha256=hashlib.sha256(packed).hexdigest(), bytes=len(packed))


def _header(labels: int, size: int) -> bytes:
    """Return the one header that ``head.safetensors`` may have, without spaces."""
    shapes = {"weight": (labels, size), "bias": (labels,), "means": (labels, size)}
    entries, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * int(np.prod(shape))
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": (begin, end)}
    return json.dumps(entries, separators=(",", ":")).encode()


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
            raise _refuse("its format isn't 1; update Loupe to read it") from None
        place = ".".join(map(str, first["loc"])) or "its contents"
        # Unknown keys and wrong dates are quoted from the file.
        reason = clean(f"{place[:60]}: {first['msg'].removeprefix('Value error, ')[:120]}")
        raise _refuse(f"{MANIFEST} isn't valid: {reason}") from None
    if manifest.head != describe_file(packed):
        raise _refuse(f"{HEAD} doesn't match its hash in {MANIFEST}")
    return manifest, _unpack_head(packed, manifest)


def _unzip(data: bytes) -> tuple[bytes, bytes]:
    """Return the manifest and the head."""
    if len(data) > MAX_BYTES:
        raise _refuse("it is larger than 2 MB")
    file = io.BytesIO(data)
    try:
        zipped = zips.open_zip(file, max_entries=2, max_directory_bytes=MAX_DIRECTORY_BYTES)
        infos = {info.orig_filename: info for info in zipped.infolist()}
        if infos.keys() != {MANIFEST, HEAD} or zips.END.unpack(data[-zips.END.size :])[4] != 2:
            raise zips.ZipDamaged("other files")
        if zips.LOCATOR64_SIGNATURE in data[-zips.END.size - zips.LOCATOR64.size :]:
            raise zips.ZipDamaged("zip64")
        if any(info.flag_bits & ~PLAIN_FLAGS for info in infos.values()):
            raise zips.ZipDamaged("encrypted, or sizes that follow the data")
        zips.check_overlap(zipped)
        zips.check_layout(file, zipped)
        # Whatever sizes it states, no more is unpacked.
        head = zips.read_member(zipped, infos[HEAD], MAX_BYTES)
        return zips.read_member(zipped, infos[MANIFEST], MAX_BYTES - len(head)), head
    except zips.MemberTooLarge:
        raise _refuse("it unpacks to more than 2 MB") from None
    except zips.ZipDamaged:
        raise _refuse(
            f"its zip is damaged, encrypted, or doesn't have just two files, {MANIFEST} and {HEAD}"
        ) from None


def _unpack_head(data: bytes, manifest: LoupeManifest) -> FewShotHead:
    labels, size = len(manifest.labels), manifest.base.size
    start = 8 + int.from_bytes(data[:8], "little")
    # Compared as text: of a name that is there twice, readers take the first or the last.
    found = re.sub(rb"\s", b"", data[8:start])
    if found != _header(labels, size) or len(data) != start + 4 * labels * (2 * size + 1):
        raise _refuse(f"{HEAD} doesn't have float32 numbers for {labels} labels × {size} features")
    numbers = np.frombuffer(data, "<f4", offset=start)
    if not np.isfinite(numbers).all():
        raise _refuse(f"{HEAD} has numbers that aren't finite")
    weight, bias, means = np.split(numbers, [labels * size, labels * (size + 1)])
    weight, means = weight.reshape(labels, size), means.reshape(labels, size)
    if np.abs(np.linalg.norm(means.astype(float), axis=1) - 1).max() > MAX_LENGTH_ERROR:
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
