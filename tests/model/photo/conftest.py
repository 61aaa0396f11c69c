"""Fixtures for tests of photos."""

from collections.abc import Iterator

import pytest

from model.photo import formats


@pytest.fixture(scope="module", autouse=True)
def _tiny_photos() -> Iterator[None]:
    """Let tests compare pixels on photos of a few pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "MIN_SIDE_PX", 1)
        yield
