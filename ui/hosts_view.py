"""The hosts on the Deploy page: questions to the owner, the best host, two others, all of them.

All answers are in the address, so the page can be shared. Streamlit puts labels, not values, into
the address: rewording a label breaks links.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TypeVar, get_args

import streamlit as st

from deploy.host import READ_DATE, Budget, Expertise, Fit, Host, Offer, Traffic
from deploy.hosts import DOCUMENTED, HOSTS
from deploy.spec import AppSpec, choose_models, deployed_sizes
from model.bundle import BUILTIN_DIR, default_models
from model.loading import default_model
from ui.charts import show_facts
from ui.host_instructions import show_commands, show_instructions
from ui.phrasing import escape_markdown, link_urls, spell_number
from ui.session_state import chosen_bundle, usable_bundles
from ui.settings_menu import model_select, warn_if_unusable

ALL_HOSTS: tuple[Offer, ...] = (*HOSTS.values(), *DOCUMENTED)

BUDGETS = {"nothing": "Free", "by use": "Pay as you go"}
EXPERTISE = {"no": "Not really", "some": "Somewhat"}
UPKEEP = {
    "no": "no server to look after",
    "some": "a server is fine with some help",
    "yes": "a server is fine",
}

FILTERS: dict[str, tuple[str, Callable[[Offer], object]]] = {
    "free": ("Free to start", lambda host: host.fit.budget == "nothing"),
    "whole_app": ("Whole app", lambda host: host.has_server and host.has_page),
    "awake": ("Never sleeps", lambda host: not host.limits.sleeps),
    "own_domain": ("My own domain", lambda host: host.own_domain),
    "private": ("Photos stay on a machine I control", lambda host: host.is_private),
    "offline": ("Works offline", lambda host: not host.has_server),
    "gpu": ("A GPU", lambda host: host.gpu),
}
"""The label of each filter, and whether a host passes it."""

ANY_ANSWERS = Fit(budget="by use", traffic="a few people", expertise="yes")

Value = TypeVar("Value", bound=str)

TITLES = ("1 Read the steps", "2 Write the files", "3 Check them")

MAX_REMARKS = 2
"""Remarks shown among the limits; all of them are below the steps."""


def ask() -> tuple[AppSpec, Fit] | None:
    """Show the answers in two lines, and the questions; None if there is no model.

    The questions are folded: on a phone, what they lead to would be below the screen.
    """
    bundles = usable_bundles()
    warn_if_unusable(bundles)
    chosen = chosen_bundle()
    first = chosen.name if chosen else default_model()
    wanted = dict.fromkeys([first, default_model(), *default_models(), *bundles])
    offered = {name: bundles[name] for name in wanted if name in bundles}
    if not offered:
        return None
    summary = st.container(gap=None)
    with st.expander("Change", icon=":material/tune:"):
        # The key is not that of Identify, where another model may be chosen.
        if (asked := st.query_params.get("deployed")) in offered:
            st.session_state.setdefault("deployed", asked)
        bundle = bundles[str(model_select(offered, "deployed", _write_model))]
        if all(bundle.folder.is_relative_to(BUILTIN_DIR) for bundle in bundles.values()):
            st.write("A model of your own is offered here once you have imported or trained it.")
        size_mb = sum(deployed_sizes(bundle)) / 1e6
        st.caption(f"Version {bundle.version} · {size_mb:.1f} MB to deploy")
        answers = Fit(
            budget=_choose("Monthly budget", get_args(Budget), "budget", BUDGETS),
            traffic=_choose("Expected visitors", get_args(Traffic), "traffic", {}),
            expertise=_choose("Comfortable with servers?", get_args(Expertise), "knows", EXPERTISE),
        )
    price = BUDGETS.get(answers.budget, answers.budget.capitalize())
    summary.markdown(f"Model: **{escape_markdown(bundle.manifest.title)}**")
    upkeep = UPKEEP[answers.expertise]
    summary.markdown(f"You want: **{price}, for {answers.traffic}, {upkeep}**")
    return choose_models([bundle.name]), answers


def _write_model() -> None:
    st.query_params["deployed"] = st.session_state["deployed"]


def _choose(question: str, scale: Sequence[Value], key: str, labels: Mapping[str, str]) -> Value:
    return st.radio(
        question,
        scale,
        format_func=lambda value: labels.get(value, value.capitalize()),
        key=key,
        bind="query-params",
    )


def show_recommendation(answers: Fit, app: AppSpec) -> None:
    """Show the host that fits best with its commands, then two others."""
    shortfalls = {name: host.list_shortfalls(answers, app) for name, host in HOSTS.items()}
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
        _introduce(
            "This computer", ["Free. Only people on this computer or its network can reach it."]
        )
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
        format_func=lambda name: FILTERS[name][0],
        selection_mode="multi",
        key="must",
        bind="query-params",
        label_visibility="collapsed",
    )
    hosts = [
        host
        for host in ALL_HOSTS
        if words.strip().casefold() in f"{host.title} {host.kind} {host.summary}".casefold()
        and all(FILTERS[name][1](host) for name in chosen)
        and not host.list_shortfalls(ANY_ANSWERS, app)
    ]
    if not hosts:
        st.write("No host fits. Remove a filter.")
        return
    filters = " and these filters" if chosen or words.strip() else ""
    st.caption(f"{len(hosts)} of {len(ALL_HOSTS)} fit this model{filters}, whatever your answers")
    rows = st.container(gap="xsmall")
    for host in hosts:
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
    limits = [*shortfalls, *host.describe_limits(app), *host.remarks.splitlines()[:MAX_REMARKS]]
    show_facts({"Price": [link_urls(host.price)], "Limits": map(link_urls, limits)})
    if isinstance(host, Host):
        commands = list(zip(TITLES, host.list_commands(app), strict=True))
        show_commands(f"{place}-{host.name}", commands)
        show_instructions(host, app, place)
    else:
        for source in host.sources.splitlines():
            st.markdown(link_urls(source))
