"""What the simulation says of more processes, a surge and a million photos.

``build/scale/bin/python -m benchmarks.predictions`` prints the tables of docs/scale.md, and writes
``readings/predicted.json`` and the charts. The same seed gives the same figures.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean, median
from typing import Any

from deploy.hosts.ray_serve import AUTOSCALING

from .processes import ARRIVALS_PER_SECOND, CLIENTS, COUNTS, MEASURED
from .scale_charts import draw_comparison, draw_surge
from .simulation import COST, App, Cost, Outcome

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
it takes photos where a core is free; measured by ``python -m benchmarks.serving``."""

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


def main() -> None:
    """Print everything, and write the prediction and the charts."""
    cost = Cost.read()
    predicted = {number: predict(cost, number) for number in COUNTS}
    path = COST.with_name("predicted.json")
    path.write_text(json.dumps(predicted, indent=1) + "\n", encoding="utf-8")
    measured = json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}
    compare(predicted, measured)
    surges = surge(cost)
    million(cost)
    if measured:
        draw_comparison(predicted, measured)
    draw_surge(surges, FROM_START + RISE + HOLD)


def predict(cost: Cost, processes: int) -> dict[str, float]:
    """Return what ``python -m benchmarks.processes measure`` is expected to read."""
    closed = App(cost, processes, CORES).run_clients(CLIENTS, 4000).summarize()
    opened = App(cost, processes, CORES).run_arrivals([ARRIVALS_PER_SECOND] * 60).summarize()
    return {
        "photos_per_second": closed["photos_per_second"],
        "p95": closed["p95"],
        "refused": opened["refused"],
        "arrivals_p95": opened["p95"],
    }


def compare(predicted: dict[int, dict[str, float]], measured: dict[str, Any]) -> None:
    """Print the prediction, beside the median of the readings once there are some."""
    for number, figures in predicted.items():
        for name, value in figures.items():
            print(f"{number} processes, {name}: predicted {value:.3f}", end="")
            readings = [row[name] for row in measured.get(str(number), ())]
            print(f", measured {median(readings):.3f}" if readings else "")


def surge(cost: Cost) -> dict[tuple[str, str], Outcome]:
    """Print what ten times the traffic within a minute does; return it by devices and rule."""
    steps = [1 + 9 * second / RISE for second in range(RISE)]
    curve = [1.0] * FROM_START + steps + [10.0] * HOLD
    on_serve = replace(cost, loop=REPLICA_SECONDS - fmean(cost.slot))
    outcomes = {}
    for share in (1.0, ON_SERVER):
        rates = [USUAL_PER_SECOND * share * factor for factor in curve]
        for name, rule in RULES.items():
            outcome = App(on_serve, 2, None, max_ongoing=MAX_ONGOING).run_arrivals(rates, rule)
            rise = outcome.summarize(FROM_START, FROM_START + RISE)
            after = outcome.summarize(FROM_START + RISE)
            print(
                f"{share:.0%} on the server, {name}: refused {rise['refused']:.1%} and "
                f"{after['refused']:.1%}, p95 {rise['p95']:.2f} s and {after['p95']:.2f} s, "
                f"{outcome.replicas[-1][1] if outcome.replicas else 2} replicas"
            )
            outcomes[f"{share:.0%} of photos reach the server", name] = outcome
    return outcomes


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


if __name__ == "__main__":
    main()
