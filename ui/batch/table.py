"""What a batch found: counts, the table, and the files to take home. Nothing is drawn here."""

import base64
import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from io import BytesIO, StringIO

import pandas as pd
from PIL import Image, ImageDraw

from model.decision import Certainty, certainty
from model.prediction import Prediction
from ui.batch.job import Result
from ui.phrasing import percent

__all__ = [
    "NONE",
    "cell",
    "counted",
    "csv_file",
    "frame",
    "json_lines",
    "names",
    "time_left",
    "unsure",
]

NONE = "None of these"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
AMBER, WHITE = "#D97706", "#FFFFFF"
COLUMNS = ["picture", "answer", "probability", "photo", "folder", "next", "milliseconds"]
SURE = {Certainty.LIKELY, Certainty.PROBABLE, Certainty.SEVERAL}


def time_left(done: int, total: int, seconds: float) -> str:
    """'12 of 200, about 20 s left'."""
    said = f"{done:,} of {total:,}"
    if not done or done == total:
        return said
    left = seconds / done * (total - done)
    if left < 5:
        return f"{said}, a few seconds left"
    if left < 55:
        return f"{said}, about {round(left / 5) * 5} s left"
    return f"{said}, about {round(left / 60) or 1:,} min left"


def names(prediction: Prediction) -> list[str]:
    """The labels that a prediction gives, one for most models."""
    answer = prediction.answer
    if isinstance(answer, list):
        return answer or [NONE]
    return [NONE if answer is None else answer]


def unsure(prediction: Prediction) -> bool:
    """Whether a person should look at it, too."""
    found = certainty(prediction)
    if found is Certainty.GUESS:
        return prediction.top(1)[0].probability < 0.5
    return found not in SURE


def counted(results: Iterable[Result], most: int = 15) -> tuple[list[tuple[str, int]], int]:
    """Labels with their photos, most frequent first, and how many labels were left out.

    What is left out is counted together in the last line.
    """
    counts = Counter(
        name for result in results if result.prediction for name in names(result.prediction)
    )
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0].casefold()))
    if len(ordered) <= most + 1:
        return ordered, 0
    rest = ordered[most:]
    others = (f"{len(rest):,} other labels", sum(count for _, count in rest))
    return [*ordered[:most], others], len(rest)


def frame(results: Sequence[Result]) -> pd.DataFrame:
    """The table on the screen, a row a photo."""
    return pd.DataFrame([_shown(result) for result in results], columns=COLUMNS)


def _shown(result: Result) -> dict[str, object]:
    # The table has an export of its own, which writes what it shows.
    row: dict[str, object] = {"photo": cell(_file(result)), "folder": cell(result.folder or "")}
    if result.refused:
        return row | {"picture": _refused_tile(), "answer": f"Refused: {result.refused.message}"}
    if result.prediction is None:
        return row
    first, *others = result.prediction.top(3)
    times = result.prediction.milliseconds
    return row | {
        "picture": _uri(result.thumbnail, "jpeg"),
        "answer": cell(", ".join(names(result.prediction))),
        "probability": first.probability * 100,
        "next": cell(", ".join(f"{one.label} {percent(one.probability)}" for one in others)),
        "milliseconds": times and round(times.total),
    }


def _file(result: Result) -> str:
    # The folder has a column of its own.
    return result.name.rsplit("/", 1)[-1] if result.folder else result.name


def _uri(data: bytes, form: str) -> str | None:
    return f"data:image/{form};base64,{base64.b64encode(data).decode()}" if data else None


@cache
def _refused_tile() -> str | None:
    """An amber tile with a stroke through it, in place of a photo that cannot be shown."""
    tile = Image.new("RGB", (96, 96), AMBER)
    draw = ImageDraw.Draw(tile)
    draw.rounded_rectangle((43, 18, 53, 58), 5, fill=WHITE)
    draw.ellipse((42, 66, 54, 78), fill=WHITE)
    file = BytesIO()
    tile.save(file, "PNG", optimize=True)
    return _uri(file.getvalue(), "png")


def cell(text: str) -> str:
    """Text for a spreadsheet that is never a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def csv_file(results: Iterable[Result]) -> bytes:
    """One row a photo; UTF-8 with the mark that spreadsheets look for."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(
        "photo folder answer known label_1 probability_1 label_2 probability_2 label_3 "
        "probability_3 milliseconds model version engine error message".split()
    )
    for result in results:
        writer.writerow([_written(value) for value in _values(result)])
    return text.getvalue().encode("utf-8-sig")


def _values(result: Result) -> list[object]:
    start: list[object] = [result.name, result.folder]
    if result.prediction is None:
        refused = result.refused
        return [*start, *[None] * 12, refused and refused.code, refused and refused.message]
    said = result.prediction
    top = [part for one in said.top(3) for part in (one.label, round(one.probability, 6))]
    return [
        *start,
        None if said.answer is None else ", ".join(names(said)),
        {True: "yes", False: "no", None: None}[said.known],
        *top,
        *[None] * (6 - len(top)),
        said.milliseconds and round(said.milliseconds.total, 2),
        said.model,
        said.version,
        said.engine,
        None,
        None,
    ]


def _written(value: object) -> object:
    return cell(value) if isinstance(value, str) else value


def json_lines(results: Iterable[Result]) -> bytes:
    """One JSON object a line: an answer, or a photo with its error."""
    return "".join(f"{json.dumps(_object(one), ensure_ascii=False)}\n" for one in results).encode()


def _object(result: Result) -> dict[str, object]:
    if result.prediction:
        return result.prediction.to_dict(result.name)
    refused = result.refused
    error = {"code": refused.code, "message": refused.message} if refused else None
    return {"photo": result.name, "error": error}
