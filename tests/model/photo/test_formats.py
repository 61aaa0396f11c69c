"""Tests of ``model.photo.formats``: limits of pixels and memory; large photos one at a time."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from model.admission import admission_queue
from model.errors import PhotoTooSmall, TooManyPixels
from model.photo import FORMATS, MAX_PIXELS, Photo, formats, read
from model.photo.formats import BYTES_PER_PIXEL
from tests.model.slots import held, large_waiting
from tests.photos import drawn, encoded, png
from tests.waiting import wait_until


def blank_png(width: int, height: int, colour: int = 0) -> bytes:
    row = bytes(1 + width * {0: 1, 2: 3, 6: 4}[colour])
    return png(width, height, 8, colour, row * height)


@pytest.mark.parametrize("progressive", [False, True])
def test_phones_largest_photos_fit_a_small_host(progressive: bool) -> None:
    data = encoded(Image.new("RGB", (9280, 6944), "teal"), "JPEG", progressive=progressive)
    photo = read(data, memory_mb=512)
    assert (photo.size, photo.image.size) == ((9280, 6944), (1160, 868))


@pytest.mark.parametrize("size", [(1, 1), (15, 200), (200, 15)])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF"])
def test_photo_of_a_few_pixels_is_rejected(
    size: tuple[int, int], format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "MIN_SIDE_PX", 16)
    with pytest.raises(PhotoTooSmall, match=rf"{size[0]} × {size[1]} pixels.*at least 16 pixels"):
        read(encoded(drawn(*size), format))
    with pytest.raises(PhotoTooSmall):
        Photo.from_image(drawn(*size))
    assert read(encoded(drawn(16, 16), format)).size == (16, 16)


def test_photo_over_the_pixel_limit_is_rejected() -> None:
    data = encoded(Image.new("L", (10_000, 6500)), "JPEG")
    assert MAX_PIXELS + 1 == 10_000 * 6500
    with pytest.raises(TooManyPixels, match=r"65 megapixels; the limit is 64\. Set your camera"):
        read(data)


def test_pixel_budget_follows_memory() -> None:
    data = blank_png(4000, 3000)
    assert read(data, memory_mb=512).size == (4000, 3000)
    with pytest.raises(TooManyPixels, match=r"12\.0 megapixels.* memory for \(6\.2 in this format"):
        read(data, memory_mb=256)


@pytest.mark.parametrize("format", FORMATS)
def test_twelve_megapixels_fit_a_small_host(format: str) -> None:
    """4032 × 3024 on 512 MB, judged by header alone."""
    peak = max(BYTES_PER_PIXEL[format][0], formats.BYTES_PER_PIXEL_COPIED)
    formats.check_memory((4032, 3024), peak * 4032 * 3024, 512)


def test_narrow_jpeg_that_cannot_be_scaled_keeps_to_the_budget() -> None:
    data = encoded(Image.new("RGB", (50_000, 1000), "teal"), "JPEG", quality=30)
    with pytest.raises(TooManyPixels):
        read(data, memory_mb=512)
    assert read(data, memory_mb=512, resize=125).image.size == (12_500, 250)


def test_progressive_jpeg_is_charged_for_all_its_pixels() -> None:
    image = Image.new("RGB", (6000, 4000), "teal")
    small = encoded(image, "JPEG", progressive=True)
    assert read(small, memory_mb=512).size == (6000, 4000)
    with pytest.raises(TooManyPixels):
        read(small, memory_mb=380)
    assert read(encoded(image, "JPEG"), memory_mb=256).size == (6000, 4000)


def test_waiting_large_photo_has_no_copy_of_its_file() -> None:
    queue, file = admission_queue(), encoded(Image.effect_noise((2200, 2200), 99), "PNG")
    tracemalloc.start()
    try:
        with ThreadPoolExecutor(1) as pool, held(queue, large=True):
            waiting = pool.submit(read, file)
            wait_until(lambda: large_waiting(queue) == 1)
            held_bytes, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < len(file) / 2 < peak_bytes
    assert waiting.result().size == (2200, 2200)


def test_threads_read_the_same_as_one_thread() -> None:
    files = [encoded(drawn(200, 150, n), form) for n, form in enumerate(FORMATS)]

    def read_all(times: int) -> list[bytes]:
        return [read(data).image.tobytes() for data in files * times]

    alone = read_all(1)
    with ThreadPoolExecutor(8) as pool:
        assert all(pixels == 2 * alone for pixels in pool.map(read_all, [2] * 8))


def test_repeated_reading_leaks_no_memory() -> None:
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
