"""This app's memory and speed on this machine, next to the limits of each host."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any

import altair as alt
import pandas as pd
import psutil
import streamlit as st

from deploy.host import Host
from deploy.startup import peak_memory_mb
from model import LoupeError, load
from model.samples import samples
from model.settings import settings
from ui.charts import accent_color

__all__ = ["Measurement", "measure_app", "show_fit"]

ANSWERS = 5
"""Answers whose median time is measured."""
AXIS_MB = 2048
"""End of the memory axis, in MB: a host with more has enough."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Memory and speed of this app.

    Attributes:
        memory_mb: resident memory of this process now.
        peak_mb: its peak so far; on systems other than Linux, the same as now.
        torch: True if torch is loaded, which takes several hundred MB.
        milliseconds: median time of an answer to a sample, on all cores of this machine.
        core_seconds: median CPU time of such an answer; an upper bound while others are served.
        cores: threads used for an answer.
    """

    memory_mb: float
    peak_mb: float
    torch: bool
    milliseconds: float
    core_seconds: float
    cores: int

    def estimate(self, cores: float) -> str:
        """Return the time of an answer on so many cores, never shorter than measured."""
        seconds = max(self.milliseconds / 1000, self.core_seconds / cores)
        # A no-break space keeps the number with its unit in a narrow cell.
        value = f"{seconds:.1f}\u00a0s" if seconds >= 0.1 else f"{seconds * 1000:.0f}\u00a0ms"
        return f"about {value}"


@st.cache_data(ttl=300, show_spinner=False)
def measure_app() -> Measurement | None:
    """Measure this app, at most once in five minutes; None if no model can be loaded."""
    try:
        classifier = load()
        sample = samples()[0].read()
        times, cpu = [], []
        for _ in range(ANSWERS):
            began, cpu_began = time.perf_counter(), time.process_time()
            classifier.identify(sample)
            times.append(time.perf_counter() - began)
            cpu.append(time.process_time() - cpu_began)
    except (LoupeError, IndexError):
        return None
    memory_mb = psutil.Process().memory_info().rss / 2**20
    return Measurement(
        memory_mb=memory_mb,
        # The system's peak lags behind by a few pages.
        peak_mb=max(memory_mb, peak_memory_mb(os.getpid())),
        torch="torch" in sys.modules,
        milliseconds=median(times) * 1000,
        core_seconds=median(cpu),
        cores=settings().threads,
    )


def show_fit(hosts: Sequence[Host]) -> None:
    """Show this app's memory and speed next to the hosts' limits."""
    st.subheader("Does it fit?", anchor=False)
    measurement = measure_app()
    if measurement is None:
        st.warning("No model can be loaded, so nothing was measured.", icon=":material/block:")
        return
    st.write(_describe(measurement))
    _show_memory_chart(hosts, measurement.peak_mb)
    st.caption("Bars stop at 2 GB.")
    rows = [
        {
            "Host": host.title,
            "Answer": measurement.estimate(host.limits.cpu) if host.limits.cpu else "varies",
            "Sleeps": _format_sleep(host),
            "Files": "kept" if host.keeps_files else "lost",
        }
        for host in hosts
    ]
    # Unlike a data frame, a table wraps on a phone instead of hiding its last columns.
    st.table(rows, border="horizontal")
    st.caption(
        "Sleep and storage are as documented for the plan these files request. Answer times are "
        "measured on this machine and scaled for fewer cores; a host's cores may be slower."
    )


def _describe(measurement: Measurement) -> str:
    higher = round(measurement.peak_mb) > round(measurement.memory_mb)
    peak = f" (peak {measurement.peak_mb:,.0f} MB)" if higher else ""
    torch = ", including torch, which the small image doesn't have," if measurement.torch else ""
    cores = "core" if measurement.cores == 1 else "cores"
    return (
        f"Measured just now: **{measurement.memory_mb:,.0f} MB** of memory{peak}{torch} and "
        f"**{measurement.milliseconds:.0f} ms** per answer on {measurement.cores} {cores}. "
        "The line across the bars marks this app."
    )


def _format_sleep(host: Host) -> str:
    minutes = host.limits.sleeps_minutes
    if minutes is None:
        return "when idle" if host.sleeps else "no"
    return f"after {minutes}\u00a0min" if minutes < 120 else f"after {minutes // 60}\u00a0h"


def _show_memory_chart(hosts: Sequence[Host], app_mb: float) -> None:
    """Draw each host's memory as a bar, and the app's as a line across them."""
    memory = [(host.title, host.limits.memory_mb) for host in hosts]
    labels = [f"{mb:,} MB" if mb < 1024 else f"{mb / 1024:g} GB" for _, mb in memory]
    data = pd.DataFrame(
        {
            "host": [title for title, _ in memory],
            "shown": [min(mb, AXIS_MB) for _, mb in memory],
            "label": labels,
            "fits": [mb >= app_mb for _, mb in memory],
            "app": app_mb,
        }
    )
    hosts_text = "; ".join(
        f"{title}: {label}" for (title, _), label in zip(memory, labels, strict=True)
    )
    spec = _build_chart(
        accent_color(), accent_color(sure=False), dark=st.context.theme.type == "dark"
    )
    description = f"This app uses {app_mb:.0f} MB. {hosts_text}"
    st.vega_lite_chart(data, {**spec, "description": description}, width="stretch")


@lru_cache(maxsize=4)
def _build_chart(fits_color: str, short_color: str, *, dark: bool) -> dict[str, Any]:
    ink = "#E7F0EE" if dark else "#3D4B49"
    axis = alt.Axis(labelLimit=170, labelColor=ink, labelFontSize=13, ticks=False, domain=False)
    base = alt.Chart(alt.NamedData("hosts"), height=alt.Step(28)).encode(
        y=alt.Y("host:N", sort=None, title=None, axis=axis),
        tooltip=[alt.Tooltip("host:N", title="Host"), alt.Tooltip("label:N", title="Memory")],
    )
    x = alt.X("shown:Q", axis=None, scale=alt.Scale(domain=[0, AXIS_MB * 1.25]))
    colors = alt.Scale(domain=[True, False], range=[fits_color, short_color])
    bars = base.mark_bar(size=14, cornerRadius=4, opacity=0.75).encode(
        x=x, color=alt.Color("fits:N", scale=colors, legend=None)
    )
    labels = base.mark_text(align="left", dx=6, fontSize=12, color=ink).encode(x=x, text="label:N")
    line = base.mark_tick(thickness=3, size=24, color=ink).encode(x="app:Q")
    spec: dict[str, Any] = (bars + labels + line).configure_view(stroke=None).to_dict()
    del spec["data"]
    return spec
