"""``model.text``: lists of names that are cut."""

import pytest

from model.text import list_some


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, ""),
        (1, "0"),
        (3, "0, 1, 2"),
        (4, "0, 1, 2 and 1 more"),
        (1003, "0, 1, 2 and 1,000 more"),
    ],
)
def test_list_some_counts_what_it_leaves_out(count: int, expected: str) -> None:
    assert list_some([str(number) for number in range(count)], 3) == expected
