"""The wording of the screen: predictions, track records, errors, labels and numbers."""

import re
from collections.abc import Sequence

from model.bundle import LabelOutcome, Manifest, ModelCard
from model.decision import Certainty, certainty
from model.errors import BundleError, LoupeError
from model.prediction import Candidate, Prediction
from model.share_link import Signature

__all__ = [
    "SIGNATURE_NOTES",
    "article",
    "escape_markdown",
    "format_percent",
    "headline",
    "join_words",
    "label_summary",
    "link_urls",
    "percent_range",
    "phrase_error",
    "phrase_false_rejections",
    "phrase_track_record",
    "shorten",
    "spell_number",
]

SIGNATURE_NOTES = {
    Signature.VALID: "This app gave this answer. Its photo is no longer here: links don't include "
    "it, and a reload drops it. Send the photo again to see why, or to correct it.",
    Signature.CHANGED: "This link was changed after it was made. Don't rely on this answer.",
    Signature.OTHER_KEY: "Unverified answer: the link was signed with another key, so this app "
    "can't check it.",
    Signature.MISSING: "Unverified answer: the link isn't signed, so anyone could have made it up.",
}
"""Notes on a shared answer by the state of its signature."""

PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Vowels that sound like a consonant, and consonants that sound like a vowel. Libraries that
# know more cost 29 MB of memory and a second at start, which is too much for an article.
TAKES_AN = re.compile(
    r"(?i:(?!e[uw]|uni(?!n)|u[bcfhjkqrst][aeiou]|use|one\b|once)[aeiou]|hour|honest|heir)"
    r"|[FHLMNRSX](?:[A-Z\d-]|$)"
)
URL = re.compile(r"https://[\w./~%?=&#+-]+")
# Mass nouns take no article: nobody says "an outwear".
MASS_NOUN = re.compile(r"(?i)wear$")
SINGULAR_S = re.compile(r"(ss|us|is|as|ops|^lens|[A-Z]\w*s)$")
DIRECTION_MARKS = re.compile(r"[\u202a-\u202e\u2066-\u2069\u200e\u200f]")
"""Marks that change the direction of the text around them."""

NUMBER_WORDS = "none one two three four five six seven eight nine ten eleven twelve".split()


def headline(prediction: Prediction) -> str:
    """Return the answer in words, as Markdown with every label escaped."""
    top_label = _name(prediction.top(1)[0], prediction)
    match certainty(prediction):
        case Certainty.LIKELY:
            return f"Very likely {top_label}"
        case Certainty.PROBABLE:
            return f"Probably {top_label}"
        case Certainty.FEW:
            names = [_name(candidate, prediction) for candidate in prediction.prediction_set or ()]
            options = join_words(names, "or")
            return options[:1].upper() + options[1:]
        case Certainty.HARD:
            return f"Hard to say. Maybe {top_label}"
        case Certainty.UNKNOWN:
            closest = escape_markdown(shorten(prediction.top(1)[0].label))
            count = spell_number(len(prediction.labels))
            return f"None of the {count} things I know (closest: {closest})"
        case Certainty.SEVERAL:
            names = [_add_article(label, prediction.language) for label in prediction.answer or []]
            return f"I see {join_words(names)}"
        case Certainty.NOTHING:
            return "I don't see anything I know"
        case _:
            return f"My best guess: {top_label}"


def _name(candidate: Candidate, prediction: Prediction) -> str:
    return _add_article(candidate.label, prediction.language)


def _add_article(label: str, language: str, max_length: int = 60) -> str:
    """Return a label with its article if it takes one, as Markdown.

    Not in italics, because their font would only be fetched when the answer appears.
    """
    prefix = article(label) if language == "en" else ""
    return f"{prefix} {escape_markdown(shorten(label, max_length))}".strip()


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


def label_summary(labels: Sequence[str], *, markdown: bool = True) -> str:
    """Return how many labels there are and the first few, as Markdown or plain text."""
    shown = labels if len(labels) <= 4 else labels[:3]
    names = [shorten(label, 30) for label in shown]
    if markdown:
        names = [escape_markdown(name) for name in names]
    if len(shown) < len(labels):
        names.append(f"{spell_number(len(labels) - len(shown))} more")
    things = "one thing" if len(labels) == 1 else f"{spell_number(len(labels))} things"
    return f"{things}: {join_words(names)}"


def phrase_track_record(card: ModelCard, index: int, labels: Sequence[str], language: str) -> str:
    """Return how often an answer was right on held-out photos, as Markdown."""
    outcome, name = card.outcome(index), _add_article(labels[index], language, 40)
    if outcome is None:
        return (
            f"In testing, none of {card.photos:,} photos was called {name}, so this answer has "
            "no track record yet."
        )
    other, _ = outcome.confused_with or (index, 0)
    mistakes = _phrase_mistakes(outcome, _add_article(labels[other], language, 40))
    if outcome.count == 1:
        verdict = ", correctly." if outcome.correct else f", and that photo {mistakes}."
        return f"In testing, it called only one photo {name}{verdict}"
    photos = f"{outcome.count:,} photos it called {name}"
    if not mistakes:
        return f"In testing, all {photos} were right."
    number = {0: "none", 1: "one"}.get(outcome.correct, f"{outcome.correct:,}")
    verb = "was" if outcome.correct < 2 else "were"
    return f"In testing, {number} of the {photos} {verb} right; {mistakes}."


def _phrase_mistakes(outcome: LabelOutcome, other: str) -> str:
    """Return a clause on what the wrongly labelled photos showed; empty if there are none."""
    wrong = outcome.count - outcome.correct
    if not wrong:
        return ""
    most = outcome.confused_with[1] if outcome.confused_with else 0
    subject = "the others" if outcome.correct else "they"
    if wrong == 1:
        return f"the other showed {other}" if outcome.correct else f"showed {other}"
    if most == wrong:
        return f"{subject} all showed {other}"
    if most * 2 > wrong:
        return f"most of {'the others' if outcome.correct else 'them'} showed {other}"
    if most > 1:
        return f"{subject} most often showed {other}"
    return f"{subject} were all different"


def phrase_false_rejections(manifest: Manifest) -> str:
    """Return how often the model wrongly said "none of these"; empty if that is unknown."""
    metric = manifest.metric("kept")
    if metric is None:
        return ""
    rejected = metric.photos - round(metric.value * metric.photos)
    number = {0: "none", 1: "one"}.get(rejected, f"{rejected:,}")
    return (
        f"In testing, it also said this about {number} of {metric.photos:,} photos of things "
        "it does know."
    )


def phrase_error(error: LoupeError) -> str:
    """Return the message that a visitor reads for an error, as Markdown.

    The error of a bundle names files on the server, which only the owner should see. Other
    errors contain no text from a visitor and are shown unchanged.
    """
    if isinstance(error, BundleError):
        return (
            f"This model can't be used right now ({error.code}). If you run this app, "
            "`python -m model verify` tells you why."
        )
    return str(error)


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows literally: no emphasis, link, formula, colour or icon."""
    flat = " ".join(DIRECTION_MARKS.sub("", text).split())
    # Escapes do not keep addresses from becoming links; an invisible joiner does.
    flat = flat.replace("://", ":\u2060//").replace("www.", "www\u2060.").replace("@", "@\u2060")
    return PUNCTUATION.sub(r"\\\1", flat)


def link_urls(text: str) -> str:
    """Return a manifest's text as escaped Markdown in which complete https URLs are links."""
    words = text.split()
    return " ".join(f"<{word}>" if URL.fullmatch(word) else escape_markdown(word) for word in words)


def shorten(text: str, max_length: int = 60) -> str:
    """Return text of at most ``max_length`` characters, with an ellipsis if it was cut."""
    return text if len(text) <= max_length else f"{text[: max_length - 1].rstrip()}…"


def join_words(words: Sequence[str], conjunction: str = "and") -> str:
    """Return 'a', 'a and b', 'a, b and c'."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"


def spell_number(count: int) -> str:
    """Return a number in words up to twelve, with separators above."""
    return NUMBER_WORDS[count] if 0 <= count < len(NUMBER_WORDS) else f"{count:,}"


def format_percent(share: float) -> str:
    """Return a share as a rounded percentage: 94%, 3.1%, under 0.1%."""
    if share >= 0.995:
        return f"{min(share, 0.999):.1%}" if share < 1 else "100%"
    if share < 0.001:
        return "under 0.1%"
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def percent_range(low: float, high: float, digits: int = 0) -> str:
    """Return two shares as '91–96%'."""
    return f"{100 * low:.{digits}f}–{100 * high:.{digits}f}%"
