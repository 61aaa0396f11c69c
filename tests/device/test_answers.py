"""``prediction.mjs`` and ``phrasing.mjs`` in ``device/`` against ``model``: the same answers."""

import json
import random
from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.answer.phrases import device_words, format_percent, headline, phrase_to_json, trust_lines
from model.answer.prediction import (
    Candidate,
    Certainty,
    Graph,
    Milliseconds,
    Prediction,
    apply_thresholds,
    certainty,
    certainty_rule,
)
from model.answer.share_link import encode
from model.browser.device_files import calibration_json
from model.bundle import Calibration, Manifest, Metric, ModelCard, SmallCard, get_bundle
from model.bundle.manifest import PRESENT_FROM, PredictionSetRule
from tests.device.node import run_node

CASES = 600
EDGES = [0.0, 1e-30, 4e-7, 5e-7, 0.001, 0.1, 0.125, 0.3, 0.5, 0.9, 0.995, 0.999, 1.0]
"""Probabilities at which a rule or a rounding changes."""

HOSTILE = [
    "قميص أزرق (قطن)",
    "👩🏽\u200d🚀 astronaut",
    "👍" * 70,
    "\u202egnp.exe",
    "  two \t spaces ",
    "long " * 39,
    "<img src=x onerror=alert(1)>",
    "{top} of {plausible}",
    "**bold** [a](javascript:1)",
    "ßharp",
    "ǆ",
    "ﬁsh",
    "__proto__",
    "constructor",
    "hour glass",
    "MP3 player",
    "Footwear",
    "猫",
    "a\ufeff",
    "5",
]
LABELS: list[tuple[str, tuple[str, ...]]] = [
    ("en", get_bundle("clothing").labels),
    ("en", tuple(HOSTILE)),
    ("ar", tuple(HOSTILE)),
    ("de", ("Hemd", "Schuhe", "Hut")),
    ("en", ("umbrella",)),
    ("en", tuple(f"thing {number}" for number in range(1000))),
]


@dataclass(frozen=True)
class Case:
    """Outputs of a graph for one photo, and Python's answer to them."""

    model: int
    graph: str
    top: int
    prediction: Prediction
    novelty: float | None
    manifest: Manifest
    small: SmallCard | None

    def to_json(self) -> dict[str, Any]:
        times = self.prediction.milliseconds
        assert times is not None
        return {
            "model": self.model,
            "graph": self.graph,
            "top": self.top,
            "probabilities": self.prediction.probabilities.tolist(),
            "novelty": self.novelty,
            "milliseconds": asdict(times),
        }

    def expected(self) -> dict[str, Any]:
        lines = trust_lines(self.prediction, self.manifest, self.small)
        phrase = headline(self.prediction)
        return {
            "prediction": self.prediction.to_dict("x.jpg", self.top),
            "certainty": certainty(self.prediction),
            "headline": phrase_to_json(phrase),
            "text": "".join(part if isinstance(part, str) else part.text for part in phrase),
            "trust_lines": [phrase_to_json(line) for line in lines],
            "percent": format_percent(self.prediction.top(1)[0].probability),
            "token": encode(replace(self.prediction, engine="wasm")),
        }


def make_manifests(rng: random.Random) -> list[Manifest]:
    """Return manifests of every kind: labels, calibration, card and metrics by chance."""
    start = get_bundle("clothing").manifest
    manifests = []
    for (language, labels), multilabel, kind in product(
        LABELS, (False, True), ("none", "empty", "estimated", "set", "ood", "both")
    ):
        fields: dict[str, Any] = {"language": language, "labels": labels, "multilabel": multilabel}
        fields["threshold"] = rng.choice([None, 0.1, 0.3, 0.700001]) if multilabel else None
        fields["calibration"] = make_calibration(rng, kind, len(labels))
        fields["card"] = rng.choice([None, make_card(rng, len(labels)), make_card(rng, 1)])
        kept = Metric(name="kept", value=rng.random(), low=0, high=1, photos=2345, on="x", by="x")
        fields["metrics"] = rng.choice([(), (kept,)])
        manifests.append(start.model_copy(update=fields))
    return manifests


def make_calibration(rng: random.Random, kind: str, labels: int) -> Calibration | None:
    if kind == "none":
        return None
    lowest = rng.choice([0, 0.1, 0.3])
    thresholds = tuple(max(lowest, rng.choice([*EDGES, rng.random()])) for _ in range(labels))
    rule = PredictionSetRule(coverage=0.9, label_thresholds=thresholds)
    return Calibration(
        temperature=1,
        prediction_set=rule if kind in ("set", "both") else None,
        ood_threshold=rng.uniform(-1, 1) if kind in ("ood", "both") else None,
        estimated="by hand" if kind == "estimated" else None,
    )


def make_card(rng: random.Random, labels: int) -> ModelCard:
    pairs = {(rng.randrange(labels), rng.randrange(labels)) for _ in range(2 * labels)}
    pairs |= {(label, label) for label in range(labels) if rng.random() < 0.5}
    confusion = tuple((*pair, rng.choice([1, 2, 30, 1200])) for pair in sorted(pairs))
    return ModelCard(
        on="x", photos=sum(row[2] for row in confusion), folds=5, confusion=confusion, command=""
    )


def make_probabilities(rng: random.Random, manifest: Manifest) -> NDArray[np.float32]:
    """Return float32 [labels]: sharp or flat, with ties, and values at and beside edges."""
    count, calibration = len(manifest.labels), manifest.calibration
    logits = np.array([rng.gauss(0, 1) for _ in range(count)]) * rng.choice([0.0, 1.0, 4.0, 30.0])
    if manifest.multilabel:
        numbers = 1 / (1 + np.exp(-logits))
    else:
        numbers = np.exp(logits - logits.max())
        numbers /= numbers.sum()
    probabilities = numbers.astype(np.float32)
    thresholds: tuple[float, ...] = ()
    if calibration and calibration.prediction_set:
        thresholds = calibration.prediction_set.label_thresholds
    if thresholds and min(thresholds) > 0 and rng.random() < 0.3:
        # One other label decides the set, by the last digit.
        probabilities[:] = 0
        index = rng.randrange(count)
        probabilities[index - 1], probabilities[index] = 1, thresholds[index]
        return probabilities
    edges = [*EDGES, manifest.present_from, *thresholds[:8]]
    for _ in range(rng.choice([0, 1, 3])):
        value = np.float32(rng.choice(edges))
        side: float = rng.choice([-np.inf, float(value), np.inf])
        probabilities[rng.randrange(min(count, 8))] = np.clip(np.nextafter(value, side), 0, 1)
    if rng.random() < 0.2:
        probabilities[:] = rng.choice(probabilities)
    return probabilities


def make_case(rng: random.Random, manifests: list[Manifest]) -> Case:
    multilabel = rng.random() < 0.3
    model = rng.choice([i for i, m in enumerate(manifests) if m.multilabel is multilabel])
    manifest = manifests[model]
    calibration = manifest.calibration
    novelty = None
    if rng.random() < 0.8:
        threshold = calibration and calibration.ood_threshold
        near = np.float32(threshold or 0)
        after, other = np.nextafter(near, np.float32(9)), np.float32(rng.uniform(-1, 1))
        novelty = float(rng.choice([near, after, other]))
    times = Milliseconds(*(rng.choice([0, 0.125, 12.345, rng.uniform(0, 99)]) for _ in range(4)))
    prediction = Prediction(
        model=manifest.name,
        version="0123456789ab",
        engine="compiled",
        labels=manifest.labels,
        probabilities=make_probabilities(rng, manifest),
        milliseconds=times,
        language=manifest.language,
        multilabel=manifest.multilabel,
        present_from=manifest.present_from,
        calibrated=manifest.is_calibrated,
        estimated=manifest.is_estimated,
    )
    prediction = apply_thresholds(prediction, novelty, calibration)
    graph: Graph = rng.choice(["small", "full"])
    prediction = replace(prediction, graph=graph)
    top = rng.choice([1, 5, 2000])
    return Case(model, graph, top, prediction, novelty, manifest, make_small_card(manifest))


@cache
def make_small_cards() -> list[SmallCard]:
    """Return what was measured of small graphs with one label and with many."""
    rng = random.Random(12)
    kept = Metric(name="kept", value=rng.random(), low=0, high=1, photos=345, on="x", by="x")
    fields: dict[str, Any] = {"format": 1, "version": "0123456789ab", "graph": "0" * 64}
    return [
        SmallCard(**fields, metrics=metrics, full_metrics=(), card=card)
        for card, metrics in product((None, make_card(rng, 1), make_card(rng, 3)), ((), (kept,)))
    ]


def make_small_card(manifest: Manifest) -> SmallCard | None:
    """Return one of the small cards or none, always the same for a manifest."""
    cards = [None, *make_small_cards()]
    small = cards[len(manifest.model_dump_json()) % len(cards)]
    fits = not small or not small.card or small.card.highest_label < len(manifest.labels)
    return small if fits else None


def to_model_json(manifest: Manifest) -> dict[str, Any]:
    graph = {"calibration": calibration_json(manifest.calibration)}
    return {
        "name": manifest.name,
        "version": "0123456789ab",
        "language": manifest.language,
        "multilabel": manifest.multilabel,
        "labels": manifest.labels,
        "words": device_words(manifest, make_small_card(manifest)),
        "graphs": {"small": graph, "full": graph},
    }


@cache
def make_cases() -> tuple[list[Manifest], list[Case]]:
    rng = random.Random(11)
    manifests = make_manifests(rng)
    return manifests, [make_case(rng, manifests) for _ in range(CASES)]


SCRIPT = """
  const { certaintyRule, headline, trustLines, formatPercent, toText } =
    await load("view/phrasing.mjs");
  const { predict } = await load("engine/prediction.mjs");
  const { encodeLink } = await load("visit/device_model.mjs");
  return given.cases.map(({ model: number, graph, probabilities, novelty, milliseconds, top }) => {
    const model = given.models[number];
    const output = { probabilities: Float32Array.from(probabilities), novelty };
    const prediction = predict(model, graph, output, milliseconds, top);
    return {
      prediction,
      certainty: certaintyRule(model, prediction).certainty,
      headline: headline(model, prediction),
      text: toText(headline(model, prediction)),
      trust_lines: trustLines(model, prediction),
      percent: formatPercent(model, prediction.candidates[0].probability),
      token: encodeLink(model, predict(model, graph, output, milliseconds, 2000)),
    };
  });
"""


def answers_of_node(manifests: list[Manifest], cases: list[Case]) -> Any:
    """Return, for each case, what a page would show of it."""
    models = [to_model_json(manifest) for manifest in manifests]
    return run_node(SCRIPT, {"models": models, "cases": [case.to_json() for case in cases]})


def test_device_and_server_give_the_same_answers() -> None:
    manifests, cases = make_cases()
    answers = answers_of_node(manifests, cases)
    assert len(answers) == CASES
    for case, answer in zip(cases, answers, strict=True):
        expected = json.loads(json.dumps(case.expected()))
        for key in ("engine", "runs_in", "graph", "photo"):
            answer["prediction"].pop(key, None)
            expected["prediction"].pop(key, None)
        assert answer == expected


def test_cases_cover_every_kind() -> None:
    _, cases = make_cases()
    kinds = Counter(certainty(case.prediction) for case in cases)
    assert min(kinds[kind] for kind in Certainty) >= 10, kinds
    lines = Counter(len(case.expected()["trust_lines"]) for case in cases)
    assert min(lines[count] for count in (0, 1, 2)) >= 10, lines
    notes = Counter(certainty_rule(case.prediction).get("note") for case in cases)
    assert len(notes) == 3
    assert min(notes.values()) >= 10, notes
    # Of models with a threshold of their own, some answers differ from those from one half.
    usual = [replace(case.prediction, present_from=PRESENT_FROM) for case in cases]
    pairs = zip(cases, usual, strict=True)
    assert sum(case.prediction.answer != other.answer for case, other in pairs) >= 10
    # Thresholds rounded to float32 would make other sets.
    assert [c for c in cases if c.prediction.prediction_set != rounded_set(c)]


def rounded_set(case: Case) -> tuple[Candidate, ...] | None:
    """Return the prediction set by thresholds that were rounded to float32."""
    calibration = case.manifest.calibration
    if calibration is None or calibration.prediction_set is None:
        return None
    thresholds = np.array(calibration.prediction_set.label_thresholds, np.float32).tolist()
    rule = calibration.prediction_set.model_copy(update={"label_thresholds": thresholds})
    rounded = calibration.model_copy(update={"prediction_set": rule})
    return apply_thresholds(case.prediction, case.novelty, rounded).prediction_set
