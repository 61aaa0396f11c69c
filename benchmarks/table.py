"""The table of all benchmarks, in the order in which they run."""

from functools import partial

from .drawn_photos import phone_photo, small_photo
from .figure import Benchmark
from .figures.answer import against_gradio, start
from .figures.api import rate, screen, tail
from .figures.device import busy_rate, first_answer, first_bytes, frame_rate, main_thread
from .figures.first_visit import (
    at_full_speed,
    chart_drawn,
    compare_visits,
    model_ready,
    shutter_works,
)
from .figures.folder import folder
from .figures.memory import memory, visits
from .figures.predict import against_fastai, overhead
from .figures.threads import threads

CHOSEN = "chosen → answer visible in Chromium"
FULL_SPEED = "against decoder and bare ONNX Runtime at full speed"
GRADIO = f"{CHOSEN}, against a ten-line Gradio app"
PREDICT = "→ answer, against `learn.predict` of the same learner"
BYTES = "bytes of a first visit to /device/ with its first answer"
VISIT = "first visit on Fast 3G →"

predict_small = partial(against_fastai, small_photo, 100)
predict_phone = partial(against_fastai, phone_photo, 40)

BENCHMARKS = (
    Benchmark(
        "answer-small", f"500 × 375 pixels {GRADIO}", 0.35, partial(against_gradio, small_photo)
    ),
    Benchmark("answer-12mp", f"12 megapixels {GRADIO}", 0.2, partial(against_gradio, phone_photo)),
    Benchmark("api-rate", f"photos/s through the API, {FULL_SPEED}", 0.8, rate, at_least=True),
    Benchmark("api-tail", "the API's p99 latency with 32 clients, against its p50", 4, tail),
    Benchmark("api-screen", f"photo {CHOSEN} beside 32 API clients, against alone", 6, screen),
    Benchmark(
        "device-bytes-clothing", f"{BYTES}, clothing", 4150, partial(first_bytes, "clothing"), "kB"
    ),
    Benchmark(
        "device-bytes-imagenet", f"{BYTES}, imagenet", 5200, partial(first_bytes, "imagenet"), "kB"
    ),
    Benchmark(
        "device-first",
        "/device/ opened, empty cache → answer in Chromium",
        3000,
        first_answer,
        "ms",
    ),
    Benchmark(
        "device-rate",
        "frames that `model.watch` identifies",
        12,
        frame_rate,
        "frames/s",
        at_least=True,
    ),
    Benchmark(
        "device-rate-busy",
        "the same while all cores compute",
        8,
        busy_rate,
        "frames/s",
        at_least=True,
    ),
    Benchmark(
        "device-main-thread", "longest task of /device/'s main thread", 50, main_thread, "ms"
    ),
    Benchmark(
        "first-visit-words", f"{VISIT} first words", 0.8, partial(compare_visits, "words"), "s"
    ),
    Benchmark(
        "first-visit-photo",
        f"{VISIT} a photo can be chosen",
        2.2,
        partial(compare_visits, "take"),
        "s",
    ),
    Benchmark(
        "first-visit-bytes",
        "bytes until a photo can be chosen",
        0.12,
        partial(compare_visits, "take", unit="MB"),
        "MB",
    ),
    Benchmark("first-visit-shutter", f"{VISIT} the shutter works", 2.3, shutter_works, "s"),
    Benchmark(
        "first-visit-answer",
        f"{VISIT} a photo of 50 kB, chosen immediately, answered by the server",
        5,
        partial(compare_visits, "answer"),
        "s",
    ),
    Benchmark("first-visit-chart", f"{VISIT} the chart of its answer", 10.5, chart_drawn, "s"),
    Benchmark(
        "first-visit-quick",
        "first visit without a slow network → the viewfinder",
        0.35,
        partial(at_full_speed, "mounted"),
        "s",
    ),
    Benchmark(
        "first-visit-quick-shutter",
        "first visit without a slow network → the shutter works",
        0.8,
        partial(at_full_speed, "shutter"),
        "s",
    ),
    Benchmark(
        "first-visit-device",
        f"{VISIT} the model is ready in the app",
        33,
        partial(model_ready, "/"),
        "s",
    ),
    Benchmark(
        "first-visit-device-page",
        f"{VISIT} the model is ready on /device/",
        30,
        partial(model_ready, "/device/?model=clothing"),
        "s",
    ),
    Benchmark("folder", f"photos/s from a folder, {FULL_SPEED}", 0.85, folder, at_least=True),
    Benchmark("memory", "the server's memory after 200 answers on its page", 330, memory, "MB"),
    Benchmark("overhead", "everything except decoding, against bare ONNX Runtime", 1.3, overhead),
    Benchmark("predict-small", f"JPEG of 500 × 375 pixels {PREDICT}", 0.30, predict_small),
    Benchmark("predict-12mp", f"JPEG of 12 megapixels {PREDICT}", 0.35, predict_phone),
    Benchmark(
        "start", "process start → answer in Chromium, against a ten-line Streamlit app", 0.5, start
    ),
    Benchmark(
        "threads", "16 threads × 500 photos: answers unlike the serial ones", 0, threads, "answers"
    ),
    Benchmark("visits", "the server's memory after 2,000 visits to its page", 330, visits, "MB"),
)
