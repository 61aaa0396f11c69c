"""What chats show of a link to an answer. Anyone can write its token, but it holds only numbers."""

import textwrap
import threading
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import streamlit
from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont, truetype
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from model.answer.share_link import MAX_TOKEN_LENGTH, decode
from model.errors import LinkError
from model.settings import ROOT
from ui.app_info import LIGHT
from ui.navigation import ICON
from ui.phrasing import shorten, to_text

PICTURE, ANSWER_PICTURE = ROOT / "ui" / "link-preview.png", "answer-preview.png"
FONTS = Path(streamlit.__file__).parent / "static/static/media"
"""Where Streamlit has Source Sans, the app's own font: Latin, Greek and Cyrillic."""

MAX_WAITING = 8
"""Most pictures that are drawn, one at a time; beyond them, the app's own is sent."""

SIZES = ((148, 15), (112, 18), (96, 21), (72, 26), (44, 20))
"""Font sizes of the answer, each with its most characters per line; all fit in the last."""

places, turn = threading.BoundedSemaphore(MAX_WAITING), threading.Lock()


def describe_answer(token: str) -> tuple[str, str, str] | None:
    """Return title, description and the picture's address for an answer; None for a bad token."""
    try:
        shared = decode(token)
    except LinkError:
        return None
    words = shared.words()
    said = ", ".join(filter(None, (shorten(to_text(words.answer), 120), words.percent)))
    picture = f"{ANSWER_PICTURE}?answer={quote(token[:MAX_TOKEN_LENGTH])}"
    line = "The link holds no photo. Point your own phone at something and see."
    return f"{words.by}: {said}", line, picture


async def send_answer_picture(request: Request) -> Response:
    """Send the picture of an answer, or the app's own if that one can't be drawn."""
    png, token = None, request.query_params.get("answer", "")
    if places.acquire(blocking=False):
        try:
            png = await run_in_threadpool(_draw_answer, token)
        finally:
            places.release()
    if png is None:
        return FileResponse(PICTURE, headers={"Cache-Control": "no-cache"})
    return Response(png, headers={"Cache-Control": "public, max-age=86400"}, media_type="image/png")


def _draw_answer(token: str) -> bytes | None:
    try:
        words = decode(token).words()
        answer = "".join(part if isinstance(part, str) else part.text for part in words.answer)
        return draw_picture(shorten(words.by, 40), answer, words.percent)
    # Not every Pillow can read this font.
    except (LinkError, OSError, StopIteration):
        return None


@lru_cache(maxsize=32)
def draw_picture(by: str, answer: str, percent: str) -> bytes | None:
    """Return a PNG of about 30 kB; None if the font lacks a character."""
    with turn:
        return _paint(by, answer, percent)


def _paint(by: str, answer: str, percent: str) -> bytes | None:
    small = _font(44, "Regular")
    missing = bytes(small.getmask("\uffff"))
    if any(bytes(small.getmask(char)) == missing for char in {*by, *answer} - {" "}):
        return None
    for size, columns in SIZES:
        font, lines = _font(size, "Semibold"), textwrap.wrap(answer, columns)
        is_low = len(lines) <= min(3, 300 // size)
        if is_low and max(map(font.getlength, lines)) <= 900:
            break
    lines = textwrap.wrap(answer, columns, max_lines=3, placeholder="…")
    rows = [(by, small, LIGHT["ink-2"]), *((line, font, LIGHT["ink"]) for line in lines)]
    rows += [(percent, _font(76, "Semibold"), LIGHT["ink"])] if percent else []
    image = Image.new("RGB", (1200, 630), "white")
    draw = ImageDraw.Draw(image)
    # Four corners: a frame without the middles of its sides.
    draw.rectangle((100, 70, 1100, 560), outline=LIGHT["accent"], width=10)
    draw.rectangle((220, 70, 980, 560), fill="white")
    draw.rectangle((100, 158, 1100, 472), fill="white")
    bottom = 315 - 0.575 * sum(font.size for _, font, _ in rows)
    for text, font, colour in rows:
        bottom += 1.15 * font.size
        draw.text((600, bottom - 0.31 * font.size), text, colour, font, anchor="ms")
    draw.text((1100, 606), "Loupe", LIGHT["ink"], _font(34, "Semibold"), anchor="rs")
    with Image.open(ICON) as icon:
        lens = icon.convert("RGBA").resize((40, 40))
    image.paste(lens, (966, 574), lens)
    png = BytesIO()
    image.save(png, "PNG")
    return png.getvalue()


def _font(size: int, style: str) -> FreeTypeFont:
    font = truetype(next(FONTS.glob("SourceSansVF-Upright*")), size)
    font.set_variation_by_name(style)
    return font
