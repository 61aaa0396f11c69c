"""The model store: versions in one place, current ones in a database, replicas that follow.

``publications`` has the table, makes a version current, and reads and writes the files;
``follower`` takes the current versions once it has verified them.
"""

from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from ..settings import settings

if TYPE_CHECKING:
    from .follower import Follower


_first_call = Lock()


def store_follower() -> "Follower | None":
    """Return the follower of this process, which the first call starts; None without a store."""
    with _first_call:  # the cache alone lets concurrent first callers start one each
        return _start_follower()


@lru_cache(maxsize=1)
def _start_follower() -> "Follower | None":
    if not settings().store:
        return None
    # Imported on first use: a database costs memory that most processes never need.
    from .follower import Follower

    follower = Follower()
    follower.start()
    return follower
