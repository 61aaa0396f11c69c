"""The words for a bundle's answers, from which ``device/view/phrasing.mjs`` phrases them."""

from typing import Any

from ..bundle import Manifest, SmallCard
from .phrases import Phrase, name_label, spell_number, track_record
from .words import WORDS


def device_words(manifest: Manifest, small: SmallCard | None = None) -> dict[str, Any]:
    """Return ``words`` in ``model.json``: the rules and templates, and this bundle's phrases.

    Names and track records are phrased here, so that only Python knows English grammar.

    Args:
        manifest: the bundle's.
        small: the figures of the small graph that is sent.
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
