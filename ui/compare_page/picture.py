"""A picture of a comparison, to share: its times as bars, and how far the answers agree.

It shows no photo and no label, so it reveals nothing about the photo. It needs only Pillow's own
font, which has Latin letters only.
"""

import io

from PIL import Image, ImageDraw, ImageFont

from model import Bundle
from model.text import format_size
from ui.compare_page.measurement import STEPS, WAYS, Comparison, Result
from ui.phrasing import spell_number

__all__ = ["draw_picture"]

SIDE_PX = 1080
MARGIN_PX = 64
BAR_PX = 44
GROUND, INK, INK_2, ACCENT = "#FFFFFF", "#0B1917", "#465653", "#0F766E"
EDGE, PALE = "#75847F", "#C8CECC"
FILLS = (None, PALE, EDGE, ACCENT)


def draw_picture(comparison: Comparison, bundle: Bundle) -> bytes:
    """Return a square PNG."""
    image = Image.new("RGB", (SIDE_PX, SIDE_PX), GROUND)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN_PX, 56), "Where should inference take place?", INK, _font(46))
    draw.text((MARGIN_PX, 128), _agreement(comparison, bundle), INK_2, _font(32))
    longest = max(result.times.total for result in comparison.results)
    for row, result in enumerate(comparison.results):
        _draw_result(draw, 216 + 184 * row, result, longest)
    _draw_legend(draw, SIDE_PX - 122)
    draw.text((MARGIN_PX, SIDE_PX - 72), "Measured with Loupe", INK, _font(26))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _draw_result(draw: ImageDraw.ImageDraw, top: int, result: Result, longest: float) -> None:
    times, way = result.times, WAYS[result.way]
    draw.text((MARGIN_PX, top), way.title, INK, _font(34))
    # Room for the number at the end of the longest bar.
    scale = (SIDE_PX - 2 * MARGIN_PX - 180) / longest
    left, bar = float(MARGIN_PX), top + 52
    for milliseconds, fill in zip(times.steps, FILLS, strict=True):
        right = left + milliseconds * scale
        if milliseconds:
            draw.rectangle((left, bar, max(right, left + 2), bar + BAR_PX), fill, EDGE, 2)
        left = right
    draw.text((left + 16, bar + 2), f"{times.total:.0f} ms", INK, _font(34))
    moved = f"{format_size(result.downloaded)} downloaded once, photo not sent"
    if way.runs_in == "server":
        moved = f"photo sent: {format_size(result.sent)}"
    draw.text((MARGIN_PX, bar + BAR_PX + 10), moved, INK_2, _font(28))


def _draw_legend(draw: ImageDraw.ImageDraw, top: int) -> None:
    left, font = float(MARGIN_PX), _font(24)
    for step, fill in zip(STEPS, FILLS, strict=True):
        draw.rectangle((left, top + 4, left + 30, top + 26), fill, EDGE, 2)
        draw.text((left + 40, top), step, INK_2, font)
        left += 40 + draw.textlength(step, font) + 28


def _agreement(comparison: Comparison, bundle: Bundle) -> str:
    results = comparison.results
    if len(results) == 1:
        return "One way answered"
    is_same = len({tuple(result.answer(bundle)) for result in results}) == 1
    ways = "Both ways" if len(results) == 2 else f"All {spell_number(len(results))} ways"
    points = f"{100 * comparison.largest_difference():.2g}"
    return f"{ways} agree: {points} points apart at most" if is_same else "The ways differ"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
