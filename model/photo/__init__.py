"""Bytes that somebody sent, as an upright RGB photo or as a clear refusal."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from PIL import AvifImagePlugin, ExifTags, Image, ImageFile

from ..errors import (
    EmptyPhoto,
    LoupeError,
    PhotoTooLarge,
    TooManyPixels,
)
from ..settings import settings
from .formats import FORMATS, PreparedImage, cut_short, damaged, strip
from .limits import BYTES_PER_PIXEL, MAX_PIXELS, check_memory, check_size, cost, large_photo_lock

__all__ = ["FORMATS", "MAX_BYTES", "MAX_PIXELS", "Photo", "read"]

MAX_BYTES = 20 * 2**20
"""Bytes of one file."""

TILE = 1024
"""Pixels by which the tiles of a HEIC may reach beyond its right and lower edge."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to look at.

    ``image`` is upright RGB, 8 bits a channel, without metadata. ``format`` is one
    of ``FORMATS``, empty for an image that came from no file. ``size`` is width and
    height in pixels as sent, upright; ``image`` may be smaller, where the decoder
    scaled it down.
    """

    image: Image.Image
    format: str
    size: tuple[int, int]

    @classmethod
    def from_image(cls, image: Image.Image) -> "Photo":
        """A photo from an image in hand, which is left as it is.

        Raises:
            PhotoError: it has no pixels or too many, or its file cannot be decoded.
        """
        with _refusals():
            size = image.size
            check_size(size)
            check_memory(size, BYTES_PER_PIXEL["PNG"][1] * size[0] * size[1], settings().memory_mb)
            upright = _turned(_rgb(_plain(image)), _exif_orientation(image))
            if upright.im is image.im:
                upright = upright.copy()
            return cls(
                upright, "JPEG" if image.format == "MPO" else image.format or "", upright.size
            )

    def to_jpeg(self, side: int = 1280, quality: int = 85) -> bytes:
        """The photo as a new JPEG without metadata, the only form that is ever shown back.

        Its longest side is at most ``side`` pixels; smaller photos keep their size.
        """
        image = self.image
        if max(image.size) > side:
            scale = side / max(image.size)
            width, height = (max(1, round(length * scale)) for length in image.size)
            image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
        file = BytesIO()
        image.save(file, "JPEG", quality=quality)
        return file.getvalue()


def read(data: bytes, *, resize: int = 256, memory_mb: int | None = None) -> Photo:
    """The photo in a file's bytes.

    Args:
        data: the file, at most 20 MB: JPEG, PNG, WebP, HEIC or AVIF. Of several
            pictures or frames, the first is read.
        resize: pixels of the shorter side that the model's recipe resizes to. A
            JPEG is decoded at a half, quarter or eighth of its size where both
            sides stay at least twice this: closer than that, answers change.
        memory_mb: memory of this process, MB; by default the setting.

    Raises:
        EmptyPhoto: no bytes.
        PhotoTooLarge: more than 20 MB.
        UnsupportedFormat: another kind of file.
        TooManyPixels: more than 50 megapixels, or more than fit in the memory.
        DamagedPhoto: cut short or broken inside.
        Busy: other large photos kept this one waiting beyond the deadline.
    """
    if not data:
        raise EmptyPhoto("That file is empty. Choose another photo.")
    if len(data) > MAX_BYTES:
        raise PhotoTooLarge("That file is larger than 20 MB. Send a smaller version of the photo.")
    memory_mb = settings().memory_mb if memory_mb is None else memory_mb
    with _refusals():
        return _read(strip(data), max(1, resize), memory_mb)


def _read(stripped: PreparedImage, resize: int, memory_mb: int) -> Photo:
    if stripped.size is not None:
        # Before anything is opened: opening a WebP already allocates its canvas.
        check_size(stripped.size)
        least = 0.0 if stripped.scalable else BYTES_PER_PIXEL[stripped.format][0]
        check_memory(stripped.size, least * stripped.size[0] * stripped.size[1], memory_mb)
    image = _opened(stripped)
    size = image.size
    if stripped.scalable:
        image.draft(None, (2 * resize, 2 * resize))
    orientation = stripped.orientation
    if stripped.format == "AVIF":
        orientation = _exif_orientation(image)
    needed = cost(stripped, image, orientation) + stripped.kept * size[0] * size[1]
    check_memory(size, needed, memory_mb)
    opened = [image]
    del image
    with large_photo_lock(needed, settings().deadline):
        upright = _turned(_rgb(_loaded(opened)), orientation)
    upright.info = {}
    return Photo(upright, stripped.format, size if orientation < 5 else size[::-1])


def _opened(stripped: PreparedImage) -> ImageFile.ImageFile:
    """The picture with its header read, nothing decoded."""
    if stripped.format in ("HEIF", "AVIF"):
        _ready()
    image = Image.open(BytesIO(stripped.data), formats=[stripped.format])
    if stripped.size not in (None, image.size):
        raise damaged()
    check_size(image.size)
    if stripped.coded > (image.width + TILE) * (image.height + TILE):
        # All that is coded would be decoded, then cut or scaled to what the file claims.
        raise damaged()
    return image


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn whatever a decoder throws into a refusal."""
    try:
        yield
    except LoupeError:
        raise
    except MemoryError:
        raise TooManyPixels(
            "That photo is more than this machine has memory for. Send a smaller version."
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooManyPixels(
            f"That photo has more than {MAX_PIXELS / 1e6:.0f} megapixels. Send a smaller version."
        ) from None
    except Exception as error:  # noqa: BLE001
        # Decoders throw nearly anything at files made to confuse them.
        if "truncated" in str(error).lower():
            raise cut_short() from None
        raise damaged() from None


@cache
def _ready() -> None:
    """Make the decoders of box files known, with as many threads as are ours to use."""
    import pi_heif

    threads = min(settings().threads, 4)
    AvifImagePlugin.DEFAULT_MAX_THREADS = threads
    pi_heif.register_heif_opener(
        thumbnails=False, depth_images=False, aux_images=False, decode_threads=threads
    )


def _loaded(opened: list[ImageFile.ImageFile]) -> Image.Image:
    """The decoded picture, taken out of the list so that its decoder is freed on return.

    The picture and a decoder's own copies are never in memory beside later copies.
    """
    image = opened.pop()
    size = image.size
    image.load()
    if image.size != size:
        raise damaged()
    return _plain(image)


def _plain(image: Image.Image) -> Image.Image:
    """The same pixels, not copied, with nothing but the transparency that they need."""
    image.load()
    plain = image._new(image.im)  # noqa: SLF001 - anything public copies
    plain.info = {key: image.info[key] for key in ("transparency",) if key in image.info}
    return plain


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _exif_orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 where it cannot be read."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - a malformed EXIF must not cost the photo
        return 1
    return value if value in _TURNS else 1


def _rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB; what is transparent becomes white, 16 bits become their upper 8."""
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        if image.mode == "La":
            image = image.convert("LA")
        if image.mode != "RGBA":
            image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey; Pillow's own conversion would clip it to white."""
    image = image.point(lambda value: value * (1 / 256))
    image.info = {}
    return image.convert("L")
