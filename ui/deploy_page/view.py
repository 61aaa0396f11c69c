"""The ranking on the Deploy page: the best options with their reasons, steps and files."""

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from deploy.files import make_files, zip_files
from deploy.host import Host
from deploy.options import DEVICE
from deploy.ranking import RankedOption
from ui.phrasing import escape_markdown, link_urls

__all__ = ["show_ranking"]

OPTIONS_SHOWN = 3
SCROLLED_LINES = 30
"""Longest file shown without scrolling, in lines."""

ALERT_STEP = "Budget alert: "


def show_ranking(ranked: Sequence[RankedOption]) -> None:
    """Show the best options in full, the others that fit folded, and why the rest don't."""
    fitting = [option for option in ranked if option.fits]
    excluded = [option for option in ranked if not option.fits]
    _show_headline(fitting)
    _show_options(fitting[:OPTIONS_SHOWN], first_place=1)
    if len(fitting) > OPTIONS_SHOWN:
        with st.expander(f"{len(fitting) - OPTIONS_SHOWN} more that fit", icon=":material/list:"):
            _show_options(fitting[OPTIONS_SHOWN:], first_place=OPTIONS_SHOWN + 1)
    if excluded:
        label = f"{len(excluded)} that don't fit, and why"
        with st.expander(label, icon=":material/block:"):
            for ranked_option in excluded:
                title = escape_markdown(ranked_option.option.title)
                st.write(f"**{title}**: {escape_markdown(ranked_option.cons[0])}")


def _show_headline(fitting: Sequence[RankedOption]) -> None:
    if not fitting:
        st.subheader("Nothing matches everything", anchor=False)
        st.write("Each option below says what it lacks. Relax a requirement to see matches.")
        return
    best = fitting[0]
    prefix = "Closest match, with a compromise" if best.compromise else "Best for you"
    st.subheader(f"{prefix}: {escape_markdown(best.option.title)}", anchor=False)
    if best.compromise:
        st.write(escape_markdown(best.compromise))


def _show_options(ranked: Sequence[RankedOption], *, first_place: int) -> None:
    for place, ranked_option in enumerate(ranked, first_place):
        with st.container(border=True):
            _show_option(ranked_option, place)


def _show_option(ranked: RankedOption, place: int) -> None:
    option = ranked.option
    title, kind = escape_markdown(option.title), escape_markdown(option.kind.label)
    st.markdown(f"**{place}. {title}** :gray-badge[{kind}]")
    st.caption(escape_markdown(option.price))
    # A word rather than an icon: a screen reader says only the icon's name.
    for heading, reasons in (("Pros", ranked.pros), ("Cons", ranked.cons)):
        if reasons:
            bullets = "\n".join(f"- {escape_markdown(reason)}" for reason in reasons)
            st.markdown(f"{heading}:\n{bullets}")
    if ranked.host:
        _show_host(ranked.host)
    elif option is DEVICE:
        st.code("make run", language=None)


def _show_host(host: Host) -> None:
    st.download_button(
        f"Download files for {host.title}",
        lambda: zip_files(host),
        f"loupe-{host.name}.zip",
        "application/zip",
        icon=":material/download:",
        key=f"zip-{host.name}",
        on_click="ignore",
        help=f"Unzip into {'an empty' if host.package == 'folder' else 'the project'} folder; "
        "`python -m deploy write` does the same.",
    )
    expander = st.expander(
        "Steps and files", icon=":material/checklist:", on_change="rerun", key=f"steps-{host.name}"
    )
    if not expander.open:
        return
    with expander:
        for number, step in enumerate(host.step_list, 1):
            _show_step(number, step)
        for remark in host.remark_list:
            st.caption(escape_markdown(remark))
        for path, text in make_files(host).items():
            st.markdown(f"**{escape_markdown(path)}**")
            # A scrolling box looks complete on a phone, so only long files get one. No syntax
            # colours: some of Streamlit's are too pale to read.
            scrolls = text.count("\n") >= SCROLLED_LINES
            height: Literal["content"] | int = 480 if scrolls else "content"
            st.code(text, language=None, height=height, wrap_lines=True)
        for source in host.sources:
            # Not a caption: links in it are too pale to read.
            how = source.citation.removeprefix(source.url)
            st.markdown(f"{link_urls(source.url)}{escape_markdown(how)}")


def _show_step(number: int, step: str) -> None:
    if step.startswith("$ "):
        st.write(f"{number}. In a terminal:")
        st.code(step.removeprefix("$ "), language=None, wrap_lines=True)
    elif step.startswith(ALERT_STEP):
        st.info(f"{number}. {link_urls(step)}", icon=":material/savings:")
    else:
        st.write(f"{number}. {link_urls(step)}")
