"""The simulation: known formulas of queues, the app's own limits, the same figures per seed."""

import json
import random
from math import factorial
from statistics import fmean

import pytest

from benchmarks.predictions import predict
from benchmarks.simulation import READINGS, App, Cost, Steps

SOURCE = random.Random(1)
EXPONENTIAL = Cost([SOURCE.expovariate(250) for _ in range(20_000)], 0)
EVEN = Cost([0.02], 0)


@pytest.mark.parametrize("load", [0.5, 0.9, 2])
def test_refused_share_is_that_of_a_bounded_queue(load: float) -> None:
    """M/M/1/K: Poisson arrivals, exponential times, one slot and K - 1 places to wait."""
    app = App(EXPONENTIAL, 1, None, queue=4)
    figures = app.run_arrivals([load / fmean(EXPONENTIAL.slot)] * 80).summarize()
    expected = (1 - load) * load**5 / (1 - load**6)
    assert figures["refused"] == pytest.approx(expected, rel=0.15)


def test_wait_is_that_of_several_slots() -> None:
    """M/M/c without a bound: Erlang's formula for the mean time until the answer."""
    slots, load = 3, 0.8
    app = App(EXPONENTIAL, 1, None, slots=slots, queue=10**9)
    mean = fmean(EXPONENTIAL.slot)
    outcome = app.run_arrivals([slots * load / mean] * 80)
    offered = slots * load
    last = offered**slots / factorial(slots) / (1 - load)
    waits = last / (sum(offered**k / factorial(k) for k in range(slots)) + last)
    expected = mean + waits * mean / (slots * (1 - load))
    assert fmean(wait for _, wait in outcome.answered) == pytest.approx(expected, rel=0.05)


def test_shared_cores_bound_the_rate() -> None:
    for processes, cores, expected in ((1, 2, 50), (2, 2, 100), (4, 2, 100), (4, 1, 50)):
        outcome = App(EVEN, processes, cores, queue=40).run_clients(40, 1000)
        assert outcome.summarize()["photos_per_second"] == pytest.approx(expected, rel=0.03)


def test_photos_take_turns_on_a_core_and_short_work_goes_first() -> None:
    app, ends = App(EVEN, 1, 1), dict[str, float]()

    def work(name: str, priority: int) -> Steps:
        assert app.machine
        yield from app.compute(app.machine, 0.02, priority)
        ends[name] = app.env.now

    for name, priority in (("photo", 1), ("other photo", 1), ("event loop", 0)):
        app.env.process(work(name, priority))
    app.env.run()
    assert ends == pytest.approx({"event loop": 0.021, "photo": 0.059, "other photo": 0.06})


@pytest.mark.parametrize(
    ("processes", "limits", "answered"),
    [
        # A full process passes a photo on; Serve asks one process and refuses beyond its limit.
        (2, {"queue": 1}, 4),
        (2, {"queue": 1, "max_ongoing": 2}, 4),
        (1, {"max_ongoing": 1}, 1),
    ],
)
def test_photos_beyond_the_limits_are_refused(
    processes: int, limits: dict[str, int], answered: int
) -> None:
    outcome = App(EVEN, processes, None, **limits).run_clients(6, 6)
    assert (len(outcome.answered), len(outcome.refused)) == (answered, 6 - answered)


def test_nobody_waits_beyond_the_deadline() -> None:
    outcome = App(EVEN, 1, None, queue=100, deadline=0.1).run_arrivals([100] * 20)
    assert max(wait for _, wait in outcome.answered) <= 0.12 + 1e-9
    assert outcome.refused


def test_replicas_are_added_after_the_delays() -> None:
    rule = {"target_ongoing_requests": 2, "metrics_interval_s": 1, "look_back_period_s": 3}
    rule |= {"upscale_delay_s": 5, "max_replicas": 4, "start_seconds": 7}
    outcome = App(EVEN, 1, None).run_arrivals([200] * 60, rule)
    assert outcome.replicas[0][0] >= 5 + 7
    assert outcome.replicas[-1][1] == 4
    assert outcome.summarize(0, 10)["refused"] > 0.5
    assert outcome.summarize(50)["refused"] < 0.2


def test_published_prediction_is_that_of_the_measured_times() -> None:
    published = json.loads((READINGS / "predicted.json").read_text())
    assert predict(Cost.read(), 1) == published["1"]
