"""A decoder in a process of its own, for parts at which a run has ended again and again."""

import signal
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Lock

from model.errors import PhotoError
from model.photo import read

CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
"""Signals that end a process for its own fault, unlike those that stop it."""

SPAWN = get_context("spawn")  # a fork would copy other threads' locks


class TrialDecoder:
    """Decodes photos elsewhere first, one at a time; safe under threads."""

    def __init__(self) -> None:
        self.lock, self.process = Lock(), SPAWN.Process()

    def crashes(self, data: bytes) -> bool:
        """Return whether a photo ends the process that decodes it."""
        with self.lock:
            if not self.process.is_alive():
                self.photos, theirs = SPAWN.Pipe()
                self.process = SPAWN.Process(target=_decode_each, args=(theirs,), daemon=True)
                self.process.start()
                theirs.close()
            try:
                self.photos.send_bytes(data)
                self.photos.recv_bytes()
            except (EOFError, OSError):
                self.process.join()
                return -(self.process.exitcode or 0) in CRASHES
        return False


def _decode_each(photos: Connection) -> None:
    with suppress(EOFError):  # the other process has ended
        while True:
            with suppress(PhotoError):
                read(photos.recv_bytes())
            photos.send_bytes(b"")
