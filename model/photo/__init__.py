"""From a file's bytes to an upright RGB photo, or a ``PhotoError`` that says what to do."""

from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from typing import NamedTuple

from PIL import AvifImagePlugin, Image, ImageFile

from ..admission import admission_queue
from ..errors import EmptyPhoto, PhotoTooLarge
from ..settings import settings
from .formats import (
    BYTES_PER_PIXEL,
    FORMAT_NAMES,
    FORMATS,
    LARGE_MB,
    MAX_PIXELS,
    check_memory,
    check_size,
    decoding_bytes,
    prepare,
)
from .prepared import (
    PreparedImage,
    apply_orientation,
    damaged,
    image_orientation,
    translate_decoder_errors,
)

__all__ = ["FORMATS", "FORMAT_NAMES", "MAX_BYTES", "MAX_PIXELS", "Photo", "read"]

MAX_BYTES = 20 * 2**20
"""Largest file, in bytes."""

TILE_SIDE_PX = 1024
"""Pixels by which the tiles of a HEIC may reach beyond its right and lower edge."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo.

    Attributes:
        image: upright RGB, 8 bits per channel, without metadata.
        format: one of ``FORMATS``; empty if the image didn't come from a file.
        size: upright width and height of the file's picture, in pixels. ``image`` is
            smaller if the decoder scaled it down.
    """

    image: Image.Image
    format: str
    size: tuple[int, int]

    @classmethod
    def from_image(cls, image: Image.Image) -> "Photo":
        """Return a photo made from an image, which is left unchanged.

        Raises:
            PhotoError: the image has no pixels or too many, or its file cannot be decoded.
        """
        with translate_decoder_errors():
            width, height = image.size
            check_size(image.size)
            needed = BYTES_PER_PIXEL["PNG"][1] * width * height
            check_memory(image.size, needed, settings().memory_mb)
            upright = apply_orientation(_to_rgb(_without_info(image)), image_orientation(image))
            if upright.im is image.im:
                upright = upright.copy()
            name = "JPEG" if image.format == "MPO" else image.format or ""
            return cls(upright, name, upright.size)

    def scale(self, side: int) -> "Photo":
        """Return the photo with a longest side of at most ``side`` pixels, never larger."""
        if max(self.image.size) <= side:
            return self
        factor = side / max(self.image.size)
        width, height = (max(1, round(length * factor)) for length in self.image.size)
        image = self.image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
        return replace(self, image=image)

    def to_jpeg(self, side: int = 1280, quality: int = 85) -> bytes:
        """Return the photo as a new JPEG without metadata, the only form in which it is shown.

        Its longest side is at most ``side`` pixels; smaller photos keep their size.
        """
        file = BytesIO()
        self.scale(side).image.save(file, "JPEG", quality=quality)
        return file.getvalue()


def read(data: bytes, *, resize: int = 256, memory_mb: int | None = None) -> Photo:
    """Decode the photo in a file's bytes, which also determine its format.

    Args:
        data: the file, at most 20 MB, in one of ``FORMATS``; of several pictures the first is read.
        resize: length in pixels to which the model's preprocessing resizes the shorter
            side. A JPEG is decoded at a half, quarter or eighth of its size as long as
            both sides stay at least twice this: closer than that, answers change.
        memory_mb: memory of this process in MB; by default the setting.

    Raises:
        EmptyPhoto: no bytes.
        PhotoTooLarge: more than 20 MB.
        UnsupportedFormat: another kind of file, or a rare encoding.
        PhotoTooSmall: less than 16 pixels on a side.
        TooManyPixels: more than ``MAX_PIXELS``, or more than memory allows.
        DamagedPhoto: incomplete or broken.
        Busy: this large photo waited for others beyond the deadline. Raised only in a
            thread that holds a slot of the admission queue; other threads wait.

    Example:
        >>> photo = read(Path("cat.jpg").read_bytes())
        >>> photo.format, photo.size
        ('JPEG', (4032, 3024))
    """
    if not data:
        raise EmptyPhoto("This file is empty. Choose another photo.")
    if len(data) > MAX_BYTES:
        raise PhotoTooLarge("This file is larger than 20 MB. Send a smaller version.")
    memory_mb = settings().memory_mb if memory_mb is None else memory_mb
    with translate_decoder_errors():
        opened = _open(data, max(1, resize), memory_mb)
        if opened.needed_bytes <= LARGE_MB * 2**20:
            return _decode(opened)
        # The decoder's copy of the file isn't counted, so it must not wait for the permit.
        del opened
        with admission_queue().large_photo():
            return _decode(_open(data, max(1, resize), memory_mb))


class _Opened(NamedTuple):
    """A picture with its header read and nothing decoded, in a list that lets it be freed."""

    images: list[ImageFile.ImageFile]
    format: str
    size: tuple[int, int]
    orientation: int
    needed_bytes: float


def _open(data: bytes, resize: int, memory_mb: int) -> _Opened:
    prepared = prepare(data)
    image = _open_prepared(prepared, memory_mb)
    size = image.size
    if prepared.format == "JPEG":
        # libjpeg scales at a lower cost than decoding in full.
        image.draft(None, (2 * resize, 2 * resize))
    orientation = prepared.orientation
    if prepared.format == "AVIF":
        orientation = image_orientation(image)
    needed_bytes = decoding_bytes(prepared, image)
    check_memory(size, needed_bytes, memory_mb)
    return _Opened([image], prepared.format, size, orientation, needed_bytes)


def _decode(opened: _Opened) -> Photo:
    size, orientation = opened.size, opened.orientation
    upright = apply_orientation(_to_rgb(_load(opened.images)), orientation)
    upright.info = {}
    # From 5 on, turning upright swaps width and height.
    return Photo(upright, opened.format, size[::-1] if orientation >= 5 else size)


def _open_prepared(prepared: PreparedImage, memory_mb: int) -> ImageFile.ImageFile:
    if prepared.size is not None:
        check_size(prepared.size)
    if prepared.size is not None and prepared.format == "WEBP":
        # Opening a WebP already allocates its canvas.
        width, height = prepared.size
        check_memory(prepared.size, BYTES_PER_PIXEL["WEBP"][0] * width * height, memory_mb)
    if prepared.format in ("HEIF", "AVIF"):
        _register_decoders()
    image = Image.open(BytesIO(prepared.data), formats=[prepared.format])
    if prepared.size is None:
        check_size(image.size)
    elif prepared.size != image.size:
        raise damaged()
    if prepared.coded_pixels > (image.width + TILE_SIDE_PX) * (image.height + TILE_SIDE_PX):
        # The decoder would decode every coded pixel, then crop or scale to the size claimed.
        raise damaged()
    return image


@cache
def _register_decoders() -> None:
    """Register the decoders of HEIC and AVIF, with as many threads as the settings allow."""
    import pi_heif

    threads = min(settings().threads, 4)
    AvifImagePlugin.DEFAULT_MAX_THREADS = threads
    pi_heif.register_heif_opener(
        thumbnails=False, depth_images=False, aux_images=False, decode_threads=threads
    )


def _load(opened: list[ImageFile.ImageFile]) -> Image.Image:
    """Return the decoded picture, taken out of the list so that its decoder is freed.

    Otherwise the decoder's buffers would stay in memory beside later copies.
    """
    image = opened.pop()
    size = image.size
    image.load()
    if image.size != size:
        raise damaged()
    return _without_info(image)


def _without_info(image: Image.Image) -> Image.Image:
    """Return the same pixels, not copied, with no metadata except transparency."""
    image.load()
    plain = image._new(image.im)  # noqa: SLF001 - all public methods copy
    plain.info = {key: image.info[key] for key in ("transparency",) if key in image.info}
    return plain


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return 8-bit RGB; transparent pixels become white, 16 bits become their upper 8."""
    if image.mode.startswith("I"):
        image = _to_8_bit(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        if image.mode == "La":
            image = image.convert("LA")
        if image.mode != "RGBA":
            image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Return 16-bit grey as 8-bit grey; Pillow's own conversion would clip it to white."""
    if image.mode == "I;16B":
        # Pillow can't scale this mode.
        image = Image.frombytes("I;16", image.size, image.tobytes(), "raw", "I;16B")
    image = image.point(lambda value: value * (1 / 256))
    image.info = {}
    return image.convert("L")
