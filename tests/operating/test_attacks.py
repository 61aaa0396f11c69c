"""The attacks: the app's other visitors are answered, and its memory suffices.

In tests they are short, and most of them are on one server. ``make attacks`` runs them in full and
prints their table, against a server of its own for each, or the one on this machine whose address
is in ``ATTACKED``.
"""

import os
from collections.abc import Iterator

import pytest

from tests.operating.attacks.measuring import (
    HEAD,
    MEMORY_MB,
    Attack,
    Target,
    measure,
    started,
    target_at,
)
from tests.operating.attacks.rows import ATTACKS

IS_FULL, ADDRESS = os.environ.get("ATTACKS") == "full", os.environ.get("ATTACKED")
ROWS = [
    pytest.param(attack, id=attack.name, marks=[pytest.mark.slow] if attack.is_slow else [])
    for attack in ATTACKS
    if IS_FULL or attack.is_tested
]


@pytest.fixture(scope="module")
def shared() -> Iterator[Target]:
    """The server that is attacked again and again."""
    if ADDRESS:
        yield target_at(ADDRESS)
    else:
        with started() as target:
            yield target


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Rows of readings, which are printed after the last attack."""
    rows: list[str] = []
    yield rows
    if IS_FULL:
        print("\n", HEAD, *rows, sep="\n")  # noqa: T201


@pytest.mark.parametrize("attack", ROWS)
def test_app_withstands_attack(
    attack: Attack, table: list[str], request: pytest.FixtureRequest
) -> None:
    # On a shared server, sessions of earlier attacks still take memory.
    is_tight = attack.peak_mb < MEMORY_MB
    if not ADDRESS and (IS_FULL or is_tight or attack.server):
        with started(**attack.server) as target:
            readings = measure(attack, target, is_short=not IS_FULL)
    else:
        target = request.getfixturevalue("shared")
        if attack.pages and not target.pages:
            pytest.skip("This server has no pages.")
        readings = measure(attack, target, is_short=not IS_FULL)
    table.append(str(readings))
    assert not readings.failures, str(readings)


@pytest.mark.parametrize("url", ["http://192.0.2.1:8501", "http://localhost.example:8501"])
def test_other_machines_are_not_attacked(url: str) -> None:
    with pytest.raises(ValueError, match="isn't on this machine"):
        target_at(url)
