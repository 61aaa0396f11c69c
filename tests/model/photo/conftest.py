"""What tests of photos share: tiny photos, and a reader that bounds time."""

import time
from collections.abc import Iterator

import pytest

from model.errors import PhotoError
from model.photo import Photo, formats, read

LIMIT_SECONDS = 2.0


@pytest.fixture(scope="module", autouse=True)
def _tiny_photos() -> Iterator[None]:
    """Let tests compare pixels on photos of a few pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "MIN_SIDE_PX", 1)
        yield


def read_or_error(data: bytes) -> Photo | PhotoError:
    """Return the photo or the error; any other exception, or too long a time, fails the test."""
    start = time.process_time()
    result: Photo | PhotoError
    try:
        result = read(data, memory_mb=1024)
    except PhotoError as error:
        result = error
    assert time.process_time() - start < LIMIT_SECONDS
    if isinstance(result, Photo):
        assert result.image.mode == "RGB"
        assert not result.image.info
    else:
        assert str(result)
    return result
