"""The owner's one-time links and sign-ins, in the database that all replicas share.

A browser keeps its sign-in in a signed cookie whose name starts with ``COOKIE_PREFIX``. Browsers
send cookies to every port of a host.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from urllib.parse import urlsplit

import sqlalchemy as sa
from itsdangerous import BadData, URLSafeSerializer

from .corrections.database import StoredTable
from .corrections.page_sessions import app_secret
from .settings import settings

COOKIE_PREFIX = "loupe-owner-"

LINK_LIFETIME = timedelta(minutes=15)

SIGN_IN_LIFETIME = timedelta(days=30)

TABLE = sa.Table(
    "owner_access",
    sa.MetaData(),
    # The tokens themselves are with the owner alone.
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("is_link", sa.Boolean, nullable=False),
    sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in's token, and the origin of the page where it was made, the only one to use it."""

    token: str
    origin: str

    def cookie_name(self, base_path: str = "") -> str:
        """Return a name that apps at other ports or paths of the host don't use."""
        url = urlsplit(self.origin)
        path = re.sub(r"[^A-Za-z0-9]+", "-", base_path)
        return f"{COOKIE_PREFIX}{url.port or {'https': 443}.get(url.scheme, 80)}{path}"

    def to_cookie(self) -> str:
        """Return the cookie's signed value."""
        return str(_serializer().dumps([self.token, self.origin]))


def read_cookies(cookies: Mapping[str, str]) -> Iterator[tuple[str, SignIn]]:
    """Yield names and sign-ins of cookies that this app has signed; some may have ended."""
    for name, value in cookies.items():
        if name.startswith(COOKIE_PREFIX):
            try:
                yield name, SignIn(*_serializer().loads(value))
            except BadData:
                continue


def find_sign_in(cookies: Mapping[str, str]) -> SignIn | None:
    """Return the valid sign-in in cookies, None if there is none.

    Raises:
        DataError: the database can't be read.
    """
    return next((one for _, one in read_cookies(cookies) if sign_ins().has(one.token)), None)


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(app_secret(), salt="loupe.owner")


class SignIns(StoredTable):
    """The valid links and sign-ins. Tokens have 256 random bits."""

    def __init__(self, url: str) -> None:
        super().__init__(url, TABLE, "sign-ins")

    def create_link(self) -> str:
        """Return the token of a new link, which is valid once and for ``LINK_LIFETIME``."""
        return self._add(LINK_LIFETIME, is_link=True)

    def spend_link(self, token: str) -> str | None:
        """Return the token of a new sign-in, None if the link was used, is too old or unknown."""
        return self.open() if self._delete(*_valid(token, is_link=True)) else None

    def open(self) -> str:
        """Return the token of a new sign-in, which is valid for ``SIGN_IN_LIFETIME``."""
        return self._add(SIGN_IN_LIFETIME, is_link=False)

    def has(self, token: str, *, is_link: bool = False) -> bool:
        """Return whether a sign-in, or a link, is valid."""
        query = sa.select(TABLE.c.sha256).where(*_valid(token, is_link=is_link))
        with self.reading() as connection:
            return connection.scalar(query) is not None

    def end(self, token: str) -> None:
        """End one sign-in."""
        self._delete(*_valid(token, is_link=False))

    def revoke_all(self) -> int:
        """End all links and sign-ins; return the number of sign-ins that were valid."""
        count = self._delete(TABLE.c.is_link.is_(False), TABLE.c.expires > datetime.now(UTC))
        self._delete(sa.true())
        return count

    def _add(self, lifetime: timedelta, *, is_link: bool) -> str:
        token, now = secrets.token_urlsafe(32), datetime.now(UTC)
        row = {"sha256": _hash(token), "is_link": is_link, "expires": now + lifetime}
        self._delete(TABLE.c.expires <= now)
        with self.writing() as connection:
            connection.execute(sa.insert(TABLE).values(row))
        return token

    def _delete(self, *conditions: sa.ColumnElement[bool]) -> int:
        query = sa.delete(TABLE).where(*conditions)
        with self.writing() as connection:
            return connection.execute(query).rowcount


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _valid(token: str, *, is_link: bool) -> tuple[sa.ColumnElement[bool], ...]:
    is_kind = TABLE.c.is_link.is_(is_link)
    return TABLE.c.sha256 == _hash(token), is_kind, TABLE.c.expires > datetime.now(UTC)


@lru_cache(maxsize=1)
def sign_ins() -> SignIns:
    """Return the sign-ins of this process's database, opened on first use.

    Raises:
        DataError: the database can't be used; the next call tries again.
    """
    return SignIns(settings().database_url)
