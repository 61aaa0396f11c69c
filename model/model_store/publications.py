"""Publishing: the table of current versions, by their manifests' hashes, and the versions' files.

Files are in a folder, in a bucket or behind another Loupe's route.
"""

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..api_client import open_url
from ..browser.device_files import make_ahead
from ..bundle import MANIFEST, Bundle, roll_back
from ..bundle.bundle import MAX_MANIFEST_BYTES
from ..classifier import Classifier
from ..corrections import database
from ..engines import start
from ..errors import BundleNotFound, FolderExists, SettingRefused
from ..settings import settings
from ..storage.addresses import StorageUnavailable, open_storage, storage_errors, write_file
from ..storage.disk import hash_file
from ..text import list_some

MAX_MODELS = 100
"""Most models that are followed."""

TABLE = sa.Table(
    "publications",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, index=True),
    sa.Column("version", sa.String(12), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("published", sa.DateTime(timezone=True), nullable=False),
    sqlite_autoincrement=True,
)
"""Rows are only added: the newest of a name counts, and an earlier version comes back as a new
row."""


NO_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Publication:
    """A version that was made current.

    ``sha256`` is the hash of its ``bundle.json``; ``added`` when its model was first published;
    both times are UTC, and ``NO_TIME`` if the row has none.
    """

    id: int
    name: str
    version: str
    sha256: str
    published: datetime
    added: datetime

    @property
    def is_valid(self) -> bool:
        """True if its name and hash can be those of a version: anything may be in a database."""
        has_name = re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", self.name)
        has_hash = re.fullmatch(r"[0-9a-f]{64}", self.sha256)
        has_version = self.version == self.sha256[:12]
        return bool(has_name and has_hash) and has_version and self.published != NO_TIME


class Publications(database.StoredTable):
    """The publications in one database."""

    def __init__(self, url: str) -> None:
        super().__init__(url, TABLE, "publications")

    def list_current(self) -> list[Publication]:
        """Return the newest publication of each name, the newest first; at most ``MAX_MODELS``."""
        last = sa.func.max(TABLE.c.id)
        newest = sa.select(last).group_by(TABLE.c.name).order_by(last.desc()).limit(MAX_MODELS)
        return self._read(TABLE.c.id.in_(newest))

    def list_all(self) -> list[Publication]:
        """Return all publications, the newest first."""
        return self._read(sa.true())

    def find(self, name: str, version: str) -> Publication:
        """Return the newest publication of a version.

        Raises:
            BundleNotFound: it was never published; the message lists what was.
        """
        is_name = TABLE.c.name == name
        for row in self._read(is_name & (TABLE.c.version == version)):
            if row.is_valid:
                return row
        versions = list_some(list(dict.fromkeys(row.version for row in self._read(is_name))))
        raise BundleNotFound(
            f"{name[:64]} {version[:40]!r} was never published. Published: {versions or 'none'}."
        )

    def _read(self, condition: sa.ColumnElement[bool]) -> list[Publication]:
        other = TABLE.alias()
        first = sa.select(sa.func.min(other.c.published)).where(other.c.name == TABLE.c.name)
        columns = (TABLE.c.id, TABLE.c.name, TABLE.c.version, TABLE.c.sha256)
        # Parsed row by row: SQLAlchemy would raise for all of them if one isn't a time.
        times = (TABLE.c.published, first.scalar_subquery())
        coerced = (sa.type_coerce(time, sa.String) for time in times)
        query = sa.select(*columns, *coerced).where(condition)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(TABLE.c.id.desc())).all()
        # SQLite keeps values of any type in any column.
        return [
            Publication(
                number, str(name), str(version), str(sha256), _parse(time), _parse(first, time)
            )
            for number, name, version, sha256, time, first in rows
        ]

    def add(self, name: str, sha256: str) -> None:
        """Make the version with this hash of ``bundle.json`` the current one."""
        row = {"name": name, "version": sha256[:12], "sha256": sha256}
        values = row | {"published": datetime.now(UTC)}
        with self.writing() as connection:
            connection.execute(sa.insert(TABLE).values(values))


def _parse(*times: object) -> datetime:
    for moment in times:
        with suppress(ValueError, OverflowError):
            return database.to_utc(
                moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment))
            )
    return NO_TIME


ROUTE = "/api/v1/models/"
TIMEOUT_SECONDS, FILE_SECONDS = 20, 600
"""Longest wait for a part of a file from a route, and for a whole file."""

CHUNK_BYTES = 2**22


def is_route(address: str) -> bool:
    """Return whether a store is another Loupe, from which versions are only read."""
    return address.startswith(("http://", "https://"))


def copy_file(name: str, target: Path, max_bytes: int) -> None:
    """Copy ``NAME/VERSION/FILE`` from the store; nothing of it is checked but its size.

    Raises:
        StorageUnavailable: it can't be read, is no plain file, is larger or too slow.
        DataError: the store's address can't be used.
    """
    address, ends = settings().store, time.monotonic() + FILE_SECONDS
    with storage_errors(address), _open(address, name) as file, target.open("wb") as sink:
        # One that sends byte by byte must not hold a read forever.
        read = getattr(file, "read1", file.read)
        while chunk := read(CHUNK_BYTES):
            if sink.tell() + len(chunk) > max_bytes or time.monotonic() > ends:
                raise StorageUnavailable(
                    f"{name} in {address} has more than {max_bytes:,} bytes, or took longer than "
                    f"{FILE_SECONDS} s. Check the network, or publish the version again."
                )
            sink.write(chunk)


@contextmanager
def _open(address: str, name: str) -> Iterator[Any]:
    if is_route(address):
        with open_url(f"{address}{ROUTE}{name}", timeout=TIMEOUT_SECONDS) as reply:
            if reply.status != 200:
                raise StorageUnavailable(
                    f"{address} answered {reply.status} for {name}. Give the store's own address, "
                    "without a redirect. The store needs this version and LOUPE_DOWNLOADS=true."
                )
            yield reply
        return
    files = open_storage(address)
    info = files.info(name)
    # Opening a named pipe would block forever.
    if info["type"] != "file" or info.get("islink"):
        raise StorageUnavailable(f"{name} in {address} isn't a plain file. Publish it again.")
    with files.open(name, "rb", block_size=CHUNK_BYTES) as file:
        yield file


def upload(bundle: Bundle) -> None:
    """Copy a verified version to a folder or bucket, ``bundle.json`` last.

    Raises:
        FolderExists: it has another file there.
        BundleDamaged, DataError, StorageUnavailable: a file, the address or the store can't be
            used.
    """
    address = settings().store
    files = open_storage(address)
    for file in (*bundle.file_names, MANIFEST):
        is_manifest = file == MANIFEST
        data = (bundle.folder / file).read_bytes() if is_manifest else bundle.read(file)
        name = f"{bundle.name}/{bundle.version}/{file}"
        with storage_errors(address):
            if not files.exists(name):
                write_file(files, name, data)
            elif files.cat_file(name, start=0, end=len(data) + 1) != data:
                raise FolderExists(
                    f"{name} in {address} is another file and isn't replaced. Find out who "
                    "changed it, remove it and publish again."
                )


@contextmanager
def open_publications() -> Iterator[Publications]:
    """Open the table.

    Raises:
        SettingRefused: there is no store.
        DataError: the database can't be used.
    """
    if not settings().store:
        raise SettingRefused(
            "LOUPE_STORE isn't set. Set it to the folder, bucket or other Loupe from which "
            "replicas download versions (docs/scale.md)."
        )
    with closing(Publications(settings().database_url)) as publications:
        yield publications


def make_current(bundle: Bundle, move: Callable[[], Bundle] | None = None) -> None:
    """Make a version of this machine the current one, of all replicas with a store.

    ``move`` is called once it is checked, and returns it, moved to its model's folder.

    Raises:
        LoupeError: its files or its answers aren't those that it states, or the store or the
            database can't be used; the current version stays.
    """
    bundle.verify()
    Classifier(bundle, start(bundle, "compiled")).run_golden_test()
    bundle = move() if move else bundle
    if settings().store:
        publish_version(bundle)
    else:
        make_ahead(bundle)
        roll_back(bundle.name, bundle.version)


def publish_version(bundle: Bundle) -> None:
    """Make a verified version of this machine the current one of its name.

    Raises:
        LoupeError: the store or the database can't be used; the current version stays.
    """
    sha256 = hash_file(bundle.folder / MANIFEST)
    with open_publications() as publications:
        if not is_route(settings().store):
            upload(bundle)
        _check_store(bundle.name, sha256)
        publications.add(bundle.name, sha256)


def republish(name: str, version: str) -> str | None:
    """Make a version current that was published before; return the version that was current.

    Raises:
        BundleNotFound: it was never published.
        LoupeError: the store or the database can't be used; the current version stays.
    """
    with open_publications() as publications:
        publication = publications.find(name, version)
        current = {row.name: row.version for row in publications.list_current()}
        _check_store(name, publication.sha256)
        publications.add(name, publication.sha256)
    return current.get(name)


def _check_store(name: str, sha256: str) -> None:
    """Check that replicas find this very manifest in the store."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, MANIFEST)
        copy_file(f"{name}/{sha256[:12]}/{MANIFEST}", path, MAX_MANIFEST_BYTES)
        if hash_file(path) != sha256:
            raise StorageUnavailable(
                f"{MANIFEST} of {name} {sha256[:12]} in {settings().store} is another file. Find "
                "out who changed it, and publish the version again."
            )
