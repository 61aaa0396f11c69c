"""Tests of ``model.photo.read``: every format becomes an upright RGB photo."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.errors import DamagedPhoto, TooManyPixels
from model.photo import FORMATS, Photo, read
from tests.photos import LOSSY, ORIENTED, difference, drawn, encoded, opened_by_pillow, png, turned


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read(format: str) -> None:
    picture = drawn(320, 200)
    photo = read(encoded(picture, format))
    assert photo.format == format
    assert photo.size == photo.image.size == (320, 200)
    assert photo.image.mode == "RGB"
    assert type(photo.image) is Image.Image
    assert difference(photo.image, picture) <= LOSSY[format]


@pytest.mark.parametrize("format", ["MPO", "PNG", "WEBP", "AVIF", "GIF", "TIFF"])
def test_first_of_several_pictures_is_read(format: str) -> None:
    data = encoded(drawn(96, 64), format, save_all=True, append_images=[drawn(96, 64, 1)])
    opened: Any = Image.open(io.BytesIO(data))
    assert (opened.format, opened.n_frames) == (format, 2)
    photo = read(data)
    assert photo.format == ("JPEG" if format == "MPO" else format)
    assert difference(photo.image, drawn(96, 64)) <= LOSSY[photo.format]


@pytest.mark.parametrize("format", ORIENTED)
def test_metadata_is_dropped(format: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    exif[0x0112] = 3
    data = encoded(drawn(64, 48), format, exif=exif.tobytes())
    assert b"where I live" in data
    photo = read(data)
    assert photo.image.info == {}
    assert not photo.image.getexif()
    assert b"where I live" not in photo.to_jpeg()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0},
        {"subsampling": 1, "optimize": True},
        {"restart_marker_rows": 1},
        {"restart_marker_blocks": 3, "progressive": True},
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_pixels_equal_pillows(options: dict, mode: str) -> None:
    for seed, size in enumerate([(1, 1), (8, 8), (17, 9), (127, 255), (256, 64), (333, 217)]):
        data = encoded(drawn(*size, seed).convert(mode), "JPEG", **options)
        assert read(data).image.tobytes() == opened_by_pillow(data).tobytes(), size


def test_jpeg_without_end_marker_is_complete() -> None:
    data = encoded(drawn(320, 200), "JPEG")
    assert read(data[:-2]).image.tobytes() == opened_by_pillow(data).tobytes()
    assert read(data + b"trailing bytes").image.tobytes() == opened_by_pillow(data).tobytes()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    ("size", "resize", "decoded"),
    [
        ((512, 256), 64, (256, 128)),
        ((512, 254), 64, (512, 254)),
        ((510, 1024), 64, (255, 512)),
        ((512, 512), 64, (128, 128)),
        ((512, 512), 32, (64, 64)),
        ((512, 512), 8, (64, 64)),
        ((514, 258), 56, (257, 129)),
    ],
)
def test_jpeg_decoder_scales_while_both_sides_stay_twice_the_recipe(
    size: tuple[int, int], resize: int, decoded: tuple[int, int], progressive: bool
) -> None:
    data = encoded(drawn(*size), "JPEG", quality=50, progressive=progressive)
    photo = read(data, resize=resize)
    assert photo.size == size
    assert photo.image.size == decoded
    if decoded != size:
        assert min(decoded) >= 2 * resize
    assert difference(photo.image, drawn(*size).resize(decoded, Image.Resampling.BOX)) < 8


def test_other_formats_are_not_scaled() -> None:
    for name in ("PNG", "WEBP", "BMP"):
        assert read(encoded(drawn(600, 450), name), resize=32).image.size == (600, 450)


def test_size_is_that_of_the_upright_photo_as_sent() -> None:
    photo = read(encoded(drawn(2048, 1024), "JPEG", exif=turned(6)), resize=128)
    assert photo.size == (1024, 2048)
    assert photo.image.size == (256, 512)


def deep_rows(values: np.ndarray) -> bytes:
    """Rows of 16-bit samples as a PNG holds them."""
    rows = values.astype(">u2").reshape(len(values), -1)
    return b"".join(b"\0" + row.tobytes() for row in rows)


@pytest.mark.parametrize(("colour", "channels", "tolerance"), [(0, 1, 0), (2, 3, 1)])
def test_16_bits_are_scaled_and_not_clipped(colour: int, channels: int, tolerance: int) -> None:
    values = np.linspace(0, 65535, 16 * 4 * channels).reshape(4, 16, channels).astype(int)
    photo = read(png(16, 4, 16, colour, deep_rows(values)))
    assert np.abs(pixels(photo.image) - values // 256).max() <= tolerance


@pytest.mark.parametrize("format", ["PNG", "WEBP", "HEIF", "AVIF", "TIFF"])
def test_transparency_becomes_white(format: str) -> None:
    picture = drawn(64, 48)
    alpha = np.zeros((48, 64), np.uint8)
    alpha[:, 32:] = 255
    clear = picture.copy()
    clear.putalpha(Image.fromarray(alpha))
    result = pixels(read(encoded(clear, format)).image)
    assert result[:, :30].min() >= 255 - LOSSY[format]
    assert np.abs(result[:, 34:] - pixels(picture)[:, 34:]).mean() <= LOSSY[format]


def test_transparency_of_any_kind_mixes_with_white() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    plain = Image.new("RGB", (2, 1), (1, 2, 3))
    plain.putpixel((1, 0), (9, 9, 9))
    white = [255, 255, 255]
    for image, options, expected in (
        (Image.new("RGBA", (1, 1), (0, 100, 200, 128)), {}, [[127, 177, 227]]),
        (Image.new("LA", (1, 1), (0, 0)), {}, [white]),
        (palette, {"transparency": 0}, [white, [40, 50, 60]]),
        (palette, {"transparency": b"\x00\xff"}, [white, [40, 50, 60]]),
        (plain, {"transparency": (1, 2, 3)}, [white, [9, 9, 9]]),
    ):
        assert pixels(read(encoded(image, "PNG", **options)).image)[0].tolist() == expected


def test_cmyk_reads_with_and_without_adobe_marker() -> None:
    picture = drawn(64, 48).convert("CMYK")
    adobe = encoded(picture, "JPEG", quality=95)
    at = adobe.find(b"\xff\xee")
    assert at > 0
    length = 2 + int.from_bytes(adobe[at + 2 : at + 4], "big")
    for data in (adobe, adobe[:at] + adobe[at + length :]):
        image = read(data).image
        assert image.tobytes() == opened_by_pillow(data).tobytes()
        assert difference(image, picture) < 12


def test_photo_from_image_copies_it() -> None:
    image = drawn(96, 64)
    photo = Photo.from_image(image)
    assert photo.format == ""
    assert photo.image.tobytes() == image.tobytes()
    photo.image.putpixel((0, 0), (1, 2, 3))
    assert image.tobytes() == drawn(96, 64).tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_photo_from_opened_file_equals_read(format: str) -> None:
    data = encoded(drawn(96, 64), format, exif=turned(6))
    opened = Image.open(io.BytesIO(data))
    photo = Photo.from_image(opened)
    assert photo.format == format
    assert photo.size == (64, 96)
    assert photo.image.tobytes() == read(data).image.tobytes()
    assert photo.image.info == {}
    if format != "TIFF":  # which Pillow itself turns while it decodes
        assert opened.size == (96, 64)
        assert opened.getexif()[0x0112] == 6


def test_photo_from_image_accepts_every_mode() -> None:
    modes = "1 L LA La P PA RGBA RGBa RGBX CMYK YCbCr HSV I I;16 F".split()
    assert {Photo.from_image(Image.new(mode, (4, 4))).image.mode for mode in modes} == {"RGB"}


def test_photo_from_image_keeps_the_limits() -> None:
    with pytest.raises(TooManyPixels):
        Photo.from_image(Image.new("1", (10_000, 6_500)))
    with pytest.raises(DamagedPhoto):
        Photo.from_image(Image.new("RGB", (0, 5)))
    data = encoded(drawn(96, 64), "JPEG")
    with pytest.raises(DamagedPhoto):
        Photo.from_image(Image.open(io.BytesIO(data[: len(data) // 2])))


def test_jpeg_copies_are_small_and_without_metadata() -> None:
    photo = read(encoded(drawn(2000, 1000), "PNG"))
    shown = Image.open(io.BytesIO(photo.to_jpeg()))
    assert shown.format == "JPEG"
    assert shown.size == (1280, 640)
    assert set(shown.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert Image.open(io.BytesIO(photo.to_jpeg(side=100))).size == (100, 50)
    assert Image.open(io.BytesIO(photo.to_jpeg(side=4000))).size == (2000, 1000)
    assert len(photo.to_jpeg(quality=30)) < len(photo.to_jpeg(quality=90))
    thin = Photo.from_image(Image.new("RGB", (3000, 1)))
    assert Image.open(io.BytesIO(thin.to_jpeg(side=100))).size == (100, 1)
