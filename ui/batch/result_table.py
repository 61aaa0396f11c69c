"""A batch's counts, accuracy, table and exports. Nothing here draws on the page."""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress

import pandas as pd

from model.answer.prediction import Certainty, Prediction, certainty
from model.errors import DataError
from model.evaluation import Evaluation, Row, match_folders, summarise
from model.storage.zips import escape_formula, write_csv
from ui.batch.jobs import PhotoResult
from ui.phrasing import SURE, format_percent, typographic

NONE_OF_THESE = "None of these"
TABLE_COLUMNS = ["picture", "answer", "probability", "photo", "folder", "next", "milliseconds"]
CSV_COLUMNS = (
    "photo folder answer known label_1 probability_1 label_2 probability_2 label_3 "
    "probability_3 milliseconds model version engine error message"
).split()


def format_progress(done: int, total: int, seconds: float) -> str:
    """Return '12 of 200, about 20 s left'."""
    progress = f"{done:,} of {total:,}"
    if not done or done == total:
        return progress
    left_seconds = seconds / done * (total - done)
    if left_seconds < 5:
        return f"{progress}, a few seconds left"
    if left_seconds < 55:
        return f"{progress}, about {round(left_seconds / 5) * 5} s left"
    return f"{progress}, about {round(left_seconds / 60) or 1:,} min left"


def predicted_labels(prediction: Prediction) -> list[str]:
    """Return the labels of a prediction's answer: one for most models."""
    answer = prediction.answer
    if isinstance(answer, list):
        return answer or [NONE_OF_THESE]
    return [NONE_OF_THESE if answer is None else answer]


def is_unsure(prediction: Prediction) -> bool:
    """Return True if a person should check the photo."""
    level = certainty(prediction)
    if level is Certainty.GUESS:
        return prediction.top(1)[0].probability < 0.5
    return level not in SURE


def count_labels(results: Iterable[PhotoResult]) -> list[tuple[str, int]]:
    """Return the labels with their numbers of photos, most frequent first."""
    predictions = (result.prediction for result in results if result.prediction)
    counts = Counter(label for one in predictions for label in predicted_labels(one))
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0].casefold()))


def evaluate_folders(
    results: Sequence[PhotoResult], labels: Sequence[str]
) -> tuple[Evaluation | None, list[str]]:
    """Compare predictions with the folders that are named after labels.

    Returns:
        The figures, None without such a folder; and the folders whose names match no label.

    Raises:
        DataError: the model gives several labels to a photo.
    """
    folders = sorted({result.folder for result in results if result.folder})
    label_of: dict[str | None, str] = {}
    # Raised if no name matches.
    with suppress(DataError):
        label_of.update(match_folders(folders, labels).labels)
    rows = [
        Row(result.name, label_of[result.folder], result.prediction)
        for result in results
        if result.prediction and result.folder in label_of
    ]
    unmatched = [folder for folder in folders if folder not in label_of]
    return summarise(labels, rows) if rows else None, unmatched


def to_frame(results: Sequence[PhotoResult]) -> pd.DataFrame:
    """Return the table on the screen, one row per photo."""
    return pd.DataFrame([_table_row(result) for result in results], columns=TABLE_COLUMNS)


def _table_row(result: PhotoResult) -> dict[str, object]:
    # The folder has its own column.
    file = result.name.rsplit("/", 1)[-1] if result.folder else result.name
    # Browsers save this table as CSV, so its texts are escaped as in the CSV file.
    row: dict[str, object] = {"photo": escape_formula(file)}
    row["folder"] = escape_formula(result.folder or "")
    if result.failure:
        return row | {"answer": f"Couldn’t read: {typographic(result.failure.message)}"}
    if result.prediction is None:
        return row
    top, *runners_up = result.prediction.top(3)
    percent, times = format_percent(top.probability), result.prediction.milliseconds
    others = [f"{one.label} {format_percent(one.probability)}" for one in runners_up]
    return row | {
        "picture": f"data:image/jpeg;base64,{base64.b64encode(result.thumbnail).decode()}",
        "answer": escape_formula(", ".join(predicted_labels(result.prediction))),
        # Rounded as elsewhere on the screen. A photo of none of the labels has none to speak of.
        "probability": float(percent.strip("<%")) if result.prediction.answer else None,
        "next": escape_formula(", ".join(others)),
        "milliseconds": times and round(times.total),
    }


def to_csv(results: Iterable[PhotoResult]) -> bytes:
    """Return one row per photo, UTF-8 with the byte order mark that spreadsheets look for."""
    rows = map(_csv_row, results)
    cells = ([row.get(column) for column in CSV_COLUMNS] for row in rows)
    return write_csv(CSV_COLUMNS, cells).encode("utf-8-sig")


def _csv_row(result: PhotoResult) -> dict[str, object]:
    row: dict[str, object] = {"photo": result.name, "folder": result.folder}
    if result.failure:
        return row | {"error": result.failure.code, "message": result.failure.message}
    prediction = result.prediction
    if prediction is None:
        return row
    for number, candidate in enumerate(prediction.top(3), 1):
        row[f"label_{number}"] = candidate.label
        row[f"probability_{number}"] = round(candidate.probability, 6)
    return row | {
        "answer": None if prediction.answer is None else ", ".join(predicted_labels(prediction)),
        "known": {True: "yes", False: "no", None: None}[prediction.in_distribution],
        "milliseconds": prediction.milliseconds and round(prediction.milliseconds.total, 2),
        "model": prediction.model,
        "version": prediction.version,
        "engine": prediction.engine,
    }


def to_json_lines(results: Iterable[PhotoResult]) -> bytes:
    """Return one JSON object per line: a prediction, or a photo with its error."""
    lines = (json.dumps(_to_object(result), ensure_ascii=False) for result in results)
    return "".join(f"{line}\n" for line in lines).encode()


def _to_object(result: PhotoResult) -> dict[str, object]:
    if result.prediction:
        return result.prediction.to_dict(result.name)
    failure = result.failure
    error = {"code": failure.code, "message": failure.message} if failure else None
    return {"photo": result.name, "error": error}
