"""``model.sign_ins``: the owner's links and sign-ins, in both databases, and their cookies."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from model import sign_ins as module
from model.settings import settings
from model.sign_ins import TABLE, SignIn, SignIns, find_sign_in, read_cookies, sign_ins
from tests.model.command import run


@pytest.fixture
def own(data_folder: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SignIns]:
    """The sign-ins of this process, in an empty database."""
    monkeypatch.setenv("LOUPE_DATABASE", database_url)
    settings.cache_clear()
    sign_ins.cache_clear()
    yield sign_ins()
    sign_ins().close()
    sign_ins.cache_clear()


def test_link_works_once_even_if_many_try_together(own: SignIns) -> None:
    link = own.create_link()
    assert own.has(link, is_link=True)
    with ThreadPoolExecutor(8) as pool:
        tokens = [token for token in pool.map(own.spend_link, [link] * 8) if token]
    assert len(tokens) == 1
    assert own.has(tokens[0])
    assert not own.has(link, is_link=True)
    # A link's token is no sign-in, nor the other way round.
    assert not own.has(link)
    assert own.spend_link(tokens[0]) is None


def test_links_and_sign_ins_expire(own: SignIns, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LINK_LIFETIME", "SIGN_IN_LIFETIME"):
        monkeypatch.setattr(module, name, timedelta(0))
    link, token = own.create_link(), own.open()
    assert not own.has(link, is_link=True)
    assert own.spend_link(link) is None
    assert not own.has(token)


def test_revoking_ends_all_and_signing_out_one(own: SignIns) -> None:
    first, second, link = own.open(), own.open(), own.create_link()
    own.end(first)
    assert (own.has(first), own.has(second)) == (False, True)
    assert run("owner", "--revoke").stdout == "Signed out: 1 browser. All links are void.\n"
    assert not own.has(second)
    assert own.spend_link(link) is None


def test_database_holds_no_token(own: SignIns) -> None:
    tokens = own.create_link(), own.open()
    with own._engine.connect() as connection:
        rows = str(connection.execute(sa.select(TABLE)).all())
    assert not [token for token in tokens if token in rows]


def test_command_prints_a_link_that_works(own: SignIns) -> None:
    result = run("owner", "--url", "https://example.org/loupe/")
    address, token = result.stdout.strip().rsplit("/", 1)
    assert address == "https://example.org/loupe/owner"
    assert "once, within 15 minutes" in result.stderr
    assert own.spend_link(token)


def test_command_prints_a_new_key_that_is_not_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("owner", "--new-key")
    monkeypatch.setenv("LOUPE_OWNER_KEY", result.stdout.strip())
    settings.cache_clear()
    assert settings().owner_key
    assert not settings().has_weak_key
    assert run("owner", "--new-key").stdout != result.stdout


def test_new_key_and_revoking_go_together(own: SignIns) -> None:
    cookie = own.open()
    result = run("owner", "--new-key", "--revoke")
    assert len(result.stdout.split()) == 1
    assert "1 browser" in result.stderr
    assert not own.has(cookie)


def test_cookies_are_this_apps_and_of_one_port_and_path(
    own: SignIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in = SignIn(own.open(), "http://localhost:8501")
    name, value = sign_in.cookie_name("/some/path"), sign_in.to_cookie()
    assert name == "loupe-owner-8501-some-path"
    assert SignIn("x", "https://example.org").cookie_name() == "loupe-owner-443"
    assert find_sign_in({name: value}) == sign_in
    changed = value[:-5] + ("A" if value[-5] != "A" else "B") + value[-4:]
    for others in ({"other": value}, {name: changed}, {name: ""}, {name: "x.y"}, {}):
        assert not [*read_cookies(others)]
    monkeypatch.setenv("LOUPE_SECRET", "another secret of another app")
    settings.cache_clear()
    assert find_sign_in({name: value}) is None
