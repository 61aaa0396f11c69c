"""Everything that Loupe refuses, in one tree.

    LoupeError
    ├── PhotoError               a photo that cannot be read
    │   ├── MissingPhoto         missing
    │   ├── EmptyPhoto           empty
    │   ├── PhotoTooLarge        too-large
    │   ├── PhotoTooSmall        too-small
    │   ├── TooManyPixels        too-many-pixels
    │   ├── UnsupportedFormat    unsupported-format
    │   └── DamagedPhoto         damaged
    ├── BundleError              a model that cannot be trusted or read
    │   ├── BundleNotFound       no-such-model
    │   ├── BundleDamaged        bundle-damaged
    │   ├── BundleTooNew         bundle-too-new
    │   └── GoldenMismatch       golden-mismatch
    ├── EngineUnavailable        engine-unavailable
    ├── ArchiveError             archive-refused
    ├── LinkError                link-refused
    ├── DataError                data-refused
    ├── ExportRefused            export-refused
    ├── SettingRefused           setting-refused
    └── Busy                     busy

Every error has a stable ``code`` for programs and a message for people that
says what was wrong and what to do about it.
"""

from typing import ClassVar

__all__ = [
    "ArchiveError",
    "BundleDamaged",
    "BundleError",
    "BundleNotFound",
    "BundleTooNew",
    "Busy",
    "DamagedPhoto",
    "DataError",
    "EmptyPhoto",
    "EngineUnavailable",
    "GoldenMismatch",
    "LinkError",
    "LoupeError",
    "MissingPhoto",
    "PhotoError",
    "PhotoTooLarge",
    "PhotoTooSmall",
    "SettingRefused",
    "TooManyPixels",
    "UnsupportedFormat",
]


class LoupeError(Exception):
    """Base of all refusals; ``str(error)`` is fit to be shown to a person."""

    code: ClassVar[str] = "error"

    emitted: bool = False
    """Whether an event was emitted for it; see ``model.events``."""


class PhotoError(LoupeError):
    """A photo that cannot be read."""

    code = "photo"


class MissingPhoto(PhotoError):
    """No file of that name; only where a photo is named by its path."""

    code = "missing"


class EmptyPhoto(PhotoError):
    """No bytes at all."""

    code = "empty"


class PhotoTooLarge(PhotoError):
    """More bytes than are read."""

    code = "too-large"


class PhotoTooSmall(PhotoError):
    """Too few pixels to show anything."""

    code = "too-small"


class TooManyPixels(PhotoError):
    """More pixels than this machine can decode safely."""

    code = "too-many-pixels"


class UnsupportedFormat(PhotoError):
    """Not one of the formats that are read."""

    code = "unsupported-format"


class DamagedPhoto(PhotoError):
    """Cut short or broken inside."""

    code = "damaged"


class BundleError(LoupeError):
    """A model that cannot be used."""

    code = "bundle"


class BundleNotFound(BundleError):
    """No model of that name."""

    code = "no-such-model"


class BundleDamaged(BundleError):
    """A file of the bundle is missing, cut short or changed."""

    code = "bundle-damaged"


class BundleTooNew(BundleError):
    """Written by a newer Loupe."""

    code = "bundle-too-new"


class GoldenMismatch(BundleError):
    """An engine does not give the answers that the bundle was made with."""

    code = "golden-mismatch"


class EngineUnavailable(LoupeError):
    """The engine needs packages that are not installed, or the bundle lacks it."""

    code = "engine-unavailable"


class ArchiveError(LoupeError):
    """A zip that is damaged, too large inside, or a bomb."""

    code = "archive-refused"


class LinkError(LoupeError):
    """A result link that cannot be shown."""

    code = "link-refused"


class DataError(LoupeError):
    """A folder of photos that cannot be used as asked."""

    code = "data-refused"


class ExportRefused(LoupeError):
    """A fastai export that cannot be read, or is made to exhaust the machine."""

    code = "export-refused"


class Busy(LoupeError):
    """The admission queue is full, or its deadline passed."""

    code = "busy"


class SettingRefused(LoupeError):
    """A setting has a value that is not usable."""

    code = "setting-refused"
