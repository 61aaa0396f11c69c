"""All errors of Loupe, in one tree.

Every error has a stable ``code`` for programs and a message for people: what happened, then
what to do.
"""

from typing import ClassVar

__all__ = [
    "ArchiveError",
    "BundleDamaged",
    "BundleError",
    "BundleNotFound",
    "BundleTooNew",
    "Busy",
    "ConversionFailed",
    "CorrectionsFull",
    "DamagedPhoto",
    "DataError",
    "EmptyPhoto",
    "EngineUnavailable",
    "ExportRefused",
    "FolderExists",
    "GoldenMismatch",
    "LinkError",
    "LoupeError",
    "MissingPhoto",
    "OtherVersion",
    "PhotoError",
    "PhotoTooLarge",
    "PhotoTooSmall",
    "SettingRefused",
    "TooManyCorrections",
    "TooManyPixels",
    "UnsupportedFormat",
]


class LoupeError(Exception):
    """Base of all errors; ``str(error)`` can be shown to anyone."""

    code: ClassVar[str] = "error"

    emitted: bool = False
    """True once an event was emitted for it; see ``model.events``."""


class PhotoError(LoupeError):
    """A photo that cannot be read."""

    code = "photo"


class MissingPhoto(PhotoError):
    """No file at that path."""

    code = "missing"


class EmptyPhoto(PhotoError):
    """A file without any bytes."""

    code = "empty"


class PhotoTooLarge(PhotoError):
    """A file above the size limit."""

    code = "too-large"


class PhotoTooSmall(PhotoError):
    """A photo with too few pixels to show anything."""

    code = "too-small"


class TooManyPixels(PhotoError):
    """A photo with more pixels than this machine can decode safely."""

    code = "too-many-pixels"


class UnsupportedFormat(PhotoError):
    """A file type that is not supported."""

    code = "unsupported-format"


class DamagedPhoto(PhotoError):
    """A file that is incomplete or damaged."""

    code = "damaged"


class BundleError(LoupeError):
    """A model that cannot be used."""

    code = "bundle"


class BundleNotFound(BundleError):
    """No model or version of that name."""

    code = "no-such-model"


class BundleDamaged(BundleError):
    """A file of the bundle is missing, cut short or changed."""

    code = "bundle-damaged"


class BundleTooNew(BundleError):
    """A bundle written by a newer version of Loupe."""

    code = "bundle-too-new"


class GoldenMismatch(BundleError):
    """An engine does not reproduce the golden outputs."""

    code = "golden-mismatch"


class OtherVersion(LoupeError):
    """Pixels that were made for another version of the model."""

    code = "other-version"


class EngineUnavailable(LoupeError):
    """An engine that is not installed, is not in the bundle or runs on the device."""

    code = "engine-unavailable"


class ArchiveError(LoupeError):
    """A zip that is damaged, too large when unpacked, or a bomb."""

    code = "archive-refused"


class LinkError(LoupeError):
    """A share link that cannot be shown."""

    code = "link-refused"


class DataError(LoupeError):
    """Data that cannot be used for the task, such as a folder of photos."""

    code = "data-refused"


class CorrectionsFull(LoupeError):
    """A correction beyond what the app keeps, or a disk without room for it."""

    code = "corrections-full"


class TooManyCorrections(LoupeError):
    """A correction beyond what the app takes in a minute; ``retry_after`` is in seconds."""

    code = "too-many-corrections"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ConversionFailed(LoupeError):
    """A model that another format can't hold, or that answers differently in it."""

    code = "conversion-failed"


class ExportRefused(LoupeError):
    """A fastai export that cannot be read, or that would exhaust the machine."""

    code = "export-refused"


class FolderExists(LoupeError):
    """A folder that holds something else than what would be written there."""

    code = "folder-exists"


class Busy(LoupeError):
    """The admission queue is full, or its deadline passed."""

    code = "busy"


class SettingRefused(LoupeError):
    """A setting with an invalid value."""

    code = "setting-refused"
