"""Answers, errors and labels as Markdown; an answer's words are in ``model/answer/words.json``."""

import re
from collections.abc import Sequence
from unicodedata import bidirectional

from model.answer import phrases
from model.answer.phrases import Phrase, format_percent, shorten, spell_number
from model.answer.prediction import Certainty, Prediction
from model.errors import BundleError, LoupeError, describe_failure
from model.text import clean

__all__ = [
    "SURE",
    "escape_markdown",
    "format_percent",
    "headline",
    "join_words",
    "link_urls",
    "percent_range",
    "phrase_error",
    "phrase_failure",
    "say_passed_on",
    "short",
    "shorten",
    "spell_number",
    "to_markdown",
    "to_text",
    "typographic",
]

SURE = {Certainty.LIKELY, Certainty.PROBABLE, Certainty.SEVERAL}

PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
URL = re.compile(r"https://[\w./~%?=&#+-]+")


def headline(prediction: Prediction) -> str:
    """Return the answer in words, as Markdown with every label escaped."""
    return to_markdown(phrases.headline(prediction))


def to_markdown(phrase: Phrase) -> str:
    """Return a phrase as Markdown with every label escaped.

    Labels are not in italics, because that font would only be fetched when the answer appears.
    """
    return "".join(
        typographic(part) if isinstance(part, str) else escape_markdown(isolate(part.text))
        for part in phrase
    )


def isolate(label: str) -> str:
    """Return a label; with right-to-left characters, inside Unicode directional isolates."""
    is_rtl = any(bidirectional(char) in ("R", "AL", "AN") for char in label)
    return f"\u2068{label}\u2069" if is_rtl else label


def to_text(phrase: Phrase) -> str:
    """Return a phrase as plain text."""
    return "".join(part if isinstance(part, str) else isolate(part.text) for part in phrase)


def phrase_error(error: LoupeError) -> str:
    """Return the message that a visitor reads for an error, as Markdown.

    A bundle's error names files, which only the owner should see; others hold no visitor's text.
    """
    if isinstance(error, BundleError):
        return (
            f"This model can’t be used right now ({error.code}). If you run this app, "
            "`python -m model verify` tells you why."
        )
    return typographic(str(error))


def phrase_failure(error: LoupeError | OSError) -> str:
    """Return the message that the owner reads for an error, as escaped Markdown."""
    return escape_markdown(describe_failure(error))


def typographic(text: str) -> str:
    """Return a text that is also for terminals with curly apostrophes inside words."""
    return re.sub(r"(?<=\w)'(?=\w)", "’", text)


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows literally: no emphasis, link, formula, colour or icon."""
    # Escapes do not keep addresses from becoming links; an invisible joiner does.
    flat = (
        clean(text)
        .replace("://", ":\u2060//")
        .replace("www.", "www\u2060.")
        .replace("@", "@\u2060")
    )
    return PUNCTUATION.sub(r"\\\1", flat)


def short(text: str, max_length: int = 40) -> str:
    """Return a label or another name, cut where it is long, as Markdown."""
    return escape_markdown(isolate(shorten(text, max_length)))


def link_urls(text: str) -> str:
    """Return a manifest's or a host's text as escaped Markdown; complete https URLs are links."""
    words = typographic(text).split()
    return " ".join(f"<{word}>" if URL.fullmatch(word) else escape_markdown(word) for word in words)


def join_words(words: Sequence[str]) -> str:
    """Return 'a', 'a and b', 'a, b and c'."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def percent_range(low: float, high: float, digits: int = 0) -> str:
    """Return two shares as '91–96%'."""
    return f"{100 * low:.{digits}f}–{100 * high:.{digits}f}%"


def say_passed_on(sent: str, host: str | None) -> str:
    """Return a sentence, as Markdown, about the host that gets photos; "" without one."""
    if not host:
        return ""
    return f" The server passes the {sent} on to **{escape_markdown(host)}**, where the model runs."
