"""A cache of the newest uploads, so that another model can identify a photo again."""

import threading

from cachetools import LRUCache

__all__ = ["UploadCache", "upload_cache"]

MAX_BYTES = 12 * 2**20
"""Maximum memory for uploads, in bytes."""


class UploadCache:
    """Uploads by unguessable keys; a full cache drops the least recently used.

    All sessions share one: a session ends minutes after the phone is put away, and an upload
    for each would fill a small server.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._uploads: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=len)
        # Re-entrant, because garbage collection may drop a session while this thread holds it.
        self._lock = threading.RLock()

    def put(self, key: str, data: bytes) -> None:
        """Replace the upload of a key; keep none that is larger than the cache."""
        with self._lock:
            self._uploads.pop(key, None)
            if len(data) <= self._uploads.maxsize:
                self._uploads[key] = data

    def get(self, key: str) -> bytes | None:
        """Return an upload if it is still kept."""
        with self._lock:
            return self._uploads.get(key)

    def drop(self, key: str) -> None:
        """Drop an upload, if it is still kept."""
        with self._lock:
            self._uploads.pop(key, None)


upload_cache = UploadCache()
