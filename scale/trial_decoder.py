"""A decoder in a process of its own, for parts that have ended runs repeatedly."""

from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Lock

from model.errors import PhotoError
from model.photo import read

SPAWN = get_context("spawn")  # a fork would copy locks that other threads hold


class TrialDecoder:
    """Decodes photos in another process, one at a time; safe under threads.

    Args:
        resize: the shorter side that is needed, in pixels, as for ``model.photo.read``.
        seconds: longest time for one photo, the start of the process included.
    """

    def __init__(self, resize: int, seconds: float = 60.0) -> None:
        self.resize, self.seconds = resize, seconds
        self.lock, self.process = Lock(), SPAWN.Process()

    def crashes(self, data: bytes) -> bool:
        """Return whether a photo ends the process that decodes it, or takes too long."""
        with self.lock:
            if not self.process.is_alive():
                self.photos, theirs = SPAWN.Pipe()
                arguments = theirs, self.resize
                self.process = SPAWN.Process(target=_decode_each, args=arguments, daemon=True)
                self.process.start()
                theirs.close()
            try:
                self.photos.send_bytes(data)
                if not self.photos.poll(self.seconds):
                    raise TimeoutError
                self.photos.recv_bytes()
            except (EOFError, OSError):
                self.process.kill()
                self.process.join()
                return True
        return False


def _decode_each(photos: Connection, resize: int) -> None:
    with suppress(EOFError):  # the run has ended
        while True:
            with suppress(PhotoError):
                read(photos.recv_bytes(), resize=resize)
            photos.send_bytes(b"")
