"""The hosts on the Deploy page: those that match, then the others with what they lack."""

from collections.abc import Sequence

import streamlit as st

from deploy.host import Host
from deploy.hosts import HOSTS
from deploy.matching import Requirements, describe_host, list_shortfalls
from deploy.spec import AppSpec
from ui.deploy_page.instructions import show_instructions
from ui.phrasing import escape_markdown

SHOWN = 3
"""Number of hosts shown in full; the others that match are folded."""


def show_hosts(requirements: Requirements, app: AppSpec) -> None:
    """Show the hosts that match, in the order of the table, and why the others don't."""
    shortfalls = {name: list_shortfalls(host, requirements, app) for name, host in HOSTS.items()}
    matching = [host for name, host in HOSTS.items() if not shortfalls[name]]
    _show_headline(matching)
    _show_each(matching[:SHOWN], app)
    if len(matching) > SHOWN:
        label = f"{len(matching) - SHOWN} more that match"
        with st.expander(label, icon=":material/list:"):
            _show_each(matching[SHOWN:], app)
    if len(matching) < len(HOSTS):
        label = f"{len(HOSTS) - len(matching)} that don't match, and why"
        with st.expander(label, icon=":material/block:"):
            for name, reasons in shortfalls.items():
                if reasons:
                    title = escape_markdown(HOSTS[name].title)
                    st.write(f"**{title}**: {escape_markdown(' '.join(reasons))}")
    st.write("Or on your own machine: free, private, and without a network.")
    st.code(f"LOUPE_MODEL={app.models[0]} make run", language=None)


def _show_headline(matching: Sequence[Host]) -> None:
    if not matching:
        st.subheader("No host matches everything", anchor=False)
        st.write("Each host below says what it lacks. Relax a requirement to see matches.")
        return
    verb = "host matches" if len(matching) == 1 else "hosts match"
    st.subheader(f"{len(matching)} {verb}", anchor=False)
    if len(matching) > 1:
        st.caption("The one with the least cost and upkeep comes first.")


def _show_each(hosts: Sequence[Host], app: AppSpec) -> None:
    for host in hosts:
        with st.container(border=True):
            title, kind = escape_markdown(host.title), escape_markdown(host.kind)
            st.markdown(f"**{title}** :gray-badge[{kind}]")
            st.caption(escape_markdown(host.price))
            facts = [_describe_memory(host, app), *describe_host(host)]
            st.markdown("\n".join(f"- {escape_markdown(fact)}" for fact in facts))
            show_instructions(host, app)


def _describe_memory(host: Host, app: AppSpec) -> str:
    """Return a sentence such as 'Memory: needs about 330 MB of 512 MB, on 0.1 cores.'."""
    if not host.has_server:
        return "The model runs on the visitor's device."
    cpu = host.limits.cpu
    cores = f", on {cpu:g} {'core' if cpu == 1 else 'cores'}" if cpu else ""
    return f"Memory: needs about {app.memory_mb:,} MB of {host.limits.memory_mb:,} MB{cores}."
