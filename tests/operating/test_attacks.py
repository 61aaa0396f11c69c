"""The attacks, short: the app's other visitors are answered, and its memory suffices."""

from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from tests.operating.attacks.__main__ import main
from tests.operating.attacks.measuring import Attack, measure
from tests.operating.attacks.rows import ATTACKS
from tests.operating.attacks.target import Target, started

ROWS = [
    pytest.param(attack, id=attack.name, marks=[pytest.mark.slow] if attack.is_slow else [])
    for attack in ATTACKS
]


@pytest.fixture(scope="module")
def shared() -> Iterator[Target]:
    with started() as target:
        yield target


@pytest.mark.parametrize("attack", ROWS)
def test_app_holds(attack: Attack, request: pytest.FixtureRequest) -> None:
    if attack.is_slow or attack.server:
        with started(**attack.server) as target:
            readings = measure(attack, target, is_short=True)
    else:
        readings = measure(attack, request.getfixturevalue("shared"), is_short=True)
    assert not readings.failures, str(readings)


@pytest.mark.parametrize("url", ["http://192.0.2.1:8501", "http://localhost.example:8501"])
def test_other_machines_are_not_attacked(url: str) -> None:
    result = CliRunner().invoke(main, ["--url", url, "metrics"])
    assert (result.exit_code, "isn't on this machine" in result.output) == (2, True)
