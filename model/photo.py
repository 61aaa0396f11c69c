"""Bytes that somebody sent, as an upright RGB photo or as a clear refusal."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from PIL import AvifImagePlugin, ExifTags, Image

from .decoding import FORMATS, Stripped, cut_short, damaged, strip
from .errors import (
    Busy,
    EmptyPhoto,
    LoupeError,
    PhotoTooLarge,
    TooManyPixels,
)
from .settings import settings

__all__ = ["FORMATS", "MAX_BYTES", "MAX_PIXELS", "Photo", "read"]

MAX_BYTES = 20 * 2**20
"""Bytes of one file."""

MAX_PIXELS = 50_000_000
"""Pixels of one photo: 8160 × 6120, the largest that phones take, fits."""

SERVING_MB = 330
"""What the serving process holds beside the photo, MB."""

LEAST_MB = 48
"""What a photo may take however small the machine, MB."""

LARGE_MB = 32
"""Photos that take more than this, MB, are decoded one at a time."""

PEAK = {"JPEG": 4.0, "PNG": 8.0, "WEBP": 16.0, "HEIF": 8.0, "AVIF": 10.0}
"""Bytes per decoded pixel while decoding, measured at 8160 × 6120."""

TURNED = 8.0
"""Bytes per pixel while a photo is turned or converted: the old one and the new one."""

_large = threading.Lock()

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
            _check_pixels(image.size, TURNED * image.width * image.height, settings().memory_mb)
            form = "JPEG" if image.format == "MPO" else image.format or ""
            upright = _upright(_rgb(image), _exif_orientation(image))
            return cls(_plain(upright), form, upright.size)

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


def _read(stripped: Stripped, resize: int, memory_mb: int) -> Photo:
    if stripped.size:
        # Opening a WebP already allocates its canvas.
        _check_pixels(stripped.size, 0.0, memory_mb)
        if not stripped.scalable:
            _check_pixels(stripped.size, _cost(stripped, stripped.size, 1), memory_mb)
    with Image.open(BytesIO(stripped.data), formats=[_opener(stripped.format)]) as image:
        size = image.size
        if stripped.size not in (None, size):
            raise damaged()
        orientation = stripped.orientation
        if stripped.format == "AVIF":
            orientation = _exif_orientation(image)
        if stripped.scalable:
            image.draft(None, (2 * resize, 2 * resize))
        cost = _cost(stripped, image.size, orientation) + stripped.kept * size[0] * size[1]
        _check_pixels(size, cost, memory_mb)
        expected = image.size
        with _one_at_a_time(cost):
            image.load()
            if image.size != expected:
                raise damaged()
            plain = _plain(image)
            image.close()
            del image
            upright = _plain(_upright(_rgb(plain), orientation))
    return Photo(upright, stripped.format, size if orientation < 5 else size[::-1])


def _cost(stripped: Stripped, decoded: tuple[int, int], orientation: int) -> float:
    """Bytes that decoding takes at its peak, beside what the decoder keeps."""
    peak = PEAK[stripped.format]
    return (peak if orientation == 1 else max(peak, TURNED)) * decoded[0] * decoded[1]


def _check_pixels(size: tuple[int, int], cost: float, memory_mb: int) -> None:
    """Refuse what is empty, beyond the limit, or beyond this machine's memory."""
    pixels = size[0] * size[1]
    if pixels < 1:
        raise damaged()
    if pixels > MAX_PIXELS:
        raise TooManyPixels(
            f"That photo has {pixels / 1e6:,.0f} megapixels; I read up to "
            f"{MAX_PIXELS / 1e6:.0f}. Send a smaller version."
        )
    if cost > max(LEAST_MB, memory_mb - SERVING_MB) * 2**20:
        raise TooManyPixels(
            f"That photo has {pixels / 1e6:,.1f} megapixels, more than this machine has memory "
            "for. Send a smaller version, or an ordinary JPEG."
        )


@contextmanager
def _one_at_a_time(cost: float) -> Iterator[None]:
    """Let one large photo be decoded at a time, so that their peaks don't add up."""
    if cost <= LARGE_MB * 2**20:
        yield
        return
    if not _large.acquire(timeout=settings().deadline):
        raise Busy("Other large photos are being read just now. Try again in a moment.")
    try:
        yield
    finally:
        _large.release()


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn whatever a decoder throws into a refusal."""
    try:
        yield
    except LoupeError:
        raise
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooManyPixels(
            "That photo is more than this machine has memory for. Send a smaller version."
        ) from None
    except Exception as error:
        # Decoders throw nearly anything at files made to confuse them.
        if "truncated" in str(error).lower():
            raise cut_short() from None
        raise damaged() from None


def _opener(form: str) -> str:
    """Pillow's name of the decoder for a format, made ready on first use."""
    if form in ("HEIF", "AVIF"):
        _ready()
    return form


@cache
def _ready() -> None:
    """Make the decoders of box files known, with as many threads as are ours to use."""
    import pi_heif  # type: ignore[import-untyped]

    threads = min(settings().threads, 4)
    AvifImagePlugin.DEFAULT_MAX_THREADS = threads
    pi_heif.register_heif_opener(
        thumbnails=False, depth_images=False, aux_images=False, decode_threads=threads
    )


def _plain(image: Image.Image) -> Image.Image:
    """The same pixels, not copied, without metadata, file and decoder."""
    image.load()
    plain = image._new(image.im)
    if "transparency" in image.info:
        plain.info = {"transparency": image.info["transparency"]}
    else:
        plain.info = {}
    return plain


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _exif_orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 where it cannot be read."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1
    return value if value in _TURNS else 1


def _rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB; what is transparent becomes white, 16 bits become 8 by their upper half."""
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        if image.mode == "La":
            image = image.convert("LA")
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey; Pillow's own conversion would clip it to white."""
    deep = image.convert("I")
    if image.mode == "I" and deep.getextrema()[1] <= 255:
        return deep.convert("L")
    return deep.point(lambda value: value * (1 / 256)).convert("L")
