"""A photo's bytes become an upright RGB photo, or a refusal that says what to do."""

import io
import struct
import threading
import time
import tracemalloc
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from model import photo as module
from model.errors import (
    Busy,
    DamagedPhoto,
    EmptyPhoto,
    PhotoError,
    PhotoTooLarge,
    TooManyPixels,
    UnsupportedFormat,
)
from model.photo import FORMATS, MAX_PIXELS, Photo, limits, read
from tests.photos import drawn, encoded, png, png_chunk, turned

LOSSY = {"JPEG": 12, "PNG": 0, "WEBP": 12, "HEIF": 14, "AVIF": 14}
MB = 2**20


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def apart(one: Image.Image, other: Image.Image) -> float:
    """How far two images differ, on average, 0 to 255."""
    assert one.size == other.size
    return float(np.abs(pixels(one.convert("RGB")) - pixels(other.convert("RGB"))).mean())


def as_pillow(data: bytes) -> Image.Image:
    """What fastai's PILImage.create makes of a file."""
    return Image.open(io.BytesIO(data)).convert("RGB")


# What is read


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read(format: str) -> None:
    picture = drawn(320, 200)
    photo = read(encoded(picture, format))
    assert photo.format == format
    assert photo.size == photo.image.size == (320, 200)
    assert photo.image.mode == "RGB"
    assert type(photo.image) is Image.Image
    assert apart(photo.image, picture) <= LOSSY[format]


def test_phones_multi_picture_jpeg_is_a_jpeg() -> None:
    data = encoded(drawn(320, 200), "MPO", save_all=True, append_images=[drawn(160, 100, 1)])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    photo = read(data)
    assert photo.format == "JPEG"
    assert photo.size == (320, 200)
    assert photo.image.tobytes() == as_pillow(data).tobytes()


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF"])
def test_the_first_frame_of_an_animation(format: str) -> None:
    data = encoded(drawn(96, 64), format, save_all=True, append_images=[drawn(96, 64, 1)])
    assert Image.open(io.BytesIO(data)).n_frames == 2
    photo = read(data)
    assert photo.format == format
    assert apart(photo.image, drawn(96, 64)) <= LOSSY[format]


@pytest.mark.parametrize("format", FORMATS)
def test_no_metadata_survives(format: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    exif[0x0112] = 3
    data = encoded(drawn(64, 48), format, exif=exif.tobytes())
    assert b"where I live" in data
    photo = read(data)
    assert photo.image.info == {}
    assert not photo.image.getexif()
    assert b"where I live" not in photo.to_jpeg()


@pytest.mark.parametrize("quality", [20, 75, 95])
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
def test_jpegs_are_what_pillow_makes_of_them(quality: int, options: dict, mode: str) -> None:
    for seed, size in enumerate([(1, 1), (8, 8), (17, 9), (127, 255), (256, 64), (333, 217)]):
        data = encoded(drawn(*size, seed).convert(mode), "JPEG", quality=quality, **options)
        assert read(data).image.tobytes() == as_pillow(data).tobytes(), size


def test_a_jpeg_without_its_end_marker_is_whole() -> None:
    data = encoded(drawn(320, 200), "JPEG")
    assert read(data[:-2]).image.tobytes() == as_pillow(data).tobytes()
    assert read(data + b"trailing bytes").image.tobytes() == as_pillow(data).tobytes()


@pytest.mark.parametrize("seed", range(5))
def test_whole_jpegs_are_never_taken_for_cut_ones(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(40):
        width, height, quality = random.integers((1, 1, 5), (200, 200, 100))
        picture = drawn(int(width), int(height), int(random.integers(1000)))
        if random.random() < 0.3:
            picture = Image.new("RGB", picture.size, tuple(random.integers(0, 256, 3).tolist()))
        data = encoded(picture, "JPEG", quality=int(quality), optimize=bool(random.random() < 0.5))
        assert read(data, resize=32).size == picture.size


# Scaling by the decoder


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    ("size", "resize", "decoded"),
    [
        ((2048, 1024), 256, (1024, 512)),
        ((2048, 1022), 256, (2048, 1022)),
        ((2046, 4096), 256, (1023, 2048)),
        ((2048, 2048), 256, (512, 512)),
        ((2048, 2048), 128, (256, 256)),
        ((2048, 2048), 32, (256, 256)),
        ((2050, 1030), 224, (1025, 515)),
    ],
)
def test_the_decoder_scales_while_both_sides_stay_twice_the_recipe(
    size: tuple[int, int], resize: int, decoded: tuple[int, int], progressive: bool
) -> None:
    data = encoded(drawn(*size), "JPEG", quality=50, progressive=progressive)
    photo = read(data, resize=resize)
    assert photo.size == size
    assert photo.image.size == decoded
    if decoded != size:
        assert min(decoded) >= 2 * resize
    assert apart(photo.image, drawn(*size).resize(decoded, Image.Resampling.BOX)) < 8


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_other_formats_are_not_scaled(format: str) -> None:
    assert read(encoded(drawn(1200, 900), format), resize=32).image.size == (1200, 900)


def test_the_size_is_that_of_the_upright_photo_as_sent() -> None:
    photo = read(encoded(drawn(2048, 1024), "JPEG", exif=turned(6)), resize=128)
    assert photo.size == (1024, 2048)
    assert photo.image.size == (256, 512)


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", FORMATS)
def test_photos_are_turned_upright_once(format: str, orientation: int) -> None:
    picture = drawn(96, 64)
    data = encoded(picture, format, exif=turned(orientation))
    exif = Image.Exif()
    exif[0x0112] = orientation
    fresh = drawn(96, 64)
    fresh.info["exif"] = exif.tobytes()
    upright = ImageOps.exif_transpose(fresh)
    photo = read(data)
    assert photo.size == photo.image.size == upright.size
    assert apart(photo.image, upright) <= LOSSY[format] + 6


def exif_segment(body: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", 8 + len(body)) + b"Exif\0\0" + body


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"MM",
        b"MM\0*",
        b"MM\0*\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x63\0\0",
        b"MM\0*\0\0\0\x08\0\1\1\x12\0\2\0\0\0\1\0\6\0\0",
        b"MM\0*\0\0\0\x08\0\2\1\x12",
        b"XX\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0",
        bytes(64),
    ],
)
def test_a_malformed_exif_costs_the_orientation_only(exif: bytes) -> None:
    picture = drawn(96, 64)
    plain = encoded(picture, "JPEG")
    assert read(plain[:2] + exif_segment(exif) + plain[2:]).size == (96, 64)
    image = encoded(picture, "PNG")
    assert read(image[:33] + png_chunk(b"eXIf", exif) + image[33:]).size == (96, 64)
    # Pillow's AVIF encoder refuses such EXIF, so it takes the place of a good one.
    named = Image.Exif()
    named[0x010E] = "a picture"
    good = named.tobytes().removeprefix(b"Exif\0\0")
    bad = exif.ljust(len(good), b"\0")[: len(good)]
    for form in ("WEBP", "HEIF", "AVIF"):
        data = encoded(picture, form, exif=b"Exif\0\0" + good)
        assert good in data
        assert read(data.replace(good, bad)).size == (96, 64)


def test_exif_of_either_byte_order() -> None:
    plain = encoded(drawn(96, 64), "JPEG")
    big = b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0"
    little = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"
    for exif in (big, little):
        assert read(plain[:2] + exif_segment(exif) + plain[2:]).size == (64, 96)


# Modes


def deep_rows(values: np.ndarray) -> bytes:
    """Rows of 16-bit samples as a PNG holds them."""
    rows = values.astype(">u2").reshape(len(values), -1)
    return b"".join(b"\0" + row.tobytes() for row in rows)


def test_deep_grey_is_scaled_and_not_clipped() -> None:
    values = np.linspace(0, 65535, 64 * 4).reshape(4, 64).astype(int)
    photo = read(png(64, 4, 16, 0, deep_rows(values)))
    assert (pixels(photo.image) == (values // 256)[..., None]).all()


def test_deep_colour() -> None:
    values = np.linspace(0, 65535, 8 * 4 * 3).reshape(4, 8, 3).astype(int)
    photo = read(png(8, 4, 16, 2, deep_rows(values)))
    assert np.abs(pixels(photo.image) - values // 256).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_modes_without_transparency(mode: str) -> None:
    picture = drawn(64, 48).convert(mode)
    assert apart(read(encoded(picture, "PNG")).image, picture.convert("RGB")) == 0


@pytest.mark.parametrize("format", ["PNG", "WEBP", "HEIF", "AVIF"])
def test_transparency_becomes_white(format: str) -> None:
    picture = drawn(64, 48)
    alpha = np.zeros((48, 64), np.uint8)
    alpha[:, 32:] = 255
    clear = picture.copy()
    clear.putalpha(Image.fromarray(alpha))
    got = pixels(read(encoded(clear, format)).image)
    assert got[:, :30].min() >= 255 - LOSSY[format]
    assert np.abs(got[:, 34:] - pixels(picture)[:, 34:]).mean() <= LOSSY[format]


def test_half_transparency_is_mixed_with_white() -> None:
    image = Image.new("RGBA", (4, 4), (0, 100, 200, 128))
    assert read(encoded(image, "PNG")).image.getpixel((0, 0)) == (127, 177, 227)
    grey = Image.new("LA", (4, 4), (0, 0))
    assert read(encoded(grey, "PNG")).image.getpixel((0, 0)) == (255, 255, 255)


def test_transparent_palettes_and_colours() -> None:
    palette = Image.new("P", (4, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putdata([0, 1, 0, 1])
    got = read(encoded(palette, "PNG", transparency=0)).image
    assert got.getpixel((0, 0)) == (255, 255, 255)
    assert got.getpixel((1, 0)) == (40, 50, 60)
    got = read(encoded(palette, "PNG", transparency=b"\x00\xff")).image
    assert got.getpixel((2, 0)) == (255, 255, 255)
    plain = Image.new("RGB", (2, 1), (1, 2, 3))
    plain.putpixel((1, 0), (9, 9, 9))
    got = read(encoded(plain, "PNG", transparency=(1, 2, 3))).image
    assert got.getpixel((0, 0)) == (255, 255, 255)
    assert got.getpixel((1, 0)) == (9, 9, 9)


def test_print_colours_with_and_without_adobes_mark() -> None:
    picture = drawn(64, 48).convert("CMYK")
    adobe = encoded(picture, "JPEG", quality=95)
    at = adobe.find(b"\xff\xee")
    assert at > 0
    length = 2 + int.from_bytes(adobe[at + 2 : at + 4], "big")
    for data in (adobe, adobe[:at] + adobe[at + length :]):
        image = read(data).image
        assert image.tobytes() == as_pillow(data).tobytes()
        assert apart(image, picture) < 12


# Refusals


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, -100])
def test_cut_files_are_damaged(format: str, cut: float) -> None:
    data = encoded(drawn(200, 150), format)
    short = data[: int(len(data) * cut)] if cut > 0 else data[: int(cut)]
    with pytest.raises(DamagedPhoto, match="incomplete"):
        read(short)


@pytest.mark.parametrize("resize", [30, 60, 256])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 0}]
)
def test_cut_jpegs_are_never_filled_with_grey(resize: int, options: dict) -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    data = encoded(drawn(640, 480), "JPEG", **options)
    for cut in (len(data) // 10, len(data) // 2, len(data) * 9 // 10, len(data) - 100):
        with pytest.raises(DamagedPhoto, match="incomplete"):
            read(data[:cut], resize=resize)


def test_a_cut_jpeg_with_an_end_put_back_is_still_cut() -> None:
    """libjpeg itself fills the rest with grey and says nothing."""
    data = encoded(drawn(640, 480), "JPEG")
    for cut in (0.1, 0.5, 0.9, 0.99):
        with_end = data[: int(len(data) * cut)] + b"\xff\xd9"
        as_pillow(with_end)
        for resize in (30, 256):
            with pytest.raises(DamagedPhoto, match="incomplete"):
                read(with_end, resize=resize)


def test_a_progressive_jpeg_that_lacks_passes_is_cut() -> None:
    data = encoded(drawn(640, 480), "JPEG", progressive=True, quality=30)
    passes = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    for at in passes[1:]:
        blurred = data[:at] + b"\xff\xd9"
        as_pillow(blurred)
        with pytest.raises(DamagedPhoto, match="incomplete"):
            read(blurred)


def test_a_flipped_bit_in_a_png_is_damage() -> None:
    data = bytearray(encoded(drawn(64, 48), "PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(DamagedPhoto):
        read(bytes(data))


OTHERS = {
    "gif": encoded(drawn(8, 8), "GIF"),
    "tiff": encoded(drawn(8, 8), "TIFF"),
    "bmp": encoded(drawn(8, 8), "BMP"),
    "ico": encoded(drawn(16, 16), "ICO"),
    "jpeg 2000": encoded(drawn(8, 8), "JPEG2000"),
    "pdf": encoded(drawn(8, 8), "PDF"),
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "html": b"<!doctype html><script>alert(1)</script>",
    "text": b"hello",
    "zip": b"PK\3\4" + bytes(40),
    "pickle": b"\x80\x04N.",
    "film": b"\0\0\0\x18ftypisom\0\0\0\0isommp41" + bytes(40),
    "wave": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
    "one byte": b"\xff",
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_not_supported(name: str) -> None:
    with pytest.raises(UnsupportedFormat, match="JPEG, PNG, WebP, HEIC or AVIF"):
        read(OTHERS[name])


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0" + bytes(100),
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"RIFF\x04\0\0\0WEBP",
        b"RIFF\x40\0\0\0WEBPVP8 " + bytes(100),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
        b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
    ],
)
def test_a_right_beginning_alone_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedPhoto):
        read(data)


def test_rare_jpegs_are_named_as_such() -> None:
    data = encoded(drawn(64, 48), "JPEG")
    for marker in (b"\xff\xc3", b"\xff\xc9", b"\xff\xca"):
        with pytest.raises(UnsupportedFormat, match="JPEG uses a rare encoding"):
            read(data.replace(b"\xff\xc0", marker, 1))


def test_empty_and_too_large() -> None:
    with pytest.raises(EmptyPhoto):
        read(b"")
    data = encoded(drawn(64, 48), "JPEG")
    assert read(data + bytes(20 * MB - len(data))).size == (64, 48)
    with pytest.raises(PhotoTooLarge, match="20 MB"):
        read(data + bytes(20 * MB - len(data) + 1))


def test_every_refusal_says_what_to_do() -> None:
    for data in (b"", b"text", b"\xff\xd8", bytes(21 * MB)):
        with pytest.raises(PhotoError, match=r"(Send|Try|Choose)") as refusal:
            read(data)
        assert refusal.value.code != "photo"
        assert refusal.value.__cause__ is None
        assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RecursionError(),
        struct.error("x"),
        SyntaxError("x"),
        KeyError("x"),
        UserWarning("x"),
        Image.DecompressionBombError("x"),
        AssertionError(),
        SystemError("x"),
    ],
)
def test_whatever_a_decoder_throws_is_a_refusal(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(module, "_load", broken)
    with pytest.raises(PhotoError):
        read(encoded(drawn(8, 8), "JPEG"))


def test_no_warnings() -> None:
    data = encoded(drawn(320, 200), "MPO", save_all=True, append_images=[drawn(160, 100, 1)])
    broken = data.replace(b"MPF\0MM\0*", b"MPF\0XX\0*").replace(b"MPF\0II*\0", b"MPF\0XX*\0")
    assert broken != data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(broken).size == (320, 200)


# Pixels and memory


def blank_png(width: int, height: int, colour: int = 0) -> bytes:
    row = bytes(1 + width * {0: 1, 2: 3, 6: 4}[colour])
    return png(width, height, 8, colour, row * height)


def test_the_largest_phone_photo_is_within_the_limit() -> None:
    assert MAX_PIXELS >= 8160 * 6120
    data = encoded(Image.new("L", (8160, 6120), 99), "JPEG")
    photo = read(data, memory_mb=512)
    assert photo.size == (8160, 6120)
    assert photo.image.size == (1020, 765)


def test_more_pixels_than_the_limit() -> None:
    data = encoded(Image.new("L", (8200, 6120)), "JPEG")
    with pytest.raises(TooManyPixels, match="51 megapixels; the limit is 50"):
        read(data)


def test_the_budget_follows_the_memory() -> None:
    data = blank_png(4000, 3000)
    assert read(data, memory_mb=512).size == (4000, 3000)
    with pytest.raises(TooManyPixels, match="megapixels, more than this server has memory for"):
        read(data, memory_mb=256)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("format", FORMATS)
def test_twelve_megapixels_fit_a_small_host(format: str, orientation: int) -> None:
    """4032 × 3024 on 512 MB, judged by header alone."""
    turned_peak = limits.BYTES_PER_PIXEL_TURNED if orientation > 1 else 0
    peak = max(limits.BYTES_PER_PIXEL[format][0], turned_peak)
    limits.check_memory((4032, 3024), peak * 4032 * 3024, 512)


def test_a_narrow_jpeg_cannot_be_scaled_and_keeps_to_the_budget() -> None:
    data = encoded(Image.new("RGB", (50_000, 1000), "teal"), "JPEG", quality=30)
    with pytest.raises(TooManyPixels):
        read(data, memory_mb=512)
    assert read(data, memory_mb=512, resize=125).image.size == (12_500, 250)


def test_a_progressive_jpeg_is_charged_for_all_its_pixels() -> None:
    image = Image.new("RGB", (6000, 4000), "teal")
    small = encoded(image, "JPEG", progressive=True)
    assert read(small, memory_mb=512).size == (6000, 4000)
    with pytest.raises(TooManyPixels):
        read(small, memory_mb=380)
    assert read(encoded(image, "JPEG"), memory_mb=256).size == (6000, 4000)


def test_large_photos_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []
    most: list[int] = []
    loaded = module._load

    def slow(opened: list) -> Image.Image:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.05)
        image = loaded(opened)
        inside.pop()
        return image

    monkeypatch.setattr(module, "_load", slow)
    large, small = blank_png(3000, 3000), blank_png(30, 30)
    assert largest_together(large, most) == 1
    assert largest_together(small, most) > 1


def largest_together(data: bytes, most: list[int]) -> int:
    most.clear()
    threads = [threading.Thread(target=read, args=(data,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(most)


def test_waiting_too_long_is_busy() -> None:
    with limits._large:
        with pytest.raises(Busy), limits.large_photo_lock(1e9, 0.05):
            pass
        with limits.large_photo_lock(1e6, 0.05):
            pass
    with limits.large_photo_lock(1e9, 0.05):
        pass


def test_many_threads_read_what_one_reads() -> None:
    files = [encoded(drawn(200, 150, n), form) for n, form in enumerate(FORMATS)]
    alone = [read(data).image.tobytes() for data in files]
    failed: list[int] = []

    def work() -> None:
        failed.extend(
            n
            for _ in range(5)
            for n, data in enumerate(files)
            if read(data).image.tobytes() != alone[n]
        )

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_reading_again_and_again_keeps_nothing() -> None:
    files = [encoded(drawn(200, 150), form) for form in FORMATS]
    for data in files:
        read(data)
    tracemalloc.start()
    try:
        for _ in range(5):
            for data in files:
                read(data)
        assert tracemalloc.get_traced_memory()[0] < 300_000
    finally:
        tracemalloc.stop()


# Images in hand, and what is shown back


def test_an_image_in_hand() -> None:
    image = drawn(96, 64)
    photo = Photo.from_image(image)
    assert photo.format == ""
    assert photo.image.tobytes() == image.tobytes()
    photo.image.putpixel((0, 0), (1, 2, 3))
    assert image.getpixel((0, 0)) != (1, 2, 3) or image.tobytes() != photo.image.tobytes()
    assert image.tobytes() == drawn(96, 64).tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_an_opened_file_in_hand(format: str) -> None:
    data = encoded(drawn(96, 64), format, exif=turned(6))
    opened = Image.open(io.BytesIO(data))
    photo = Photo.from_image(opened)
    assert photo.format == format
    assert photo.size == (64, 96)
    assert photo.image.tobytes() == read(data).image.tobytes()
    assert photo.image.info == {}
    assert opened.size == (96, 64)
    assert opened.getexif()[0x0112] == 6


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "P", "PA", "RGBA", "RGBa", "RGBX", "CMYK"])
def test_images_of_every_mode(mode: str) -> None:
    image = Image.new(mode, (4, 4))
    assert Photo.from_image(image).image.mode == "RGB"
    for other in ("YCbCr", "HSV", "I", "I;16", "F"):
        assert Photo.from_image(Image.new(other, (4, 4))).image.mode == "RGB"


def test_images_in_hand_are_refused_too() -> None:
    with pytest.raises(TooManyPixels):
        Photo.from_image(Image.new("1", (10_000, 5_001)))
    with pytest.raises(DamagedPhoto):
        Photo.from_image(Image.new("RGB", (0, 5)))
    data = encoded(drawn(96, 64), "JPEG")
    with pytest.raises(DamagedPhoto):
        Photo.from_image(Image.open(io.BytesIO(data[: len(data) // 2])))


def test_what_is_shown_back() -> None:
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
