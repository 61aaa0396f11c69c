"""The way to one host: commands, what to fill in, the download with the model, steps, files."""

import re
import threading
from collections.abc import Sequence

import streamlit as st

from deploy.files import default_folder, zip_files
from deploy.host import Host
from deploy.spec import AppSpec, bundle_files, page_models
from deploy.templates import BadPlaceholder, parse_assignments
from model import LoupeError
from model.browser.cache import find_folder
from model.browser.device_files import needs_runtime
from model.browser.runtime import runtime_name
from model.bundle import get_bundle, is_public
from model.settings import ROOT
from ui.component import FAILED_KEY, mount, note_failure
from ui.phrasing import escape_markdown, link_urls, phrase_error, spell_number

ALERT_STEP = "Budget alert: "
WRITE_STEP = "$ python -m deploy write "

MAX_MODEL_MB = 50
"""Largest model that is zipped here, in MB.

A zip takes its own size in memory (measured), and an app with such a
model already holds 390 MB of a small host's 512.
"""

_one_at_a_time = threading.Lock()


def show_commands(place: str, commands: Sequence[tuple[str, str]]) -> None:
    """Show commands, each a title and a line for a shell, with buttons that copy them.

    ``device/commands.mjs`` draws them: ``st.code`` breaks lines at hyphens, and shows its button
    to a mouse only.
    """
    if st.session_state.get(FAILED_KEY):
        st.code("\n".join(command for _, command in commands), language=None, wrap_lines=True)
        return
    copy = f"Copy all {spell_number(len(commands))}" if len(commands) > 1 else "Copy"
    data = {"commands": commands, "all": copy}
    key = f"commands-{place}"
    mount("commands", "commands.mjs", data, key=key, on_failed=note_failure)


def show_instructions(host: Host, app: AppSpec, place: str) -> None:
    """Show the way to a host, made once the visitor opens it.

    ``place`` tells the host's two places on the page apart.
    """
    key = f"{place}-{host.name}"
    expander = st.expander(
        "Steps and files", icon=":material/checklist:", on_change="rerun", key=f"steps-{key}"
    )
    if not expander.open:
        return
    with expander:
        values = _ask_values(host, key)
        is_complete = _offer_download(host, app, values, key)
        for number, step in enumerate(host.list_steps(app, values), 1):
            _show_step(host, number, step, unzip=is_complete)
        st.write("To bring a new version of the model there later:")
        st.code(host.update_command(app, values), language=None, wrap_lines=True)
        st.caption("Not tried on the host itself: all this follows its documentation.")
        for remark in host.remarks.splitlines():
            # Neither this nor a source is a caption: code and links there are too pale to read.
            st.markdown(_format(remark))
        for path, text in host.make_files(app, values).items():
            st.markdown(f"**{escape_markdown(path)}**")
            # No syntax colours: some of Streamlit's are too pale to read.
            st.code(text, language=None, wrap_lines=True)
        for source in host.sources.splitlines():
            st.markdown(link_urls(source))


def _ask_values(host: Host, key: str) -> dict[str, str]:
    """Ask what to put for the host's placeholders, and return what is usable."""
    values: dict[str, str] = {}
    for word, meaning in host.placeholders.items():
        # Not escaped: a screen reader would read the backslashes.
        label = meaning[:1].upper() + meaning[1:]
        value = st.text_input(label, max_chars=252, placeholder=word, key=f"{key}-{word}")
        given = [f"{name}={text}" for name, text in (values | {word: value.strip()}).items()]
        try:
            values = parse_assignments(host.placeholders, given, host.numbers)
        except BadPlaceholder as error:
            if value.strip():
                st.error(link_urls(str(error)))
    if host.placeholders:
        st.caption("Fields you leave empty appear in CAPITALS in the files and steps.")
    return values


def _offer_download(host: Host, app: AppSpec, values: dict[str, str], key: str) -> bool:
    """Offer the host's files as a zip; return False if it can't be offered."""
    try:
        lacks_runtime = not host.has_server and not find_folder(runtime_name())
        if lacks_runtime and any(map(needs_runtime, page_models(app))):
            st.write("Make the page in a terminal: it needs onnxruntime-web, not yet fetched here.")
            return False
        if not all(is_public(get_bundle(name)) for name in app.own):
            st.write(
                "Make the files in a terminal: this app doesn’t offer its models for download."
            )
            return False
        files = bundle_files(app).values()
    except LoupeError as error:
        st.warning(phrase_error(error), icon=":material/block:")
        return False
    model_mb = sum(path.stat().st_size for path in files) / 1e6
    if model_mb > MAX_MODEL_MB:
        st.write(
            f"This model is {model_mb:,.0f} MB, but this page zips at most {MAX_MODEL_MB} MB. The "
            "command `python -m deploy write` below makes the same files."
        )
        return False

    def make_zip() -> bytes:
        with _one_at_a_time:
            return zip_files(host, app, values)

    st.download_button(
        f"Download files for {host.title}",
        make_zip,
        f"loupe-{host.name}.zip",
        "application/zip",
        icon=":material/download:",
        key=f"zip-{key}",
        on_click="ignore",
    )
    return True


def _show_step(host: Host, number: int, step: str, *, unzip: bool) -> None:
    if step.startswith("$ "):
        intro = "In a terminal:"
        if unzip and step.startswith(WRITE_STEP):
            folder = default_folder(host).relative_to(ROOT).as_posix()
            where = "this project’s folder" if folder == "." else f"the folder {folder}"
            intro = f"Unzip the download into {where}. Or let a terminal make the same files:"
        st.write(f"{number}. {intro}")
        st.code(step.removeprefix("$ "), language=None, wrap_lines=True)
    elif step.startswith(ALERT_STEP):
        st.info(f"{number}. {_format(step)}", icon=":material/savings:")
    else:
        st.write(f"{number}. {_format(step)}")


def _format(text: str) -> str:
    """Return text as Markdown with its links, and code where it is between backticks."""
    return re.sub(r"\\`.+?\\`", lambda code: re.sub(r"\\(.)", r"\1", code[0]), link_urls(text))
