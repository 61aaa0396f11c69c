"""A run over an archive: a list of its photos in parts, and a Parquet file for each part.

The list is written once, and a part's file when all its photos are done. A run that was killed
continues with the parts that have no file.
"""

import json
import logging
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.dirfs import DirFileSystem

from model import Classifier, PhotoError
from model.errors import DamagedPhoto, DataError, FolderExists, MissingPhoto
from model.photo import MAX_BYTES
from model.photo.formats import SUFFIXES
from model.settings import settings
from model.storage.addresses import open_storage, storage_errors, write_file
from model.storage.photo_files import map_ordered
from model.text import clean

from .trial_decoder import TrialDecoder

log = logging.getLogger("loupe")

PART_PHOTOS = 256
"""Photos per part: after a kill, each machine, or each core of Ray, repeats at most these."""

THREADS = 4
"""Threads per core: while one identifies a photo, the others read theirs."""

SUSPECT_STARTS = 2
"""Unfinished starts of a part, after which its photos are first decoded on trial."""

TEXT, NUMBER = pa.string(), pa.float64()
COLUMNS = dict.fromkeys(("photo", "model", "version", "engine", "answer"), TEXT) | {
    "candidates": pa.list_(pa.struct({"label": TEXT, "probability": NUMBER})),
    "known": pa.bool_(),
    "novelty": NUMBER,
    "plausible": pa.list_(TEXT),
    "milliseconds": pa.struct(dict.fromkeys(("decode", "preprocess", "engine", "total"), NUMBER)),
    "error": pa.struct({"code": TEXT, "message": TEXT}),
}
"""The keys of ``Prediction.to_dict``, and ``error``."""


def list_photos(files: DirFileSystem, folder: str = "") -> Iterator[tuple[str, int]]:
    """Yield the name and bytes of every photo, without hidden ones and links.

    Folders below the first one that may not be read are left out, with a warning.
    """
    is_local = "file" in files.fs.protocol
    # A listing per folder at the top: all at once may not fit in memory.
    entries = files.ls(folder, detail=True)
    if not is_local and not all(entry["name"] for entry in entries):  # of a key such as "//a.jpg"
        entries = [{"name": "", "type": "directory"}]
    for entry in entries:
        is_folder = entry["type"] == "directory"
        if is_folder and is_local:  # find() would leave out any folder that it can't read
            try:
                if not Path(entry["name"]).name.startswith("."):
                    yield from list_photos(files, entry["name"])
            except PermissionError as error:
                log.warning("Left out: %s", error)
            continue
        for info in files.find(entry["name"], detail=True).values() if is_folder else [entry]:
            is_hidden = any(part.startswith(".") for part in info["name"].split("/"))
            is_photo = Path(info["name"]).suffix.lower() in SUFFIXES
            if info["type"] == "file" and is_photo and not is_hidden:
                yield info["name"], info["size"]


@dataclass(frozen=True)
class Job:
    """What all parts of a run have in common. Shards are numbered from 1."""

    archive: str
    results: str
    shard: int
    shards: int
    model: str
    version: str
    engine: str
    top: int


class ArchiveRun:
    """A job with its list of photos, read from the results or else written there.

    Raises:
        StorageUnavailable: the archive can't be listed, or the results not read or written.
        DataError: the archive has no photos.
        FolderExists: the results are of another job.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.probe = job, ""
        self.archive, self.results = open_storage(job.archive), open_storage(job.results)
        # Programs that read folders of Parquet files skip names that begin with "_".
        path = f"_photos/{job.shard}-of-{job.shards}.parquet"
        fields = {**asdict(job), "shard": "any", "results": "here"}  # they may be moved
        summary = json.dumps(fields).encode()
        with storage_errors(job.results):
            previous = self._read_note("_job.json")
            if previous not in (b"", summary):
                raise FolderExists(
                    f"{job.results} has results of another job: "
                    f"{clean(previous.decode(errors='replace'))[:500]}. Give the same command as "
                    "before, or another folder for the results."
                )
            try:
                self.results.info(path)  # exists() is false after any error
            except FileNotFoundError:
                photos = self._list_photos()
                write_file(self.results, "_job.json", summary)
                write_file(self.results, path, photos)
            # Opened, not read as a whole: each of Ray's cores has it.
            self.photos = pq.ParquetFile(
                self.results.open(path, cache_type="none"), pre_buffer=True
            )
            names = set(self.results.ls("", detail=False))
        groups = range(self.photos.num_row_groups)
        self.sizes = [self.photos.metadata.row_group(part).num_rows for part in groups]
        self.parts = [part for part in groups if self._part_name(part) not in names]
        """The parts without a file."""

    def _read_note(self, name: str) -> bytes:
        """Return a small file of the results, empty if there is none."""
        with suppress(FileNotFoundError):
            return bytes(self.results.cat_file(name, start=0, end=2**16))
        return b""

    def _part_name(self, part: int) -> str:
        return f"part-{self.job.shard}-of-{self.job.shards}-{part:07d}.parquet"

    def _list_photos(self) -> bytes:
        job, sink = self.job, BytesIO()
        schema = pa.schema({"name": pa.binary(), "bytes": pa.int64()})
        with (
            storage_errors(job.archive),
            pq.ParquetWriter(sink, schema, compression="zstd") as writer,
        ):
            listed = list_photos(self.archive)
            first = next(listed, None)
            if first is None:
                raise DataError(f"There are no photos in {job.archive}. Check the address.")
            photos = (
                (os.fsencode(name), size)  # names of files needn't be UTF-8
                for name, size in chain([first], listed)
                if zlib.crc32(os.fsencode(name)) % job.shards == job.shard - 1
            )
            while rows := list(islice(photos, PART_PHOTOS)):
                writer.write_table(pa.table(list(zip(*rows, strict=True)), schema=schema))
        return sink.getvalue()

    def identify(self, classifier: Classifier, parts: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Write the files of some parts, on all cores; yield each part's photos and failures.

        Raises:
            StorageUnavailable: the archive or the results have failed.
        """

        def to_row(photo: tuple[int, str, int, bool]) -> tuple[int, dict[str, Any]]:
            part, name, size, is_suspect = photo
            shown = name.encode("utf-8", "backslashreplace").decode()
            try:
                data = self._read(name, size)
                if is_suspect and trial.crashes(data):
                    raise DamagedPhoto("This photo crashes the decoder. Save it in another format.")
                prediction = classifier.identify(data, timeout=None)
                return part, prediction.to_dict(shown, self.job.top)
            except PhotoError as error:
                problem = {"code": error.code, "message": str(error)}
            return part, {"photo": shown, "error": problem}

        answer = {"answer": pa.list_(TEXT)} if classifier.bundle.manifest.multilabel else {}
        schema = pa.schema(COLUMNS | answer)
        trial = TrialDecoder(classifier.bundle.manifest.recipe.min_decode_size)
        threads = settings().threads * THREADS
        with closing(map_ordered(to_row, self._read_list(parts), threads)) as results:
            for part, group in groupby(results, key=lambda result: result[0]):
                rows, sink = [row for _, row in group], BytesIO()
                pq.write_table(pa.Table.from_pylist(rows, schema), sink, compression="zstd")
                with storage_errors(self.job.results):
                    write_file(self.results, self._part_name(part), sink.getvalue())
                yield len(rows), sum("error" in row for row in rows)

    def _read_list(self, parts: Iterable[int]) -> Iterator[tuple[int, str, int, bool]]:
        for part in parts:
            starts = f"_starts/{self._part_name(part)}.txt"
            with storage_errors(self.job.results):
                earlier = self._read_note(starts)
                write_file(self.results, starts, earlier + b".")
                photos = [
                    (part, os.fsdecode(row["name"]), row["bytes"], len(earlier) >= SUSPECT_STARTS)
                    for row in self.photos.read_row_group(part).to_pylist()
                ]
            yield from photos

    def _read(self, name: str, size: int) -> bytes:
        """Return a photo's bytes, at most one more than allowed.

        Raises:
            PhotoError: it can't be read, though the archive can.
            StorageUnavailable: the archive has failed.
        """
        # s3fs would read another object, and a list that others wrote may lead elsewhere.
        if "?versionId=" in name or ".." in name.split("/"):
            raise DamagedPhoto("The name of this photo can't be used. Rename it.")
        if not size:  # a bucket refuses a range of nothing
            return b""
        for _ in range(2):  # the archive may be back after a pause
            try:
                data = bytes(self.archive.cat_file(name, start=0, end=MAX_BYTES + 1))
            except Exception as error:  # noqa: BLE001 - each library has errors of its own
                failure = error
            else:
                self.probe = name
                return data
            # If a photo that was read before isn't found either, the archive has failed.
            with storage_errors(self.job.archive):
                try:
                    self.archive.info(self.probe)
                except Exception:  # noqa: BLE001 - says less than the first one
                    raise failure from None
        if isinstance(failure, FileNotFoundError):
            raise MissingPhoto("This photo was removed after the archive was listed.") from None
        raise DamagedPhoto(f"This photo can't be read: {failure}.") from None
