"""The memory that the deployed app needs, next to what each host gives."""

from collections.abc import Sequence

import streamlit as st

from deploy.host import Host
from deploy.spec import AppSpec
from ui.charts import accent_color, draw_bars
from ui.phrasing import join_words

__all__ = ["describe_fit", "show_fit"]

AXIS_MB = 2048
"""End of the memory axis, in MB: a host with more has enough."""


def describe_fit(host: Host, app: AppSpec) -> str:
    """Return a sentence such as 'Fits: needs about 330 MB; Fly.io gives 512 MB.'."""
    if not host.has_server:
        return "Fits: the model runs on the visitor's device."
    cpu = host.limits.cpu
    cores = f" and {cpu:g} {'core' if cpu == 1 else 'cores'}" if cpu else ""
    title = f"a{host.title[1:]}" if host.title.startswith("A ") else host.title
    verdict = "Fits" if host.limits.memory_mb >= app.memory_mb else "Doesn't fit"
    return (
        f"{verdict}: needs about {app.memory_mb:,} MB; {title} gives "
        f"{host.limits.memory_mb:,} MB{cores}."
    )


def show_fit(hosts: Sequence[Host], app: AppSpec) -> None:
    """Say where the app fits, and draw its memory above that of the hosts."""
    hosts = [host for host in hosts if host.has_server]
    st.subheader("Does it fit?", anchor=False)
    short = [host.title for host in hosts if host.limits.memory_mb < app.memory_mb]
    where = f"too much for {join_words(short)}" if short else "every host has more"
    st.write(f"The app with this model needs about **{app.memory_mb:,} MB**: {where}.")
    memory = [app.memory_mb, *(host.limits.memory_mb for host in hosts)]
    draw_bars(
        ["This app", *(host.title for host in hosts)],
        [min(mb, AXIS_MB) for mb in memory],
        [f"{mb:,} MB" if mb < 1024 else f"{mb / 1024:g} GB" for mb in memory],
        full_value=AXIS_MB,
        first_color=accent_color(sure=not short),
        value_title="Memory",
        label_limit=170,
    )
    st.caption(
        "“This app” is the app as a host runs it, with the compiled engine and without torch: "
        "measured with the built-in imagenet (347 MB), plus twice the difference in size of this "
        "model's graph. Bars stop at 2 GB."
    )
