"""All errors of Loupe, in one tree.

Every error has a stable ``code`` for programs and a message for people: what happened, then
what to do.
"""

from typing import ClassVar


class LoupeError(Exception):
    """Base of all errors; ``str(error)`` can be shown to anyone."""

    code: ClassVar[str] = "error"

    retry_after: int | None = None
    """Seconds after which the same request may succeed, if that is known."""

    emitted: bool = False
    """True once an event was emitted for it; see ``model.events``."""

    def __init_subclass__(cls, code: str = "") -> None:
        """Set the code of a kind of error; without one, it has its parent's."""
        if code:
            cls.code = code


class PhotoError(LoupeError, code="photo"):
    """A photo that cannot be read."""


class MissingPhoto(PhotoError, code="missing"):
    """No file at that path."""


class EmptyPhoto(PhotoError, code="empty"):
    """A file without any bytes."""


class PhotoTooLarge(PhotoError, code="too-large"):
    """A file above the size limit."""


class PhotoTooSmall(PhotoError, code="too-small"):
    """A photo with too few pixels to show anything."""


class TooManyPixels(PhotoError, code="too-many-pixels"):
    """A photo with more pixels than this machine can decode safely."""


class UnsupportedFormat(PhotoError, code="unsupported-format"):
    """A file type that is not supported."""


class DamagedPhoto(PhotoError, code="damaged"):
    """A file that is incomplete or damaged."""


class BundleError(LoupeError, code="bundle"):
    """A model that cannot be used."""


class BundleNotFound(BundleError, code="no-such-model"):
    """No model or version of that name."""


class BundleDamaged(BundleError, code="bundle-damaged"):
    """A file of the bundle is missing, cut short or changed."""


class BundleTooNew(BundleError, code="bundle-too-new"):
    """A bundle written by a newer version of Loupe."""


class GoldenMismatch(BundleError, code="golden-mismatch"):
    """An engine does not reproduce the golden outputs."""


class OtherVersion(LoupeError, code="other-version"):
    """Pixels that were made for another version of the model."""


class EngineUnavailable(LoupeError, code="engine-unavailable"):
    """An engine that is not installed, is not in the bundle or runs on the device."""


class ArchiveError(LoupeError, code="archive-refused"):
    """A zip that is damaged, too large when unpacked, or a bomb."""


class LinkError(LoupeError, code="link-refused"):
    """A share link that cannot be shown."""


class DataError(LoupeError, code="data-refused"):
    """Data that cannot be used for the task, such as a folder of photos."""


class CorrectionsFull(LoupeError, code="corrections-full"):
    """A correction beyond what the app keeps, or a disk without room for it."""


class TooManyCorrections(LoupeError, code="too-many-corrections"):
    """A correction beyond what the app takes in a minute."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ConversionFailed(LoupeError, code="conversion-failed"):
    """A model that another format can't hold, or that answers differently in it."""


class ExportRefused(LoupeError, code="export-refused"):
    """A fastai export that cannot be read, or that would exhaust the machine."""


class FolderExists(LoupeError, code="folder-exists"):
    """A folder that holds something else than what would be written there."""


class Busy(LoupeError, code="busy"):
    """The admission queue is full, or its deadline passed."""


class SettingRefused(LoupeError, code="setting-refused"):
    """A setting with an invalid value."""


def describe_failure(error: BaseException) -> str:
    """Return the message that the owner reads for an error."""
    if isinstance(error, LoupeError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}."
    if isinstance(error, MemoryError):
        return "There was not enough memory."
    return f"An unexpected error: {type(error).__name__}."
