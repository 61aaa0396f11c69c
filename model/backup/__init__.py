"""The data folder in one file, and back again.

    from model.backup import back_up, restore

    back_up(Path("loupe.zip"))
    restore(Path("loupe.zip"))

The file is a zip that compresses nothing, so that it cannot be a bomb, with
``loupe-backup.json`` inside: format, date, and size and SHA-256 of every file. Hashes
tell damage, not forgery: restore only what you saved yourself.
"""

from .contents import FORMAT, PARTS
from .restoring import Restored, restore
from .saving import Saved, back_up

__all__ = ["FORMAT", "PARTS", "Restored", "Saved", "back_up", "restore"]
