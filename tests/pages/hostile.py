"""Models whose text attacks the screen, and one that is broken."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from model.shelf import write
from tests.model.tiny import COLOURS, files, values

__all__ = ["LABELS", "shelve"]

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


@contextmanager
def shelve(shelf: Path) -> Iterator[tuple[str, ...]]:
    """Put them on a shelf, beside a broken one, and take them away after."""
    size = len(COLOURS)
    for place, name in enumerate(NAMES):
        text = " ".join(LABELS[place * size :][:size])[:190]

        def fill(folder: Path) -> None:
            for file, data in files().items():
                (folder / file).write_bytes(data)

        changes = {
            "labels": list(LABELS[place * size :][:size]),
            "title": text,
            "description": text,
            "licence": text,
            "data": {"title": text, "source": text, "licence": text, "photos": 1},
            "metrics": [
                {
                    "name": "accuracy",
                    "value": 0.5,
                    "low": 0.4,
                    "high": 0.6,
                    "photos": 10,
                    "on": text,
                    "by": text,
                }
            ],
            "made": {"by": text},
        }
        write({**values(name), **changes}, shelf, fill)
    broken = shelf / "broken"
    broken.mkdir()
    (broken / "bundle.json").write_text('{"format": 1, "name": "<script>alert(1)</script>"')
    try:
        yield NAMES
    finally:
        for name in (*NAMES, "broken"):
            rmtree(shelf / name)
