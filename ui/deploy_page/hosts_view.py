"""The hosts on the Deploy page: the best one, two others, then all of them with filters."""

from collections.abc import Sequence
from datetime import date

import streamlit as st

from deploy.documented_hosts import DOCUMENTED
from deploy.host import READ_DATE, Budget, Expertise, Host, Offer, Traffic
from deploy.hosts import HOSTS
from deploy.matching import Requirements, describe_limits, list_shortfalls
from deploy.spec import AppSpec
from ui.deploy_page.commands import show_commands
from ui.deploy_page.instructions import show_instructions
from ui.facts import show_facts
from ui.phrasing import escape_markdown, link_urls, spell_number

ALL_HOSTS: tuple[Offer, ...] = (*HOSTS.values(), *DOCUMENTED)

FILTERS = {
    "free": "Free to start",
    "whole_app": "Whole app",
    "awake": "Never sleeps",
    "own_domain": "My own domain",
    "private": "Photos stay on a machine I control",
    "offline": "Works offline",
    "gpu": "A GPU",
}
"""Labels are in the address: rewording one breaks links."""

TITLES = ("1 Read the steps", "2 Write the files", "3 Check them")

MAX_REMARKS = 2
"""Remarks shown among the limits; all of them are below the steps."""


def show_recommendation(requirements: Requirements, app: AppSpec) -> None:
    """Show the host that fits best with its commands, then two others."""
    shortfalls = {name: list_shortfalls(host, requirements, app) for name, host in HOSTS.items()}
    # Sorting is stable: of hosts that fit equally, the first has the least cost and upkeep.
    names = sorted(HOSTS, key=lambda name: len(shortfalls[name]))
    best, second = HOSTS[names[0]], HOSTS[names[1]]
    middle, right = st.columns([5, 3], gap="large")
    with middle:
        with st.container(gap=None):
            misfit = "No host fits your answers. The closest"
            st.caption(misfit if shortfalls[best.name] else "Best for this")
            st.subheader(best.title, anchor=False)
        _show_host(best, app, "best", shortfalls[best.name])
    with right:
        st.caption("Or")
        _introduce(second.title, [_describe_price(second), *shortfalls[second.name]])
        with st.expander("Its three commands"):
            _show_host(second, app, "second")
        _introduce("This computer", ["Free. Only for people at it or on its network."])
        with st.expander("Its command"):
            show_commands("own", [("Run it", f"LOUPE_MODEL={app.models[0]} make run")])
        day = date.fromisoformat(READ_DATE)
        st.caption(
            "Not tried on the hosts themselves. Prices and limits as their documentation gave them "
            f"on {day.day} {day:%B %Y}."
        )


def show_all_hosts(app: AppSpec) -> None:
    """Show all hosts, by search and filters; each opens to its facts and commands."""
    st.subheader(f"All {len(ALL_HOSTS)} hosts", anchor=False)
    made, described = spell_number(len(HOSTS)), spell_number(len(DOCUMENTED))
    st.write(f"Loupe makes the files for {made}; docs/deploy.md describes the other {described}.")
    words = st.text_input(
        "Find a host",
        placeholder="Find a host",
        label_visibility="collapsed",
        max_chars=80,
        key="find",
    )
    chosen = st.pills(
        "Filters",
        list(FILTERS),
        format_func=FILTERS.__getitem__,
        selection_mode="multi",
        key="must",
        bind="query-params",
        label_visibility="collapsed",
    )
    wanted = Requirements(
        budget=Budget.NOTHING if "free" in chosen else Budget.BY_USE,
        traffic=Traffic.FEW,
        expertise=Expertise.YES,
        **dict.fromkeys(set(chosen) - {"free"}, True),
    )
    found = [
        host
        for host in ALL_HOSTS
        if words.strip().casefold() in f"{host.title} {host.kind} {host.summary}".casefold()
        and not list_shortfalls(host, wanted, app)
    ]
    if not found:
        st.write("No host fits. Remove a filter.")
        return
    filters = " and these filters" if chosen or words.strip() else ""
    st.caption(f"{len(found)} of {len(ALL_HOSTS)} fit this model{filters}, whatever your answers")
    rows = st.container(gap="xsmall")
    for host in found:
        memory = f"{host.limits.memory_mb:,} MB · " if host.has_server else ""
        label = f"**{escape_markdown(host.title)}** · {memory}{link_urls(_describe_price(host))}"
        row = rows.expander(label, on_change="rerun", key=f"row-{host.name}")
        if row.open:
            with row:
                _show_host(host, app, "row")


def _introduce(title: str, sentences: Sequence[str]) -> None:
    st.markdown(f"**{escape_markdown(title)}**  \n{link_urls(' '.join(sentences))}")


def _describe_price(host: Offer) -> str:
    """Return the first sentence on the price, and the time after which the host sleeps."""
    sleeps = f"Sleeps {host.limits.sleeps}" if host.limits.sleeps else "Never sleeps"
    return f"{host.price_in_brief} {sleeps}."


def _show_host(host: Offer, app: AppSpec, place: str, shortfalls: Sequence[str] = ()) -> None:
    """Show why, price, limits and commands; ``place`` tells a host's two places on the page."""
    st.write(link_urls(host.summary))
    limits = [*shortfalls, *describe_limits(host, app), *host.remarks.splitlines()[:MAX_REMARKS]]
    show_facts({"Price": [link_urls(host.price)], "Limits": map(link_urls, limits)})
    if isinstance(host, Host):
        commands = list(zip(TITLES, host.list_commands(app), strict=True))
        show_commands(f"{place}-{host.name}", commands)
        show_instructions(host, app, place)
    else:
        for source in host.sources.splitlines():
            st.markdown(link_urls(source))
