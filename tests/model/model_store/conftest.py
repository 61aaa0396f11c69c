"""A replica with an empty data folder, and two versions of the model of colours to publish."""

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from model import Bundle
from model.bundle.registry import store_pending
from model.corrections.database import connect, parse_url
from model.model_store.follower import Follower
from model.model_store.publications import TABLE, Publications
from model.settings import settings
from tests.model.tiny import tiny


class Replica:
    """A follower in this process, and what a hostile neighbour can reach: the store, the table."""

    def __init__(self, data: Path, store: Path) -> None:
        self.models, self.store = data / "models", store
        self.restart()

    def restart(self) -> None:
        self.follower = Follower()
        store_pending.set()

    def compare(self) -> list[dict[str, str]]:
        """Compare once, without a pause after failures; return what couldn't be taken."""
        for number, problem in self.follower._problems.items():
            self.follower._problems[number] = dataclasses.replace(problem, retry_at=0)
        self.follower.compare()
        return self.follower.report()

    def versions(self) -> set[str]:
        """The versions that are in its folder."""
        return {path.name for path in (self.models / "tiny").iterdir() if path.is_dir()}

    def insert(self, **row: Any) -> None:
        """Add a row with the present time, as whoever may write to the table can."""
        url = settings().database_url
        Publications(url).close()
        engine = connect(parse_url(url))
        with engine.begin() as connection:
            connection.execute(sa.insert(TABLE).values(row | {"published": datetime.now(UTC)}))
        engine.dispose()


@pytest.fixture
def replica(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Replica]:
    monkeypatch.setenv("LOUPE_DATABASE", f"sqlite:///{tmp_path / 'records.sqlite'}")
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path / "store"))
    yield Replica(data_folder, tmp_path / "store")
    store_pending.clear()


@pytest.fixture
def first(tmp_path: Path) -> Bundle:
    return tiny(tmp_path / "publisher", title="First")


@pytest.fixture
def second(tmp_path: Path) -> Bundle:
    return tiny(tmp_path / "publisher", title="Second")
