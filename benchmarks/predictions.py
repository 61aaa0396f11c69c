"""What the simulation says of more processes, a surge and a million photos.

``build/scale/bin/python -m benchmarks.predictions`` prints the tables of docs/scale.md, and writes
``readings/predicted.json`` and the charts. The same seed gives the same figures.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

import altair as alt
import pandas as pd

from deploy.hosts.ray_serve import AUTOSCALING

from .environment import ROOT
from .simulation import READINGS, App, Cost

FIGURES = {
    "photos_per_second": "photos/s, 8 clients",
    "p95": "p95 in s, 8 clients",
    "refused": "refused share of 150 photos/s",
    "arrivals_p95": "p95 in s of 150 photos/s",
}
"""Titles of what is predicted and measured, by key."""

COUNTS = (1, 2, 4)
"""Numbers of processes."""
CLIENTS, ARRIVALS_PER_SECOND = 8, 150
"""As many clients as one process has places to wait, so that none is refused; and photos that
arrive at random."""

CORES = 2
"""Of the machine that was measured."""

FROM_START, RISE, HOLD = 30, 60, 60
"""Seconds of the surge: as usual, rising to ten times as much, and as much as that."""

USUAL_PER_SECOND = 50
ON_SERVER = 0.2
"""Share of photos that reach the server where devices answer: the first of five of a visitor,
who takes it before the model has loaded. An assumption."""

REPLICA_SECONDS, START_SECONDS = 0.0111, 4.0
"""Of a core per photo of 60 kB in a replica on Ray Serve, and from the decision to start one until
it takes photos where a core is free; measured by ``python -m benchmarks.replicas serve``."""

MAX_ONGOING = 1 + 8 + 1000
"""As in ``scale/serve_deployment.py``: a slot, places to wait, and requests beyond them."""

LIMITS = {"max_replicas": 20, "start_seconds": START_SECONDS}
RAY_DEFAULTS = {
    "target_ongoing_requests": 2,
    "metrics_interval_s": 10,
    "look_back_period_s": 30,
    "upscale_delay_s": 30,
}
RULES: dict[str, Mapping[str, float] | None] = {
    "two replicas": None,
    "Ray's defaults": RAY_DEFAULTS | LIMITS,
    "deploy write": AUTOSCALING | LIMITS,
}
VCPU_SECOND, GIB_SECOND, MILLION_REQUESTS = 0.000024, 0.0000025, 0.40
"""Cloud Run's list prices in US dollars, billed by request in regions of Tier 1."""

BUSY = 0.6
"""Share of its time that a paid core works on photos."""

TEAL, AMBER, GREY = "#0F766E", "#B45309", "#7C8B88"
BIN_SECONDS = 5


def main() -> None:
    """Print everything, and write the prediction and the charts."""
    cost = Cost.read()
    predicted = {number: predict(cost, number) for number in COUNTS}
    text = json.dumps(predicted, indent=1) + "\n"
    (READINGS / "predicted.json").write_text(text, encoding="utf-8")
    compare(predicted, json.loads((READINGS / "measured.json").read_text("utf-8")))
    surge(cost)
    million(cost)


def predict(cost: Cost, processes: int) -> dict[str, float]:
    """Return what ``python -m benchmarks.replicas measure`` is expected to read."""
    closed = App(cost, processes, CORES).run_clients(CLIENTS, 4000).summarize()
    opened = App(cost, processes, CORES).run_arrivals([ARRIVALS_PER_SECOND] * 60).summarize()
    rate, p95 = closed["photos_per_second"], closed["p95"]
    return dict(zip(FIGURES, (rate, p95, opened["refused"], opened["p95"]), strict=True))


def compare(predicted: dict[int, dict[str, float]], measured: dict[str, Any]) -> None:
    """Print and draw the prediction beside the readings: bars and points."""
    rows = pd.DataFrame(
        {"processes": number, "figure": FIGURES[name], "predicted": value, "measured": row[name]}
        for number, figures in predicted.items()
        for name, value in figures.items()
        for row in measured[str(number)]
    )
    print(rows.groupby(["processes", "figure"], sort=False).median().round(3))
    axis = alt.X("processes:O", axis=alt.Axis(labelAngle=0))
    chart = alt.Chart(rows, width=140, height=160).encode(axis)
    bars = chart.mark_bar(color=GREY, opacity=0.5).encode(alt.Y("max(predicted):Q", title=None))
    points = chart.mark_point(color=TEAL, filled=True).encode(alt.Y("measured:Q", title=None))
    column = alt.Column("figure:N", title=None, sort=list(FIGURES.values()))
    _save((bars + points).facet(column).resolve_scale(y="independent"), "scale-processes")


def surge(cost: Cost) -> None:
    """Print and draw what ten times the traffic within a minute does, by devices and rule."""
    steps = [1 + 9 * second / RISE for second in range(RISE)]
    curve = [1.0] * FROM_START + steps + [10.0] * HOLD
    on_serve = replace(cost, loop=REPLICA_SECONDS - fmean(cost.slot))
    rows = list[dict[str, Any]]()
    for share in (1.0, ON_SERVER):
        photos = f"{share:.0%} of photos reach the server"
        rates = [USUAL_PER_SECOND * share * factor for factor in curve]
        for name, rule in RULES.items():
            outcome = App(on_serve, 2, None, max_ongoing=MAX_ONGOING).run_arrivals(rates, rule)
            rise = outcome.summarize(FROM_START, FROM_START + RISE)
            after = outcome.summarize(FROM_START + RISE)
            print(
                f"{photos}, {name}: refused {rise['refused']:.1%} and {after['refused']:.1%}, "
                f"p95 {rise['p95']:.2f} s and {after['p95']:.2f} s, "
                f"{outcome.replicas[-1][1] if outcome.replicas else 2} replicas"
            )
            for start in range(0, len(curve), BIN_SECONDS):
                refused = outcome.summarize(start, start + BIN_SECONDS)["refused"]
                rows.append({"second": start, "refused": refused, "photos": photos, "rule": name})
    colours = alt.Scale(domain=list(RULES), range=[GREY, AMBER, TEAL])
    chart = alt.Chart(pd.DataFrame(rows), width=300, height=180).mark_line(strokeWidth=2)
    encoded = chart.encode(
        alt.X("second:Q", title="seconds"),
        alt.Y("refused:Q", title="refused", axis=alt.Axis(format="%")),
        alt.Color("rule:N", title=None, legend=alt.Legend(orient="top"), scale=colours),
        alt.StrokeDash("rule:N", legend=None),
        alt.Column("photos:N", title=None),
    )
    _save(encoded, "scale-surge")


def million(cost: Cost) -> None:
    """Print the replicas that a million photos need by the time they take, and their price."""
    for name, seconds in (("a day, evenly", 86_400), ("8 hours", 28_800), ("an hour", 3600)):
        rate = 1e6 / seconds
        replicas = next(number for number in range(1, 99) if is_enough(cost, number, rate))
        print(f"A million photos in {name}: {rate:.0f} per second, {replicas} replicas")
    core_seconds = 1e6 * (fmean(cost.slot) + cost.loop) / BUSY
    price = core_seconds * (VCPU_SECOND + GIB_SECOND) + MILLION_REQUESTS
    print(f"{core_seconds:,.0f} seconds of a core, ${price:.2f} on Cloud Run with 1 GiB")


def is_enough(cost: Cost, replicas: int, rate: float) -> bool:
    """Return whether that many refuse less than 1% of photos, and p95 is below half a second."""
    figures = App(cost, replicas, None).run_arrivals([rate] * 30).summarize()
    return figures["refused"] < 0.01 and figures["p95"] < 0.5


def _save(chart: alt.FacetChart | alt.Chart, name: str) -> None:
    """Write a chart to docs/ with a background that suits light and dark pages."""
    chart.properties(background="white", padding=10).save(ROOT / "docs" / f"{name}.svg")


if __name__ == "__main__":
    main()
