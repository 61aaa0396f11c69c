"""``bugs.toml``: the bugs of ``make planted-bugs`` can still be planted."""

import pytest

from tests.planted.__main__ import Bug, read_bugs


@pytest.mark.parametrize("bug", read_bugs(), ids=lambda bug: bug.name)
def test_bug_can_still_be_planted(bug: Bug) -> None:
    assert bug.find_flaw() == ""
    assert bug.new != bug.old
