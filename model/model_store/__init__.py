"""The model store: versions in one place, current ones in a database, replicas that follow.

``publishing`` adds a version, ``publications`` is the table, ``store_files`` reads the files, and
each replica's ``follower`` takes the current versions once it has verified them.
"""

from .follower import Follower, StorePending, store_follower
from .publications import Publication, Publications
from .publishing import publish_version, republish

__all__ = [
    "Follower",
    "Publication",
    "Publications",
    "StorePending",
    "publish_version",
    "republish",
    "store_follower",
]
