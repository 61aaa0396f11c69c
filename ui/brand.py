"""Loupe's mark, drawn here so that no page asks another server for an icon."""

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw

__all__ = ["mark"]

TEAL = (15, 148, 136, 255)


@lru_cache(maxsize=1)
def mark(side: int = 96) -> bytes:
    """A lens with its handle, teal on nothing: PNG, ``side`` pixels square.

    As bytes, because an image would be encoded anew with every run of a page.
    """
    # Drawn four times as large and scaled down, for smooth edges.
    big = side * 4
    picture = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    thick = big // 9
    lens = big * 0.12, big * 0.12, big * 0.66, big * 0.66
    pen.line((big * 0.57, big * 0.57, big * 0.84, big * 0.84), fill=TEAL, width=thick)
    end = big * 0.84
    pen.ellipse((end - thick / 2, end - thick / 2, end + thick / 2, end + thick / 2), fill=TEAL)
    pen.ellipse(lens, outline=TEAL, width=thick)
    file = BytesIO()
    picture.resize((side, side), Image.Resampling.LANCZOS).save(file, "PNG")
    return file.getvalue()
