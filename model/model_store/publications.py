"""The table that says which version of each model is current, by the hash of its manifest."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from ..corrections.database import connect, create_table, parse_url, translate_database_errors
from ..corrections.quota import to_utc
from ..errors import BundleNotFound
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


class Publications:
    """The table in one database. Safe under threads and several processes."""

    def __init__(self, url: str) -> None:
        """Open the database; create the table if it is missing.

        Raises:
            DataError: the URL, its driver or the database can't be used.
        """
        self._engine = connect(parse_url(url))
        with translate_database_errors("opened", "publications"):
            create_table(self._engine, TABLE)

    def list_current(self) -> list[Publication]:
        """Return the newest publication of each name, the newest first; at most ``MAX_MODELS``.

        Raises:
            DataError: the database can't be read.
        """
        last = sa.func.max(TABLE.c.id)
        newest = sa.select(last).group_by(TABLE.c.name).order_by(last.desc()).limit(MAX_MODELS)
        return self._read(TABLE.c.id.in_(newest))

    def list_all(self) -> list[Publication]:
        """Return all publications, the newest first.

        Raises:
            DataError: the database can't be read.
        """
        return self._read(sa.true())

    def find(self, name: str, version: str) -> Publication:
        """Return the newest publication of a version.

        Raises:
            BundleNotFound: it was never published; the message lists what was.
            DataError: the database can't be read.
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
        with (
            translate_database_errors("read", "publications"),
            self._engine.connect() as connection,
        ):
            rows = connection.execute(query.order_by(TABLE.c.id.desc())).all()
        # SQLite keeps values of any type in any column.
        return [
            Publication(
                number, str(name), str(version), str(sha256), _parse(time), _parse(first, time)
            )
            for number, name, version, sha256, time, first in rows
        ]

    def add(self, name: str, sha256: str) -> None:
        """Make the version with this hash of ``bundle.json`` the current one.

        Raises:
            DataError: the database can't be written to.
        """
        row = {"name": name, "version": sha256[:12], "sha256": sha256}
        values = row | {"published": datetime.now(UTC)}
        with (
            translate_database_errors("written", "publications"),
            self._engine.begin() as connection,
        ):
            connection.execute(sa.insert(TABLE).values(values))

    def close(self) -> None:
        """Close all connections; they are opened again when needed."""
        self._engine.dispose()


def _parse(*times: object) -> datetime:
    for time in times:
        with suppress(ValueError, OverflowError):
            return to_utc(time if isinstance(time, datetime) else datetime.fromisoformat(str(time)))
    return NO_TIME
