"""The About page: the ways that a photo takes, in words and pictures, and what is kept.

In a picture, the device is on the left and the server on the right, with what crosses between
them. The filled square is the model; a server with a dashed border only gets numbers.
"""

from typing import Literal

import streamlit as st

from model import Bundle, LoupeError
from model.answer.share_link import decode
from model.bundle import is_public
from model.engine_info import ENGINES
from model.settings import settings
from ui import component
from ui.batch.jobs import LIFETIME_MINUTES
from ui.charts import GREY
from ui.phrasing import say_passed_on, spell_number
from ui.session_state import answering_host, chosen_bundle
from ui.viewfinder import MAX_RECENT, chosen_run, newest_answer

Way = Literal["device", "pixels", "file"]

TITLES: dict[Way, str] = {
    "device": "On this device",
    "pixels": "On the server, as pixels",
    "file": "On the server, the whole file",
}


def runs_on_device() -> bool:
    """Return whether the app lets the chosen model run in browsers."""
    bundle = chosen_bundle()
    return component.has_routes() and bundle is not None and is_public(bundle)


def list_ways() -> list[Way]:
    """Return the ways. The newest answer's is first; without an answer, the one in use."""
    ways: list[Way] = ["pixels", "file"] if component.has_routes() else ["file"]
    if runs_on_device():
        ways.insert(0 if chosen_run() != "server" else 2, "device")
    if token := newest_answer():
        try:
            prediction = decode(token).prediction
        except LoupeError:
            return ways
        is_on_device = ENGINES[prediction.engine].runs_in == "device"
        newest: Way = "device" if is_on_device else "pixels" if prediction.from_pixels else "file"
        ways.sort(key=lambda way: way != newest)
    return ways


def describe_way(way: Way, bundle: Bundle | None) -> tuple[str, str]:
    """Return a way's title, and what leaves the device with this model.

    The words agree with ``device/view/disclosure.mjs``.
    """
    if way == "device":
        words = "The photo stays. The app gets the answer’s numbers, for the chart and the link."
        return TITLES[way], words
    if way == "pixels":
        words = f"{_describe_pixels(bundle)}, without place and time. The server drops it "
        words += "after the answer."
    else:
        words = "Place and time are in the file; the server drops them."
        if component.has_routes():
            words = (
                "For *Batch*, *Compare* and the page without the viewfinder; for files that a "
                "browser can’t read, such as HEIC, after a question; and where the server is on "
                f"the same machine or the browser alters pixels. {words}"
            )
    if host := answering_host():
        words += say_passed_on(way, host)
        words += " *Why?* is computed on the server itself."
    return TITLES[way], words


def _describe_pixels(bundle: Bundle | None) -> str:
    if bundle is None:
        return "Only what the model sees leaves, made small"
    recipe = bundle.manifest.recipe
    height, width = recipe.crop or recipe.resize
    part = "Only the marked part" if recipe.method == "crop" else "The picture"
    # Packed, three bytes take half; to one digit, as the viewfinder says it.
    kilobytes = float(f"{1.5 * height * width / 1000:.1g}")
    return f"{part} leaves, made small: about {kilobytes:,.0f}\N{NO-BREAK SPACE}kB"


ALT_TEXTS: dict[Way, str] = {
    "device": "Photo and model are on this device. Only the answer’s numbers cross to the server.",
    "pixels": "The device makes what the model sees. Only these pixels cross to the server, where "
    "the model is.",
    "file": "The whole file with place and time crosses to the server, where the model is.",
}

CROSSING: dict[Way, str] = {"device": "numbers", "pixels": "pixels", "file": "the file"}

PANEL, ACCENT = "var(--st-secondary-background-color)", "var(--st-primary-color)"
ON_ACCENT = "var(--st-background-color)"

PHONE = "M9 3h6a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H9a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zM11 18h2"
SERVER = "M4 4.5h16v6H4zM4 13.5h16v6H4zM7.5 7.5h.01M7.5 16.5h.01"
LENS = "M4 10a6 6 0 1 0 12 0a6 6 0 1 0-12 0M14.5 14.5 20 20"
ARROW = "M4 12h15M14.5 7.5 19 12l-4.5 4.5"
PIN = (
    "M12 21s6.5-6.2 6.5-11a6.5 6.5 0 0 0-13 0c0 4.8 6.5 11 6.5 11z"
    "M9.8 10a2.2 2.2 0 1 0 4.4 0a2.2 2.2 0 1 0-4.4 0"
)
CLOCK = "M3.5 12a8.5 8.5 0 1 0 17 0a8.5 8.5 0 1 0-17 0M12 7v5l3.5 2"

SKY, SUN, HILL, WOOD = "#A9CFE0", "#F2C14E", "#5E8C61", "#33573F"
PIXELS = ("....oo", "....oo", "......", "..w...", "hwwwhh", "hhhhhh")
"""The marked part of the photo, made small."""


def _draw_way(way: Way) -> str:
    """Return the picture as SVG, about as wide as a phone, in the page's colours and font."""

    def icon(path: str, x: float, y: float, size: float = 24, colour: str = "currentColor") -> str:
        return (
            f'<path d="{path}" transform="translate({x} {y}) scale({size / 24})" fill="none" '
            f'stroke="{colour}" stroke-width="{36 / size}" stroke-linecap="round" '
            'stroke-linejoin="round"/>'
        )

    def model(x: int) -> str:
        square = f'<rect x="{x}" y="46" width="48" height="48" rx="8" fill="{ACCENT}"/>'
        return square + icon(LENS, x + 12, 58, colour=ON_ACCENT)

    photo = (
        f'<rect x="14" y="35" width="54" height="70" rx="3" fill="{SKY}"/>'
        f'<circle cx="55" cy="52" r="7" fill="{SUN}"/><path d="M14 84q27-14 54-4v25H14z" '
        f'fill="{HILL}"/><path d="M22 88 34 62l12 26z" fill="{WOOD}"/>'
    )
    if way == "file":
        # The frame holds what crosses: the photo with its place and time.
        frame = f'<rect x="8" y="29" width="100" height="82" rx="6" fill="none" stroke="{ACCENT}" '
        inside = f'<g transform="translate(22 -2)">{photo}{frame}stroke-width="2"/>'
        inside += f"{icon(PIN, 76, 42)}{icon(CLOCK, 76, 74)}</g>"
    else:
        bands = "".join(
            f'<rect x="14" y="{y}" width="54" height="8" fill="#060E0D" fill-opacity=".6"/>'
            for y in (35, 97)
        )
        inside = photo + bands + icon(ARROW, 74, 58)
        inside += model(104) if way == "device" else _draw_pixels(104, 46)
    dashes = ' stroke-dasharray="4 3"' if way == "device" else ""
    numbers = '<text x="306" y="77" font-size="20" text-anchor="middle">99%</text>'
    return (
        f'<svg viewBox="-1 -1 360 114" role="img" aria-label="{ALT_TEXTS[way]}" '
        'style="display: block; max-width: 360px" fill="currentColor" font-size="15">'
        f'<rect width="160" height="112" rx="12" fill="{PANEL}"/>{icon(PHONE, 8, 8, 16)}'
        f'<text x="28" y="21">This device</text>{inside}'
        f'<path d="M207 2v32M207 84v28" stroke="{GREY}" stroke-width="2" stroke-dasharray="2 3"/>'
        f'<text x="207" y="52" font-weight="600" text-anchor="middle">{CROSSING[way]}</text>'
        f"{icon(ARROW, 193, 58, 28)}"
        f'<rect x="254.75" y=".75" width="102.5" height="110.5" rx="12" fill="none" '
        f'stroke="{GREY}" stroke-width="1.5"{dashes}/>{icon(SERVER, 263, 8, 16)}'
        f'<text x="283" y="21">Server</text>'
        f"{numbers if way == 'device' else model(282)}</svg>"
    )


def _draw_pixels(x: int, y: int) -> str:
    """Return the photo's pixels, framed as what crosses."""
    colours = {".": SKY, "o": SUN, "h": HILL, "w": WOOD}
    squares = "".join(
        f'<rect x="{x + 8 * column}" y="{y + 8 * row}" width="8" height="8" fill="{colours[key]}"/>'
        for row, keys in enumerate(PIXELS)
        for column, key in enumerate(keys)
    )
    return (
        f'<g shape-rendering="crispEdges">{squares}</g><rect x="{x - 3}" y="{y - 3}" width="54" '
        f'height="54" rx="3" fill="none" stroke="{ACCENT}" stroke-width="2"/>'
    )


# An <img> couldn't have the page's font.
_PICTURES = {
    way: st.components.v2.component(f"way-{way}", html=_draw_way(way)) for way in ALT_TEXTS
}


def show_way(way: Way) -> None:
    """Show the picture of a way."""
    _PICTURES[way](key=f"way-{way}")


RECENTS = f"Your last {spell_number(MAX_RECENT)} photos"

DELETION = {
    "session": "your next visit after you close this tab; over plain HTTP, a day",
    "day": "your first visit after a day",
}


def list_kept() -> dict[str, dict[str, str]]:
    """Return facts by name, for each thing that is kept, as Markdown."""
    kept = {}
    if component.has_routes():
        kept["A photo from the viewfinder, or from *Compare*"] = {
            "where": "the server’s memory, if the server answers",
            "until": "the answer is there",
        }
        kept[RECENTS] = {"where": "this browser", "until": DELETION[settings().recent]}
    way = "Your newest photo"
    kept[f"{way} without the viewfinder" if component.has_routes() else way] = {
        "what": "a smaller copy",
        "where": "the server’s memory",
        "until": "you send another, or your session ends",
    }
    if settings().corrections_max:
        photo = "; if you tick the box, also a small copy of the photo, to train on"
        kept["A correction"] = {
            "what": "your label, the model’s answer, the time, a hash of your visit, the wording"
            + (", a hash of your key to *Undo* it for a day" if component.has_routes() else "")
            + (photo if settings().corrections_mb else ""),
            "where": f"the server’s {'database' if settings().database else 'disk'}",
            "until": "you undo it, or the owner deletes it, by the number that you got",
        }
    kept["A batch"] = {
        "what": "the results, small copies of the photos, and their file names",
        "where": "the server’s memory",
        "until": f"{LIFETIME_MINUTES} minutes after you leave, at most",
    }
    kept["A link to an answer"] = {
        "what": "label numbers and rounded percentages: no photo, no name, nothing you typed",
        "where": "in the link itself; the server’s memory has it until your session ends",
    }
    return kept


def show_clear_button() -> None:
    """Show a button that deletes the recent photos from this browser."""
    data = {
        "recent": settings().recent,
        "base": component.base_path(),
        "theme": component.theme(),
    }
    component.mount("clear", "clear.mjs", data, cleared=None)
