"""The ways that a photo can take in this app, by its settings, in words."""

from model import Bundle, LoupeError
from model.answer.share_link import decode
from model.bundle import is_public
from model.engine_info import ENGINES
from ui import component
from ui.about_page.way_picture import Way
from ui.chosen_model import answering_host, chosen_bundle
from ui.phrasing import say_passed_on
from ui.viewfinder import chosen_run, newest_answer

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
    elif way == "pixels":
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
    if way != "device" and (host := answering_host()):
        words += say_passed_on("pixels" if way == "pixels" else "file", host)
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
