"""The last photos as they were sent, so that another model can look at one again.

One small shelf for the whole process: visits end minutes after the phone is put
away, and a photo a visit would be what fills a small machine.
"""

import secrets
import threading
from collections import OrderedDict

__all__ = ["UploadCache", "originals"]

SHELF_BYTES = 12 * 2**20


class UploadCache:
    """Photos by a key that nobody can guess; the oldest leave when ``most`` bytes are full."""

    def __init__(self, most: int = SHELF_BYTES) -> None:
        self.most = most
        self._photos: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, data: bytes) -> str:
        """Keep a photo; returns its key."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._photos[key] = data
            while sum(map(len, self._photos.values())) > self.most:
                self._photos.popitem(last=False)
        return key

    def get(self, key: str) -> bytes | None:
        """The photo, if it has not left."""
        with self._lock:
            return self._photos.get(key)

    def drop(self, key: str) -> None:
        """Let a photo go."""
        with self._lock:
            self._photos.pop(key, None)


originals = UploadCache()
