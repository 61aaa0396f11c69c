"""What the screen says: sentences first, numbers beside them."""

import re
from collections.abc import Sequence

from model.bundle import LabelOutcome, Manifest, ModelCard
from model.decision import Certainty, certainty
from model.errors import BundleError, LoupeError
from model.prediction import Candidate, Prediction
from model.share_link import Signature

__all__ = [
    "SIGNATURE_NOTES",
    "an",
    "called",
    "escaped",
    "headline",
    "linked",
    "listed",
    "percent",
    "record",
    "refusal",
    "shorten",
    "spoken",
    "turned_away",
]

SIGNATURE_NOTES = {
    Signature.VALID: "This app gave this answer. The link doesn't include the photo.",
    Signature.CHANGED: "This link was changed after it was made. Don't rely on this answer.",
    Signature.OTHER_KEY: "Unverified answer: the link was signed with another key, so this app "
    "can't check it.",
    Signature.MISSING: "Unverified answer: the link isn't signed, so anyone could have made it up.",
}
"""What a shared answer's signature means, in words."""

PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Vowels that sound like a consonant, and consonants that sound like a vowel. The
# libraries that know more cost 29 MB and a second of start: too much for an article.
AN = re.compile(
    r"(?i:(?!e[uw]|uni(?!n)|u[bcfhjkqrst][aeiou]|use|one\b|once)[aeiou]|hour|honest|heir)"
    r"|[FHLMNRSX](?:[A-Z\d-]|$)"
)
ADDRESS = re.compile(r"https://[\w./~%?=&#+-]+")
# "an outwear" is nothing that people say.
UNCOUNTED = re.compile(r"(?i)wear$")
SINGULAR_S = re.compile(r"(ss|us|is|as|ops|^lens|[A-Z]\w*s)$")
# Marks that turn the direction of the text around them.
TURNING = re.compile(r"[\u202a-\u202e\u2066-\u2069\u200e\u200f]")
NUMBERS = "none one two three four five six seven eight nine ten eleven twelve".split()


def headline(prediction: Prediction) -> str:
    """The answer in words, as Markdown with every label escaped."""
    found = certainty(prediction)
    first = prediction.top(1)[0]
    plausible = prediction.prediction_set or ()
    match found:
        case Certainty.LIKELY:
            return f"Very likely {_said(first, prediction)}"
        case Certainty.PROBABLE:
            return f"Probably {_said(first, prediction)}"
        case Certainty.FEW:
            words = [_said(candidate, prediction) for candidate in plausible]
            return _capital(f"{', '.join(words[:-1])} or {words[-1]}")
        case Certainty.HARD:
            return f"Hard to say: perhaps {_said(first, prediction)}"
        case Certainty.UNKNOWN:
            count = len(prediction.labels)
            nearest = f"(nearest: {escaped(shorten(first.label))})"
            return f"None of the {spoken(count)} things I know {nearest}"
        case Certainty.SEVERAL:
            names = [escaped(name) for name in prediction.answer or []]
            return f"I see {listed(names)}"
        case Certainty.NOTHING:
            return "I see none of the things I know"
        case _:
            return f"My best guess: {_said(first, prediction)}"


def _said(candidate: Candidate, prediction: Prediction) -> str:
    return called(candidate.label, prediction.language)


def called(label: str, language: str, most: int = 60) -> str:
    """A label with its article where it takes one, as Markdown.

    Not in italics: their font would be fetched just when the answer is to be read.
    """
    article = an(label) if language == "en" else ""
    return f"{article} {escaped(shorten(label, most))}".strip()


def record(card: ModelCard, index: int, labels: Sequence[str], language: str) -> str:
    """How often an answer was right on held-out photos, and what it is taken for, as Markdown."""
    said, name = card.outcome(index), called(labels[index], language, 40)
    if said is None:
        return (
            f"None of the {card.photos:,} held-out photos was called {name}, so nobody knows how "
            "often that is right."
        )
    other = called(labels[said.confused_with[0]], language, 40) if said.confused_with else ""
    if said.count == 1:
        verdict = "right" if said.correct else f"wrong: it showed {other}"
        return f"It called one held-out photo {name}, and that was {verdict}."
    right = {said.count: "all were right", 0: "none was right", 1: "one was right"}.get(
        said.correct, f"{said.correct:,} were right"
    )
    return (
        f"Of {said.count:,} held-out photos that it called {name}, {right}{_others(said, other)}."
    )


def turned_away(manifest: Manifest) -> str:
    """How often "none of these" was said of what the model does know."""
    kept = manifest.metric("kept")
    if kept is None:
        return ""
    wrong = kept.photos - round(kept.value * kept.photos)
    how_many = {0: "none", 1: "one"}.get(wrong, f"{wrong:,}")
    return (
        f"It also said so of {how_many} of {kept.photos:,} held-out photos of things that it knows."
    )


def _others(said: LabelOutcome, other: str) -> str:
    """What the wrong ones truly were, as the end of a sentence."""
    wrong, most = said.count - said.correct, said.confused_with[1] if said.confused_with else 0
    if not wrong:
        return ""
    if wrong == 1:
        return f"; the other showed {other}"
    if most == wrong:
        return f"; all showed {other}" if not said.correct else f"; the others all showed {other}"
    if most * 2 > wrong:
        return f"; most {'of the others ' if said.correct else ''}showed {other}"
    if most > 1:
        return f"; the {'others' if said.correct else 'photos'} most often showed {other}"
    return f"; {'the others' if said.correct else 'they'} showed a different thing each"


def an(label: str) -> str:
    """'a' or 'an'; nothing before a plural, a mass noun or a label in another script."""
    words = re.sub(r"\s*\(.*\)$", "", label).split()
    if not words or not label.isascii():
        return ""
    last = words[-1]
    if UNCOUNTED.search(last):
        return ""
    if last.lower().endswith("s") and not SINGULAR_S.search(last):
        return ""
    return "an" if AN.match(words[0]) else "a"


def escaped(text: str) -> str:
    """Text for Markdown that stays text: no emphasis, link, formula, colour or icon."""
    flat = " ".join(TURNING.sub("", text).split())
    # Escapes do not stop addresses from turning into links; an invisible joiner does.
    flat = flat.replace("://", ":\u2060//").replace("www.", "www\u2060.").replace("@", "@\u2060")
    return PUNCTUATION.sub(r"\\\1", flat)


def refusal(error: LoupeError) -> str:
    """What a visitor reads of a refusal, as Markdown.

    A model's refusal names files of the server: those are for its owner. The others
    hold no text of a visitor's, and stand as they are.
    """
    if isinstance(error, BundleError):
        return (
            f"This model cannot be used now ({error.code}). Whoever runs this app reads the "
            "reason with `python -m model verify`."
        )
    return str(error)


def linked(text: str) -> str:
    """Text of a manifest for Markdown: escaped, but whole https addresses stay links."""
    words = text.split()
    return " ".join(f"<{word}>" if ADDRESS.fullmatch(word) else escaped(word) for word in words)


def shorten(text: str, most: int = 60) -> str:
    """Text of at most ``most`` characters, with an ellipsis where some are left out."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def listed(words: list[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))


def spoken(count: int) -> str:
    """A number in words up to twelve, with separators above."""
    return NUMBERS[count] if 0 <= count < len(NUMBERS) else f"{count:,}"


def percent(share: float) -> str:
    """A share as a person reads it: 94 %, 3.1 %, under 0.1 %."""
    if share >= 0.995:
        return f"{min(share, 0.999):.1%}" if share < 1 else "100%"
    if share < 0.001:
        return "under 0.1%"
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
