"""The parts of the Deploy page, in the order in which they are seen."""

from collections.abc import Sequence

import streamlit as st

from deploy.host import Host
from deploy.ranking import Choice
from deploy.writing import archive, files
from ui.hosts.charts import memory_chart
from ui.hosts.measured import Measured, measured
from ui.words import escaped, linked

__all__ = ["beside_limits", "best", "left_out", "others"]

SHOWN = 3


def best(choices: Sequence[Choice]) -> None:
    """The answer in words, then the first few with their reasons, files and steps."""
    fitting = [choice for choice in choices if choice.fits]
    if not fitting:
        st.subheader("Nothing does all of that", anchor=False)
        st.write("Below is what each place cannot do. Ask for less, and look again.")
        return
    st.subheader(f"Best for you: {escaped(fitting[0].title)}", anchor=False)
    for place, choice in enumerate(fitting[:SHOWN], 1):
        with st.container(border=True):
            _choice(choice, place)


def others(choices: Sequence[Choice]) -> None:
    """What fits, too, in a line each."""
    rest = [choice for choice in choices if choice.fits][SHOWN:]
    if not rest:
        return
    with st.expander(f"{len(rest)} more that fit", icon=":material/list:"):
        for place, choice in enumerate(rest, SHOWN + 1):
            with st.container(border=True):
                _choice(choice, place)


def left_out(choices: Sequence[Choice]) -> None:
    """What does not fit, each with its reason."""
    out = [choice for choice in choices if not choice.fits]
    if not out:
        return
    with st.expander(f"{len(out)} that do not fit, and why", icon=":material/block:"):
        for choice in out:
            st.write(f"**{escaped(choice.title)}**: {escaped(choice.reasons_against[0])}")


def beside_limits(choices: Sequence[Choice]) -> None:
    """This app's memory and speed, measured here, beside what the hosts give."""
    st.subheader("Does it fit?", anchor=False)
    found = measured()
    if found is None:
        st.warning("No model answers here, so nothing was measured.", icon=":material/block:")
        return
    st.write(_in_words(found))
    memory_chart(choices, found.most_mb or found.memory_mb)
    rows = [_row(choice, found) for choice in choices if choice.host]
    number = st.column_config.NumberColumn(format="localized")
    st.dataframe(rows, hide_index=True, column_config={"Memory, MB": number})
    st.caption(
        "Memory, cores and sleep are what the hosts document for the plan that the files ask for. "
        "The time of an answer is estimated from the core time measured here: their cores may be "
        "slower."
    )


def _in_words(found: Measured) -> str:
    most = f", {found.most_mb:,.0f} MB at most so far" if found.most_mb else ""
    torch = " (torch is loaded, which the small image does not have)" if found.torch else ""
    cores = "core" if found.cores == 1 else "cores"
    return (
        f"Measured in this app just now: **{found.memory_mb:,.0f} MB**{most}{torch}; an answer "
        f"takes **{found.milliseconds:.0f} ms** on {found.cores} {cores}. The line across the bars "
        "is this app's memory."
    )


def _row(choice: Choice, found: Measured) -> dict[str, object]:
    assert choice.host is not None  # asked for by whoever calls
    limits = choice.host.limits
    share = min(limits.cpu, found.cores) if limits.cpu else None
    return {
        "Host": choice.title,
        "Kind": choice.kind.value,
        "Memory, MB": limits.memory_mb,
        "Cores": f"{limits.cpu:g}" if limits.cpu else "",
        "An answer, about": _seconds(found.core_seconds / share) if share else "",
        "Sleeps after": _minutes(limits.sleeps_minutes),
        "Keeps files": "yes" if limits.keeps_files else "no",
    }


def _minutes(value: int | None) -> str:
    if not value:
        return ""
    return f"{value} min" if value < 120 else f"{value / 60:g} h"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 0.1 else f"{value * 1000:.0f} ms"


def _choice(choice: Choice, place: int) -> None:
    st.markdown(f"**{place}. {escaped(choice.title)}** :gray-badge[{escaped(choice.kind.value)}]")
    st.caption(escaped(choice.price))
    marked = [(":material/check:", reason) for reason in choice.reasons_for]
    marked += [(":material/remove:", reason) for reason in choice.reasons_against]
    st.markdown("  \n".join(f"{mark} {escaped(reason)}" for mark, reason in marked))
    if choice.host:
        _host(choice.host)


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
            else:
                st.write(f"{number}. {linked(step)}")
        st.info(f"No surprise bills: {escaped(host.budget_alert)}", icon=":material/savings:")
        for remark in host.remarks:
            st.caption(escaped(remark))
        # Without colours: Streamlit's own are too pale to read on some backgrounds.
        for path, text in made.items():
            st.markdown(f"**{escaped(path)}**")
            st.code(text, language=None, height=240)
        _sources(host)


def _sources(host: Host) -> None:
    by_address = {source.url: source for source in host.sources.values()}
    for source in by_address.values():
        how = source.cited.removeprefix(source.url)
        st.caption(f"{linked(source.url)}{escaped(how)}")
