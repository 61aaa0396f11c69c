"""Reading with a time limit, for tests of hostile files."""

import time

from model.errors import PhotoError
from model.photo import Photo, read

LIMIT_SECONDS = 2.0


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
