"""``python -m benchmarks [--quick] [NAME ...]``: measure, and print a Markdown table.

Figures run in the order of ``BENCHMARKS``; goals are as in docs/benchmarks.md.
"""

import sys
from functools import partial

import click

from .environment import describe
from .figure import HEADS, Benchmark
from .first_visit import alone, compared, model_ready
from .in_process import against_fastai, folder, overhead, threads
from .inputs import phone_photo, small_photo
from .on_device import busy_rate, first_answer, first_bytes, frame_rate, main_thread
from .on_server import (
    answer,
    api_rate,
    api_screen,
    api_tail,
    memory,
    open_visit,
    start,
    visits,
)

ANSWER = "photo chosen → answer in Chromium"
GRADIO = f"{ANSWER}, against a ten-line Gradio app"
FASTAI = "JPEG → answer, against fastai's `learn.predict`"
LOOP = "against decoder and bare ONNX Runtime"
DEVICE = "/device/, empty cache → first answer"
SLOW, FAST = "first visit on Fast 3G →", "first visit at full speed →"

answer_small, answer_phone = partial(answer, small_photo), partial(answer, phone_photo)
predict_small = partial(against_fastai, small_photo, 100)
predict_phone = partial(against_fastai, phone_photo, 40)
bytes_received = partial(compared, "take", unit="MB")
shutter = partial(alone, "shutter", events="shutter", count=3, camera=True)
chart = partial(alone, "chart", events="take chart", count=3, model="imagenet")
at_full_speed = partial(alone, events="words mounted shutter", count=5, slow=False, camera=True)
quick_shutter = partial(at_full_speed, "shutter")
device_page = partial(model_ready, "/device/?model=clothing")

BENCHMARKS = tuple(
    Benchmark(*row)
    for row in (
        ("answer-small", "≤ 0.35", f"500 × 375 {GRADIO}", answer_small),
        ("answer-12mp", "≤ 0.20", f"12 megapixels {GRADIO}", answer_phone),
        ("api-rate", "≥ 0.80", f"photos/s of 32 clients, {LOOP}", api_rate),
        ("api-tail", "≤ 4", "p99 latency of 32 clients, against p50", api_tail),
        ("api-screen", "≤ 6", f"{ANSWER} beside 32 clients, against alone", api_screen),
        ("device-bytes-clothing", "≤ 4.15 MB", DEVICE, partial(first_bytes, "clothing")),
        ("device-bytes-imagenet", "≤ 5.2 MB", DEVICE, partial(first_bytes, "imagenet")),
        ("device-first", "≤ 3 s", DEVICE, first_answer),
        ("device-rate", "≥ 12 frames/s", "`model.watch` on a camera", frame_rate),
        ("device-rate-busy", "≥ 8 frames/s", "the same while all cores compute", busy_rate),
        ("device-main-thread", "≤ 50 ms", "longest task of the main thread", main_thread),
        ("first-visit-words", "≤ 0.8 s", f"{SLOW} words", partial(compared, "words")),
        ("first-visit-photo", "≤ 2.2 s", f"{SLOW} takes a photo", partial(compared, "take")),
        ("first-visit-bytes", "≤ 0.12 MB", f"{SLOW} takes a photo", bytes_received),
        ("first-visit-shutter", "≤ 2.3 s", f"{SLOW} shutter works", shutter),
        ("first-visit-answer", "≤ 5 s", f"{SLOW} answer", partial(compared, "answer")),
        ("first-visit-chart", "≤ 10.5 s", f"{SLOW} chart of the answer", chart),
        ("first-visit-quick", "≤ 0.35 s", f"{FAST} viewfinder", partial(at_full_speed, "mounted")),
        ("first-visit-quick-shutter", "≤ 0.8 s", f"{FAST} shutter works", quick_shutter),
        ("first-visit-device", "≤ 33 s", f"{SLOW} model, app", partial(model_ready, "/")),
        ("first-visit-device-page", "≤ 30 s", f"{SLOW} model, /device/", device_page),
        ("folder", "≥ 0.85", f"photos/s of a folder, {LOOP}", folder),
        ("memory", "≤ 330 MB", "server after 200 answers on its page", memory),
        ("open-visit", "≤ 100 kB", "server's memory for one more open visit", open_visit),
        ("overhead", "≤ 1.30", "all but decoding, against bare ONNX Runtime", overhead),
        ("predict-small", "≤ 0.30", f"500 × 375 {FASTAI}", predict_small),
        ("predict-12mp", "≤ 0.35", f"12 megapixels {FASTAI}", predict_phone),
        ("start", "≤ 0.50", "process start → answer, against a ten-line Streamlit app", start),
        ("threads", "≤ 0", "16 threads × 500 photos that differ from serial", threads),
        ("visits", "≤ 330 MB", "server after 2,000 visits to its page", visits),
    )
)


@click.command()
@click.option("--quick", is_flag=True, help="Take few readings: a trial run, not to be quoted.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
def main(names: tuple[str, ...], quick: bool) -> None:
    """Measure the named figures, by default all of them; the beginning of a name names several.

    Exits with 1 if a figure misses its goal or can't be measured.
    """
    known = [entry.name for entry in BENCHMARKS]
    if unknown := [name for name in names if not any(entry.startswith(name) for entry in known)]:
        raise click.UsageError(f"No figure {unknown[0]!r}. Available: {', '.join(known)}.")
    environment, verdicts = describe(), list[str]()
    _print_row(HEADS)
    print("|---|---|---:|---:|---|---|")
    for entry in BENCHMARKS:
        if not names or entry.name.startswith(names):
            row = entry.run(quick)
            verdicts.append(row[HEADS.index("")])
            _print_row(row)
    print("\n" + ", ".join(f"{name} {value}" for name, value in environment.items()))
    if quick:
        print("\nQuick run: few readings, not to be quoted.")
    sys.exit(0 if set(verdicts) == {"met"} else 1)


def _print_row(cells: list[str]) -> None:
    print("|", " | ".join(cell.replace("|", "\\|") for cell in cells), "|", flush=True)


if __name__ == "__main__":
    main()
