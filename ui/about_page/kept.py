"""What this app keeps of photos and answers, where and how long, by its settings."""

import streamlit as st

from model.settings import settings
from ui import component
from ui.batch.job_cache import LIFETIME_MINUTES
from ui.phrasing import spell_number
from ui.viewfinder import MAX_RECENT

RECENTS = f"Your last {spell_number(MAX_RECENT)} photos"

_mount_clear = st.components.v2.component("clear", js=component.SCRIPT)

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
        photo = "; a small copy of the photo only if you tick the box, which sends it, to train on"
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
    """Offer to delete the recent photos that this browser keeps."""
    _mount_clear(
        key="clear",
        data={
            "script": component.script_address("clear.mjs"),
            "recent": settings().recent,
            "base": component.base_path(),
            "theme": st.context.theme.type or "light",
        },
        on_cleared_change=lambda: None,
        on_failed_change=lambda: None,
    )
