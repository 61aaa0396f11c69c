"""The parts of the Deploy page, in the order in which they are seen."""

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from deploy.files import archive, files
from deploy.host import Host, Kind, Limits
from deploy.ranking import RankedOption
from ui.deploy_page.charts import memory_chart
from ui.deploy_page.measured import Measurement, measure_app
from ui.phrasing import escaped, linked

__all__ = ["beside_limits", "best", "left_out", "others"]

SHOWN = 3
LONG = 30
"""Lines."""

ALERT = "Budget alert: "
"""How the step begins that every host has."""


def best(choices: Sequence[RankedOption]) -> None:
    """The answer in words, then the first few with their reasons, files and steps."""
    fitting = [choice for choice in choices if choice.fits]
    if not fitting:
        st.subheader("Nothing does all of that", anchor=False)
        st.write("Below is what each place cannot do. Ask for less, and look again.")
        return
    first = fitting[0]
    words = "Closest, but not all you asked for" if first.compromise else "Best for you"
    st.subheader(f"{words}: {escaped(first.title)}", anchor=False)
    if first.compromise:
        st.write(escaped(first.compromise))
    for place, choice in enumerate(fitting[:SHOWN], 1):
        with st.container(border=True):
            _choice(choice, place)


def others(choices: Sequence[RankedOption]) -> None:
    """What fits, too, in a line each."""
    rest = [choice for choice in choices if choice.fits][SHOWN:]
    if not rest:
        return
    with st.expander(f"{len(rest)} more that fit", icon=":material/list:"):
        for place, choice in enumerate(rest, SHOWN + 1):
            with st.container(border=True):
                _choice(choice, place)


def left_out(choices: Sequence[RankedOption]) -> None:
    """What does not fit, each with its reason."""
    out = [choice for choice in choices if not choice.fits]
    if not out:
        return
    with st.expander(f"{len(out)} that do not fit, and why", icon=":material/block:"):
        for choice in out:
            st.write(f"**{escaped(choice.title)}**: {escaped(choice.reasons_against[0])}")


def beside_limits(choices: Sequence[RankedOption]) -> None:
    """This app's memory and speed, measured here, beside what the hosts give."""
    st.subheader("Does it fit?", anchor=False)
    found = measure_app()
    if found is None:
        st.warning("No model answers here, so nothing was measured.", icon=":material/block:")
        return
    st.write(_in_words(found))
    memory_chart(choices, found.most_mb or found.memory_mb)
    st.caption("Bars of 2 GB and more are drawn alike.")
    # A table that wraps: on a phone a data frame would hide its last columns.
    st.table([_row(choice, found) for choice in choices if choice.host], border="horizontal")
    st.caption(
        "Sleep and files are as the hosts document them for the plan that the files ask for. The "
        "time of an answer is what it takes here, or longer where there are fewer cores; theirs "
        "may be slower, too."
    )


def _in_words(found: Measurement) -> str:
    more = found.most_mb is not None and round(found.most_mb) > round(found.memory_mb)
    most = f", {found.most_mb:,.0f} MB at most so far" if more else ""
    torch = " (torch is loaded, which the small image does not have)" if found.torch else ""
    cores = "core" if found.cores == 1 else "cores"
    return (
        f"Measured in this app just now: **{found.memory_mb:,.0f} MB**{most}{torch}; an answer "
        f"takes **{found.milliseconds:.0f} ms** on {found.cores} {cores}. The line across the bars "
        "is this app's memory."
    )


def _row(choice: RankedOption, found: Measurement) -> dict[str, object]:
    assert choice.host is not None  # asked for by whoever calls
    limits = choice.host.limits
    return {
        "Host": choice.title,
        "An answer": _unbroken(found.estimate(limits.cpu)) if limits.cpu else "varies",
        "Sleeps": _sleep(limits),
        "Files": "kept" if limits.keeps_files else "lost",
    }


def _sleep(limits: Limits) -> str:
    minutes = limits.sleeps_minutes
    if minutes is None:
        return "when idle" if limits.stops_idle else "no"
    return _unbroken(f"after {minutes} min" if minutes < 120 else f"after {minutes / 60:g} h")


def _unbroken(text: str) -> str:
    """A number stays with its unit when a narrow cell breaks the line."""
    words, _, unit = text.rpartition(" ")
    return f"{words}\u00a0{unit}"


def _choice(choice: RankedOption, place: int) -> None:
    st.markdown(f"**{place}. {escaped(choice.title)}** :gray-badge[{escaped(choice.kind.plain)}]")
    st.caption(escaped(choice.price))
    # A word, not only a sign: the sign's own name is all that a screen reader says.
    for word, reasons in (("For it", choice.reasons_for), ("Against it", choice.reasons_against)):
        if reasons:
            st.markdown(f"{word}:\n" + "\n".join(f"- {escaped(reason)}" for reason in reasons))
    if choice.host:
        _host(choice.host)
    elif choice.kind is Kind.DEVICE:
        st.code("make run", language=None)


def _host(host: Host) -> None:
    made = files(host)
    if made:
        st.download_button(
            f"Files for {host.title} (zip)",
            lambda: archive(host),
            f"loupe-{host.name}.zip",
            "application/zip",
            icon=":material/download:",
            key=f"zip-{host.name}",
            on_click="ignore",
            help="Unpack it into the project's own folder; `python -m deploy write` does the same.",
        )
    part = st.expander(
        "Steps and files", icon=":material/checklist:", on_change="rerun", key=f"steps-{host.name}"
    )
    if not part.open:
        return
    with part:
        for number, step in enumerate(host.steps, 1):
            if step.startswith("$ "):
                st.write(f"{number}. At a terminal:")
                st.code(step.removeprefix("$ "), language=None, wrap_lines=True)
            elif step.startswith(ALERT):
                st.info(f"{number}. {linked(step)}", icon=":material/savings:")
            else:
                st.write(f"{number}. {linked(step)}")
        for remark in host.remarks:
            st.caption(escaped(remark))
        # Without colours: Streamlit's own are too pale to read on some backgrounds.
        for path, text in made.items():
            st.markdown(f"**{escaped(path)}**")
            # A box that scrolls shows no sign of it on a phone: only what is long gets one.
            height: Literal["content"] | int = "content" if text.count("\n") < LONG else 480
            st.code(text, language=None, height=height, wrap_lines=True)
        _sources(host)


def _sources(host: Host) -> None:
    by_address = {source.url: source for source in host.sources.values()}
    for source in by_address.values():
        how = source.cited.removeprefix(source.url)
        # No caption: links in it are too pale to read.
        st.markdown(f"{linked(source.url)}{escaped(how)}")
