"""Estimates of how long training takes, from the last runs on this machine or measured rates."""

from collections.abc import Sequence

from ..resources import cores
from .config import DEFAULT_EPOCHS
from .run_record import CHECK, RunRecord

FIRST_EPOCH_PHOTOS = 250
"""Fewest photos with which the network itself is trained."""

RATES = {
    "Reading photos": 0.010,
    "Held-out photos": 0.010,
    "Features": 0.046,
    "Fine-tuning": 0.068,
    "Full graph": 0.008,
    "Small graph": 0.008,
    "Training photos": 0.006,
}
"""Seconds per photo on one core (fine-tuning: per photo and epoch), measured with lite0."""

FIXED = {"Starting": 8.0, "Learning rate": 26.0, "Compiling": 7.0, "Calibrating": 4.0}
"""Seconds of the stages whose duration hardly depends on the number of photos."""

LAST_RUNS = 3
PARTS = ("trained", "held_out", "test")

ORDER = (
    *("Starting", "Reading photos", "Held-out photos", "Features", "Learning rate"),
    *("Fine-tuning", "Compiling", "Full graph", "Small graph", "Training photos", "Calibrating"),
)

FINE_TUNING_STAGES = ("Learning rate", "Fine-tuning", "Training photos")
CHECK_STAGES = ("Starting", "Reading photos", "Held-out photos", "Features")
"""Stages of a check."""


def estimate_seconds(photos: int, arch: str, runs: Sequence[RunRecord]) -> float:
    """Return the estimated duration of a training, in seconds, without a search."""
    return sum(_expect(photos, arch, runs).values())


def seconds_left(record: RunRecord, runs: Sequence[RunRecord]) -> float:
    """Return the estimated time that a run or a check still takes, in seconds."""
    left = sum(stages_left(record, runs).values())
    if all(stage.name != "Searching" or not stage.done for stage in record.stages):
        left += 60 * float(record.parameters.get("search") or 0)
    if record.stages:
        current = record.stages[-1]
        if current.done:
            left += current.seconds / current.done * (current.total - current.done)
        else:
            expected = _expect(_count(record), _network(record), runs).get(current.name, 0.0)
            left += max(0.0, expected - current.seconds)
    return max(left, 1.0)


def stages_left(record: RunRecord, runs: Sequence[RunRecord]) -> dict[str, float]:
    """Return the stages after the current one, each with its estimated seconds."""
    expected = _expect(_count(record), _network(record), runs)
    names = [name for name in ORDER if expected.get(name)]
    if record.number == CHECK:
        names = [name for name in names if name in CHECK_STAGES]
    begun = [ORDER.index(stage.name) for stage in record.stages if stage.name in ORDER]
    return {name: expected[name] for name in names if ORDER.index(name) > max(begun, default=-1)}


def _count(record: RunRecord) -> int:
    """Return the number of photos of a run; until they are read, the longest stage's, or 100."""
    photos = sum(record.counts.get(part, 0) for part in PARTS)
    return photos or max((stage.total for stage in record.stages), default=0) or 100


def _network(record: RunRecord) -> str:
    return str(record.parameters.get("arch", "lite0"))


def _expect(photos: int, arch: str, runs: Sequence[RunRecord]) -> dict[str, float]:
    """Return the expected seconds of each stage, scaled from the last runs of the same network."""
    measured: dict[str, float] = {}
    known = [run for run in runs if run.state == "done" and _network(run) == arch and run.counts]
    for run in known[:LAST_RUNS]:
        share = photos / max(1, sum(run.counts.get(part, 0) for part in PARTS))
        for stage in run.stages:
            seconds = stage.seconds * (1 if stage.name in FIXED else share)
            # The longest, since runs that reuse cached copies and features are quicker.
            measured[stage.name] = max(measured.get(stage.name, 0.0), seconds)
    rates = FIXED | {name: rate * photos / cores() for name, rate in RATES.items()}
    rates["Fine-tuning"] *= DEFAULT_EPOCHS
    # The last runs may have had too few photos for fine-tuning.
    missing = FINE_TUNING_STAGES if known else rates.keys()
    expected = {name: measured.get(name, rates.get(name, 0.0)) for name in {*measured, *missing}}
    if photos < FIRST_EPOCH_PHOTOS and not measured.get("Fine-tuning"):
        expected = {name: s for name, s in expected.items() if name not in FINE_TUNING_STAGES}
    return {name: expected[name] for name in ORDER if name in expected}
