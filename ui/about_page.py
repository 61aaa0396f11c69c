"""The About page: the ways that a photo takes, in words and pictures, and what is kept.

In a picture, the device is on the left and the server on the right, with what crosses between
them. The filled square is the model; a server with a dashed border only gets numbers.
"""

from pathlib import Path
from typing import Literal

import streamlit as st

from model import Bundle, LoupeError
from model.answer.share_link import decode
from model.bundle import is_public
from model.engine_info import ENGINES
from model.settings import settings
from ui import component
from ui.batch.jobs import LIFETIME_MINUTES
from ui.phrasing import say_passed_on, spell_number
from ui.session_state import answering_host, chosen_bundle
from ui.viewfinder import MAX_RECENT, chosen_run, newest_answer

Way = Literal["device", "pixels", "file"]

TITLES: dict[Way, str] = {
    "device": "On this device",
    "pixels": "On the server, as pixels",
    "file": "On the server, the whole file",
}

FOLDER = Path(__file__).parent / "ways"
"""The pictures, as wide as a phone: ``WAY.svg``."""


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
                "browser can’t read, such as HEIC, if you agree; and where the server is on "
                f"the same machine or the browser alters pixels. {words}"
            )
    if host := answering_host():
        words += say_passed_on(way, host)
        words += " *Why?* is computed on the server itself."
    return TITLES[way], words


def _describe_pixels(bundle: Bundle | None) -> str:
    if bundle is None:
        return "Only what the model sees is sent, scaled down"
    recipe = bundle.manifest.recipe
    height, width = recipe.crop or recipe.resize
    part = "Only the marked part" if recipe.method == "crop" else "The picture"
    # Packed, three bytes take half; to one digit, as the viewfinder says it.
    kilobytes = float(f"{1.5 * height * width / 1000:.1g}")
    return f"{part} is sent, scaled down: about {kilobytes:,.0f}\N{NO-BREAK SPACE}kB"


# An <img> couldn't have the page's colours and font.
_PICTURES = {
    way: st.components.v2.component(f"way-{way}", html=(FOLDER / f"{way}.svg").read_text("utf-8"))
    for way in TITLES
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
    data = {"recent": settings().recent, "base": component.base_path()}
    component.mount("clear", "clear.mjs", data, cleared=None)
