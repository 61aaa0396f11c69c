"""An answer in words, in any medium: headline, track record, names of labels, numbers.

A phrase marks its labels, so that a page can escape them or name their language.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..bundle import Calibration, Manifest, Metric, ModelCard, SmallCard
from ..text import clean
from .prediction import WORDS, Certainty, Prediction, certainty, certainty_rule

# Vowels that sound like a consonant, and consonants that sound like a vowel. Libraries that
# know more cost 29 MB of memory and a second at start, which is too much for an article.
TAKES_AN = re.compile(
    r"(?i:(?!e[uw]|uni(?!n)|u[bcfhjkqrst][aeiou]|use|one\b|once)[aeiou]|hour|honest|heir)"
    r"|[FHLMNRSX](?:[A-Z\d-]|$)"
)
# Mass nouns take no article: "an outwear" is wrong.
MASS_NOUN = re.compile(r"(?i)wear$")
SINGULAR_S = re.compile(r"(ss|us|is|as|ops|^lens|[A-Z]\w*s)$")
NUMBER_WORDS = "none one two three four five six seven eight nine ten eleven twelve".split()
PLACEHOLDER = re.compile(r"\{(\w+)\}")

MAX_LABEL_LENGTH = 60
MAX_LABEL_LENGTH_IN_SUMMARY = 30


@dataclass(frozen=True, slots=True)
class ShownLabel:
    """A label in a phrase, which comes from a bundle and is in the bundle's language."""

    text: str


Phrase = tuple[str | ShownLabel, ...]
"""Text with its labels marked."""


def headline(prediction: Prediction) -> Phrase:
    """Return an answer in words."""
    return _capitalize(_fill(certainty_rule(prediction)["headline"], prediction))


def shared_words(prediction: Prediction) -> tuple[Phrase, str]:
    """Return an answer as others tell it, after "said", and its percentage; "" without one."""
    shared = certainty_rule(prediction).get("shared")
    percent = "" if shared else format_percent(prediction.top(1)[0].probability)
    if percent and certainty(prediction) is Certainty.GUESS:
        percent = f"about {percent}"
    return _fill(shared or "{closest}", prediction), percent


def trust_lines(
    prediction: Prediction, manifest: Manifest | None, small: SmallCard | None = None
) -> list[Phrase]:
    """Return how far to trust an answer: up to two lines.

    Args:
        manifest: of the version that answered; None if it no longer exists.
        small: the small graph's figures, for answers of that graph.
    """
    rule, lines = certainty_rule(prediction), []
    if "note" in rule:
        lines.append(_fill(rule["note"], prediction))
    is_full = prediction.graph == "full"
    measured = small if small and small.card and not is_full else manifest
    # A card has no track record of answers with several labels.
    if measured is None or "record" not in rule:
        return lines
    record = track_record(measured, rule["record"], prediction.top(1)[0].index)
    is_other = measured is manifest and not is_full
    end = WORDS["testing"]["other_graph" if is_other else "same_graph"] if measured.card else ""
    return [*lines, _phrase(*record, end)] if record else lines


def _fill(template: str, prediction: Prediction) -> Phrase:
    """Return a template of ``words.json`` with its placeholders filled."""
    parts: list[str | ShownLabel] = []
    for index, piece in enumerate(PLACEHOLDER.split(template)):
        parts += _value(piece, prediction) if index % 2 else [piece]
    return _phrase(*parts)


def _value(name: str, prediction: Prediction) -> Phrase:
    top_label, language = prediction.top(1)[0].label, prediction.language
    match name:
        case "top":
            return name_label(top_label, language)
        case "closest":
            return (_shown(top_label),)
        case "things":
            return (spell_number(len(prediction.labels)),)
        case "percent":
            return (format_percent(prediction.top(1)[0].probability),)
        case "present":
            labels = list(prediction.answer or ())
        case "plausible":
            labels = [candidate.label for candidate in prediction.prediction_set or ()]
        case _:
            raise KeyError(name)
    is_bare = name == "present" and len(labels) > 1  # some may be adjectives: "a striped"
    names = [(_shown(label),) if is_bare else name_label(label, language) for label in labels]
    return _join(names, WORDS["conjunctions"][name])


def _phrase(*parts: str | ShownLabel) -> Phrase:
    """Return a phrase in which no text is empty or follows another text."""
    phrase: list[str | ShownLabel] = []
    for part in parts:
        if isinstance(part, str) and phrase and isinstance(phrase[-1], str):
            phrase[-1] += part
        elif part:
            phrase.append(part)
    return tuple(phrase)


def _capitalize(phrase: Phrase) -> Phrase:
    first, *rest = phrase
    text = first if isinstance(first, str) else first.text
    text = text[:1].upper() + text[1:]
    return (text if isinstance(first, str) else ShownLabel(text), *rest)


def _join(phrases: Sequence[Phrase], conjunction: str) -> Phrase:
    """Return 'a', 'a or b', 'a, b or c'."""
    parts: list[str | ShownLabel] = []
    for index, phrase in enumerate(phrases):
        if index:
            parts.append(f" {conjunction} " if index == len(phrases) - 1 else ", ")
        parts += phrase
    return _phrase(*parts)


def _shown(label: str, max_length: int = MAX_LABEL_LENGTH) -> ShownLabel:
    return ShownLabel(shorten(clean(label), max_length))


def label_summary(labels: Sequence[str]) -> Phrase:
    """Return how many labels there are and the first few: 'ten things: hat, shirt and eight more'.

    At least one label.
    """
    shown = labels if len(labels) <= 4 else labels[:3]
    names: list[Phrase] = [(_shown(label, MAX_LABEL_LENGTH_IN_SUMMARY),) for label in shown]
    if len(shown) < len(labels):
        names.append((f"{spell_number(len(labels) - len(shown))} more",))
    things = "one thing" if len(labels) == 1 else f"{spell_number(len(labels))} things"
    return _phrase(f"{things}: ", *_join(names, "and"))


def name_label(label: str, language: str) -> Phrase:
    """Return a label with its article if it takes one."""
    prefix = article(label) if language == "en" else ""
    return _phrase(prefix and f"{prefix} ", _shown(label))


def article(label: str) -> str:
    """Return 'a' or 'an'; empty for a plural, a mass noun or a label in another script."""
    words = re.sub(r"\s*\(.*\)$", "", label).split()
    if not words or not label.isascii():
        return ""
    last = words[-1]
    if MASS_NOUN.search(last):
        return ""
    if last.lower().endswith("s") and not SINGULAR_S.search(last):
        return ""
    return "an" if TAKES_AN.match(words[0]) else "a"


def track_record(measured: Manifest | SmallCard, kind: str, index: int) -> Phrase:
    """Return how often an answer was right; empty if unknown. With a card, " in testing" is added.

    ``kind`` is ``record`` in ``words.json``, ``index`` the top label's.
    """
    if kind == "plausible":
        if (coverage := measured.metric("coverage")) is None:
            return ()
        return (f"One of the labels it named was right {round(100 * coverage.value)} times in 100",)
    if measured.card:
        by_label = answer_record(measured.card, index)
        return by_label if kind == "labels" else false_rejections(measured.metric("kept"))
    if kind == "labels":
        return recordings_record(measured.metric("accuracy"))
    promised = promised_rejections(measured.calibration)
    return (f"It says this of {promised} things it does know",) if promised else ()


def recordings_record(accuracy: Metric | None) -> Phrase:
    """Return for how many recordings a few-shot head was right; empty for other models."""
    if accuracy is None or not accuracy.unit:
        return ()
    return (f"Right for {accuracy.successes:,} of {accuracy.counted}, {accuracy.on}",)


def promised_rejections(calibration: Calibration | None) -> str:
    """Return how many of the things it knows a few-shot head rejects, as 'up to 1 in 10'."""
    target = calibration and calibration.target_id_accept_rate
    return f"up to 1 in {round(1 / (1 - target))}" if target else ""


def answer_record(card: ModelCard, index: int) -> Phrase:
    """Return how often an answer was right on held-out photos, to be followed by " in testing"."""
    count, correct = card.outcomes.get(index, (0, 0))
    if not count:
        return (f"None of {card.photos:,} photos got this answer",)
    verdict = "Right" if correct else "Wrong"
    if count == 1:
        return (f"{verdict} the only time it said this",)
    if correct in (0, count):
        return (f"{verdict} all {count:,} times it said this",)
    return (f"Right {correct:,} of the {count:,} times it said this",)


def false_rejections(metric: Metric | None) -> Phrase:
    """Return how often a model wrongly said "none of these"; " in testing" is to be added.

    ``metric`` is the one of accepted known photos, named *kept*. Without it, the phrase is empty.
    """
    if metric is None:
        return ()
    rejected = metric.photos - metric.successes
    number = {0: "none", 1: "one"}.get(rejected, f"{rejected:,}")
    photos = f"{metric.photos:,} photos of things it knows"
    return (f"It also said this about {number} of {photos}",)


def shorten(text: str, max_length: int = MAX_LABEL_LENGTH) -> str:
    """Return text of at most ``max_length`` characters, with an ellipsis if it was cut."""
    return text if len(text) <= max_length else f"{text[: max_length - 1].rstrip()}…"


def spell_number(count: int) -> str:
    """Return a number in words up to twelve, with separators above."""
    return NUMBER_WORDS[count] if 0 <= count < len(NUMBER_WORDS) else f"{count:,}"


def format_percent(share: float) -> str:
    """Return a share as a rounded percentage: 94%, 3.1%, <0.1%."""
    rule = next(r for r in WORDS["percent"] if "below" not in r or share < r["below"])
    if "text" in rule:
        return str(rule["text"])
    return f"{min(share, rule.get('at_most', share)):.{rule['digits']}%}"


def device_words(manifest: Manifest, small: SmallCard | None = None) -> dict[str, Any]:
    """Return ``words`` in ``model.json``: the rules and templates, and this bundle's phrases.

    Names and track records are phrased here, so that only Python knows English grammar.
    """
    labels, language = manifest.labels, manifest.language
    return {
        **WORDS,
        # A taught model's record is a whole sentence.
        "testing": dict.fromkeys(WORDS["testing"], "") if manifest.is_taught else WORDS["testing"],
        "present_from": manifest.present_from,
        "estimated": manifest.is_estimated or manifest.is_untested,
        "things": spell_number(len(labels)),
        "names": [phrase_to_json(name_label(label, language)) for label in labels],
        # By the graph that was measured.
        "records": {
            "full": _records(manifest, manifest),
            **({"small": _records(small, manifest)} if small and small.card else {}),
        },
    }


def _records(measured: Manifest | SmallCard, manifest: Manifest) -> dict[str, Any] | None:
    """Return the track records of a graph's answers; None if nothing was measured."""
    if measured.card is None and not manifest.is_taught:
        return None
    indices = range(len(manifest.labels))
    return {
        "labels": [phrase_to_json(track_record(measured, "labels", index)) for index in indices],
        "plausible": phrase_to_json(track_record(measured, "plausible", 0)),
        "unknown": phrase_to_json(track_record(measured, "unknown", 0)),
    }


def phrase_to_json(phrase: Phrase) -> list[str | dict[str, str]]:
    """Return a phrase as a list of texts and ``{"label": …}``."""
    return [part if isinstance(part, str) else {"label": part.text} for part in phrase]
