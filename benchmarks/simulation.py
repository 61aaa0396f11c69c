"""A model of the app under load, in SimPy: processes, their admission queues and their cores.

Its times are those that ``python -m benchmarks.replicas cost`` measured of one process.
"""

import json
import math
import random
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import simpy

Steps = Generator[simpy.Event, Any, None]

READINGS = Path(__file__).parent / "readings"
QUANTUM_SECONDS = 0.001
"""Time after which photos that hold a slot give a core to others. Short work, of event loops, proxy
and load, goes first, as the system's scheduler has it."""


@dataclass(frozen=True)
class Cost:
    """Seconds of a core per photo.

    Attributes:
        slot: of single photos, while they hold a slot; one is drawn for each.
        loop: of the server's event loop, half of it before the photo enters the queue.
        proxy: of nginx, for each process that it asks.
        client: of the load generator.
    """

    slot: Sequence[float]
    loop: float
    proxy: float = 0
    client: float = 0

    @classmethod
    def read(cls) -> "Cost":
        """Return what was measured."""
        measured = json.loads((READINGS / "cost.json").read_text("utf-8"))
        return cls(*(measured[name] for name in ("slot", "loop", "proxy", "client")))


@dataclass
class Outcome:
    """Times, in seconds: (sent, wait) of answers; of refusals; and (from, number of processes)."""

    answered: list[tuple[float, float]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    replicas: list[tuple[float, int]] = field(default_factory=list)

    def summarize(self, start: float = 0, end: float = math.inf) -> dict[str, float]:
        """Return rate, 95th percentile in seconds and refused share of the photos of a period."""
        waits = sorted(wait for sent_at, wait in self.answered if start <= sent_at < end)
        refused = sum(start <= sent_at < end for sent_at in self.refused)
        last = max((sent_at + wait for sent_at, wait in self.answered), default=math.inf)
        return {
            "photos_per_second": len(waits) / (min(end, last) - start),
            "p95": waits[int(0.95 * len(waits))] if waits else math.nan,
            "refused": refused / max(1, refused + len(waits)),
        }


class Process:
    """A server process on ``cores``: an event loop, slots, and places to wait for one."""

    def __init__(self, app: "App", cores: simpy.PriorityResource) -> None:
        self.app, self.cores, self.ongoing = app, cores, 0
        self.loop, self.slots = simpy.Resource(app.env), simpy.Resource(app.env, app.slots)

    def identify(self) -> Generator[simpy.Event, Any, bool]:
        """Identify a photo; return False if it is refused."""
        app, slots = self.app, self.slots
        yield from self._run_loop()
        if slots.count >= app.slots and len(slots.queue) >= app.queue:
            return False
        with slots.request() as slot:
            yield slot | app.env.timeout(app.deadline)
            if not slot.triggered:
                return False
            yield from app.compute(self.cores, app.random.choice(app.cost.slot), 1)
        yield from self._run_loop()
        return True

    def _run_loop(self) -> Steps:
        with self.loop.request() as turn:
            yield turn
            yield from self.app.compute(self.cores, self.app.cost.loop / 2)


@dataclass(eq=False)
class App:
    """Processes behind a proxy.

    nginx asks the next process where one refuses a photo; Ray Serve asks the less busy of two.

    Attributes:
        cost: what a photo takes.
        started: how many processes there are when a run begins.
        shared_cores: cores that they, the proxy and the load share; None gives each process cores
            of its own, and leaves out proxy and load.
        slots, queue, deadline: photos at a time, ``LOUPE_QUEUE`` and ``LOUPE_DEADLINE``, of each.
        max_ongoing: Ray Serve's ``max_ongoing_requests``; None stands for nginx.
        seed: of all random numbers.
    """

    cost: Cost
    started: int
    shared_cores: int | None
    slots: int = 1
    queue: int = 8
    deadline: float = 10
    max_ongoing: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Start the simulated processes of the app."""
        self.env, self.random = simpy.Environment(), random.Random(self.seed)
        cores = self.shared_cores
        self.machine = simpy.PriorityResource(self.env, cores) if cores else None
        self.client, self.outcome = simpy.Resource(self.env), Outcome()
        self.processes = list[Process]()
        self._add(self.started)

    def _add(self, count: int) -> None:
        for _ in range(count):
            cores = self.machine or simpy.PriorityResource(self.env, self.slots)
            self.processes.append(Process(self, cores))

    def compute(self, cores: simpy.PriorityResource, seconds: float, priority: int = 0) -> Steps:
        """Keep a core busy; work of a priority above 0 takes turns with others."""
        while seconds > 0:
            with cores.request(priority) as core:
                yield core
                share = min(seconds, QUANTUM_SECONDS) if priority else seconds
                yield self.env.timeout(share)
                seconds -= share

    def send(self) -> Steps:
        """Send a photo and note its outcome."""
        sent_at = self.env.now
        if self.machine:
            with self.client.request() as turn:
                yield turn
                yield from self.compute(self.machine, self.cost.client)
        for process in self._route():
            if self.machine:
                yield from self.compute(self.machine, self.cost.proxy)
            process.ongoing += 1
            is_answered = yield from process.identify()
            process.ongoing -= 1
            if is_answered:
                self.outcome.answered.append((sent_at, self.env.now - sent_at))
                return
        self.outcome.refused.append(sent_at)

    def _route(self) -> list[Process]:
        """Return the processes that are asked, one after the other."""
        processes = self.random.sample(self.processes, len(self.processes))
        if self.max_ongoing is None:
            return processes
        chosen = min(processes[:2], key=lambda process: process.ongoing)
        return [chosen] if chosen.ongoing < self.max_ongoing else []

    def run_clients(self, clients: int, photos: int) -> Outcome:
        """Let each client send a photo as soon as its last one is answered."""
        left = iter(range(photos))

        def client() -> Steps:
            for _ in left:
                yield from self.send()

        self.env.run(self.env.all_of([self.env.process(client()) for _ in range(clients)]))
        return self.outcome

    def run_arrivals(
        self, rates: Sequence[float], autoscaling: Mapping[str, float] | None = None
    ) -> Outcome:
        """Let photos arrive at random.

        Args:
            rates: photos per second, for each second.
            autoscaling: Ray Serve's settings, and ``start_seconds`` of a replica; None adds none.
        """

        def arrive() -> Steps:
            for second, rate in enumerate(rates):
                at = second + self.random.expovariate(rate)
                while at < second + 1:
                    yield self.env.timeout(at - self.env.now)
                    self.env.process(self.send())
                    at += self.random.expovariate(rate)

        self.env.process(arrive())
        if autoscaling:
            self.env.process(self._scale(autoscaling, len(rates)))
        self.env.run()
        return self.outcome

    def _scale(self, rule: Mapping[str, float], seconds: float) -> Steps:
        """Add processes by the mean number of photos under way, as Ray's autoscaling_policy.py."""
        length = max(1, round(rule["look_back_period_s"] / rule["metrics_interval_s"]))
        recent, target, wanted_since = deque[int](maxlen=length), len(self.processes), math.inf
        while self.env.now < seconds:
            recent.append(sum(process.ongoing for process in self.processes))
            mean = sum(recent) / len(recent)
            wanted = math.ceil(min(rule["max_replicas"], mean / rule["target_ongoing_requests"]))
            wanted_since = min(wanted_since, self.env.now) if wanted > target else math.inf
            if self.env.now - wanted_since >= rule["upscale_delay_s"]:
                self.env.process(self._start(wanted - target, rule["start_seconds"]))
                target, wanted_since = wanted, math.inf
            yield self.env.timeout(rule["metrics_interval_s"])

    def _start(self, count: int, seconds: float) -> Steps:
        yield self.env.timeout(seconds)
        self._add(count)
        self.outcome.replicas.append((self.env.now, len(self.processes)))
