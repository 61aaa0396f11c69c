"""Models with texts that attack the screen, and one broken model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from model.bundle import ManifestDraft, publish
from tests.model.tiny import CALIBRATED, CARD, COLOURS, MEASURED, files, values

# As many as there are colours, twice: a red photo is the first of them.
LABELS = (
    "<img src=x onerror=alert(1)>",
    "**bold** and _slanted_",
    "$x^2$ costs $5",
    ":smile: :material/home:",
    "[a](javascript:alert(1))",
    "\u202eright to left\u202c עברית",
    "🦊 and 🐻‍❄️",
    "long " * 39 + "label",
    "# heading",
    "https://evil.example www.evil.example a@evil.example",
    ":red[x] :blue-background[y] ~~z~~",
    "`code` <b>x</b> &amp; \\*",
)
NAMES = ("hostile-one", "hostile-two")
CARD_NAME = "hostile-card"
"""The model with a card, which is calibrated."""


@contextmanager
def publish_hostile(models_dir: Path) -> Iterator[tuple[str, ...]]:
    """Publish the hostile models beside a broken one; remove all afterwards; yield their names."""
    size = len(COLOURS)
    for place, name in enumerate(NAMES):
        _write(models_dir, name, LABELS[place * size :][:size])
    _write(
        models_dir,
        CARD_NAME,
        LABELS[:size],
        confidence={**CALIBRATED, "score": _all(200)},
        metrics=[{**one, "on": _all(200), "by": _all(200)} for one in MEASURED],
        card=_card(),
    )
    broken = models_dir / "broken"
    broken.mkdir()
    (broken / "bundle.json").write_text('{"format": 1, "name": "<script>alert(1)</script>"')
    try:
        yield (*NAMES, CARD_NAME)
    finally:
        for name in (*NAMES, CARD_NAME, "broken"):
            rmtree(models_dir / name)


def _all(most: int) -> str:
    """Return a text with all attacks, cut to ``most`` characters."""
    return " ".join([*LABELS[:6], *LABELS[8:]])[:most]


def _write(models_dir: Path, name: str, labels: Sequence[str], **changes: Any) -> None:
    text = " ".join(labels)[:190]
    metric = {
        "name": "accuracy",
        "value": 0.5,
        "low": 0.4,
        "high": 0.6,
        "photos": 10,
        "on": text,
        "by": text,
    }
    every = {
        "labels": list(labels),
        "title": text,
        "description": text,
        "licence": text,
        "data": {"title": text, "source": text, "licence": text, "photos": 1},
        "metrics": [metric],
        "made": {"by": text},
        **changes,
    }

    def fill(folder: Path) -> None:
        for file, data in files(confidence=changes.get("confidence")).items():
            (folder / file).write_bytes(data)

    publish(ManifestDraft.model_validate({**values(name), **every}), models_dir, fill)


def _card() -> dict[str, Any]:
    """Return a card with an attack in each text: photos, OOD sets, detectors, notes."""
    return {
        **CARD,
        "on": _all(300),
        "command": "\n".join([*LABELS, "```", "</code></pre><script>alert(1)</script>"]),
        "notes": [*LABELS, "- a list\n# and a heading", "=1+1", "../../etc/passwd"],
        "mistakes": [
            {"photo": photo, "label": place % 6, "said": (place + 1) % 6, "probability": 0.9}
            for place, photo in enumerate(
                [*LABELS, "/etc/passwd", "../" * 20 + "etc/passwd", "=cmd|' /C calc'!A0", "a\0b"]
            )
        ],
        "scores": [
            {**CARD["scores"][place % 2], "name": text} for place, text in enumerate(LABELS)
        ],
        "strangers": [{**CARD["strangers"][0], "name": text} for text in LABELS],
    }
