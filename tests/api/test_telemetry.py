"""``api.telemetry``: everything is counted once, and nothing reveals people or photos."""

import json
import logging
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from api.telemetry import protect_log
from model import load
from model.corrections import correction_store
from model.errors import LoupeError, SettingRefused
from tests.model.tiny import colour
from tests.photos import encoded
from tests.waiting import wait_until

RED = encoded(colour("red"), "PNG")
SECRET = "hidden-word"


def read(client: TestClient) -> dict[tuple[str, ...], float]:
    """All samples, by name and the values of their labels, in the order of the labels' names."""
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


@pytest.fixture
def measured(serve: Any, tiny_bundle: Any) -> TestClient:
    client: TestClient = serve(LOUPE_MODEL="tiny", LOUPE_METRICS="/metrics")
    return client


def test_each_photo_is_counted_once(measured: TestClient) -> None:
    for _ in range(3):
        measured.post("/api/v1/identify", content=RED)
    measured.post("/api/v1/identify", content=b"text")
    measured.post("/api/v1/identify", content=b"0" * (21 * 2**20))
    measured.post("/api/v1/identify?model=nobody", content=RED)
    measured.post("/api/v1/identify?top=0", content=RED)
    measured.post("/api/v1/identify", content=RED, headers={"Origin": "https://evil.example"})
    measured.post("/api/v1/identify/batch", files=[("photos", RED), ("photos", b"text")])
    # The same counters serve pages and the command line.
    load("tiny").identify(RED)
    with pytest.raises(LoupeError):
        load("tiny").identify(b"")
    samples = read(measured)
    assert samples["loupe_answers_total", "compiled", "cannot tell", "tiny"] == 5
    rejections = {
        key[1]: value for key, value in samples.items() if key[0] == "loupe_refusals_total"
    }
    once = ("too-large", "no-such-model", "empty", "invalid", "cross-site")
    assert rejections == {"unsupported-format": 2, **dict.fromkeys(once, 1)}
    assert samples["loupe_answer_seconds_count",] == 5
    assert samples["loupe_requests_total", "/identify", "200"] == 3
    assert samples["loupe_requests_total", "/identify", "415"] == 1
    assert samples["loupe_waiting", "api"] == samples["loupe_waiting", "screen"] == 0
    assert samples["loupe_inside",] == 0
    assert samples["process_resident_memory_bytes",] > 2**20


def test_unknown_paths_are_counted_without_being_named(measured: TestClient) -> None:
    for path in ("/api", "/api/nope", "/ping", "/api/v1/wp-login.php"):
        response = measured.get(path)
        assert (response.status_code, response.json()["code"]) == (404, "not-found")
    for path in ("none-such", "a" * 60):
        measured.get(f"/api/v1/models/{path}")
    requests = [key[1:] for key in read(measured) if key[0] == "loupe_requests_total"]
    assert {("/ping", "404"), ("/models/{name}", "404")} <= {*requests}
    assert not any(word in str(requests) for word in ("wp-login", "none-such", "nope"))


@pytest.mark.parametrize("path", ["metrics", "/me trics", "/a?b", "/a/../b/", "//"])
def test_invalid_metrics_path_is_rejected(serve: Any, path: str) -> None:
    with pytest.raises(SettingRefused, match="LOUPE_METRICS"):
        serve(LOUPE_METRICS=path)


def test_json_log_has_no_photos_names_or_secrets(
    serve: Any, tiny_bundle: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    names = (None, "loupe", "uvicorn", "uvicorn.error", "streamlit")
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    try:
        client = serve(LOUPE_MODEL="tiny", LOUPE_LOG="json", LOUPE_SECRET=SECRET)
        url = "/api/v1/identify"
        client.post(url, files={"photo": ("aunt-mary.png", RED)}, headers={"X-Trace": SECRET})
        client.post(f"{url}?model={SECRET}", content=b"text")
        client.get(f"/api/v1/{SECRET}")
    finally:
        for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
    text = capsys.readouterr().err
    lines = [json.loads(line) for line in text.splitlines()]
    for word in (SECRET, "aunt-mary", "testclient", "127.0.0.1"):
        assert word not in text
    requests = [line for line in lines if line["message"] == "request"]
    assert [(line["route"], line["status"]) for line in requests][:2] == [
        ("/identify", 200),
        ("/identify", 404),
    ]
    (response,) = [line for line in lines if line["message"] == "answer"]
    assert (response["model"], response["engine"]) == ("tiny", "compiled")
    assert {"time", "level", "logger", "message"} <= response.keys()


def test_log_has_no_addresses_of_visitors(caplog: pytest.LogCaptureFixture) -> None:
    """The server's own line for each open page, and a library's for each odd form."""
    protect_log()
    server, parser = logging.getLogger("uvicorn.error"), logging.getLogger("python_multipart")
    with caplog.at_level(logging.INFO):
        server.info('%s - "WebSocket %s" [accepted]', "192.0.2.7:1", "/_stcore/stream?secret=x")
        parser.warning("Expected boundary character 45, got 97 at index 2")
        server.info("Uvicorn running")
    assert [record.getMessage() for record in caplog.records] == ["Uvicorn running"]


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Protect the log; return its clock, which the test sets."""
    protect_log()
    now = [0.0]
    monkeypatch.setattr("api.telemetry.time.monotonic", lambda: now[0])
    return now


def test_servers_log_one_line_per_second_from_each_place(
    caplog: pytest.LogCaptureFixture, seconds: list[float]
) -> None:
    server = logging.getLogger("uvicorn.error")
    for second in (1000, 1000, 1000.9, 1001.1, 1003):
        seconds[0] = second
        server.warning("Refused: %s", "a\x1b[31m\nb\x9b" + "x" * 1000)
        server.warning("Another place")
    lines = [record.getMessage() for record in caplog.records]
    assert lines[1::2] == ["Another place", "Another place (2 left out)", "Another place"]
    assert lines[0].startswith(r"Refused: a\x1b[31m\nb\x9bxx")
    assert [len(line) for line in lines[::2]] == [502, 515, 502]


def test_servers_log_a_traceback_once_per_minute_from_each_place(
    caplog: pytest.LogCaptureFixture, seconds: list[float]
) -> None:
    server = logging.getLogger("uvicorn.error")
    for second in (1000, 1030, 1061):
        seconds[0] = second
        server.error("Exception \u202e", exc_info=KeyError("bytes"))
    assert [bool(record.exc_info) for record in caplog.records] == [True, False, True]
    assert caplog.records[1].getMessage() == r"Exception \u202e (KeyError)"


def test_unreachable_database_is_logged_at_the_start(
    serve: Any, tiny_bundle: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "correct-horse-battery-staple"
    # Another test may have left a store in this process, and a handler on the logger.
    correction_store.cache_clear()
    monkeypatch.setattr(logging.getLogger("loupe"), "propagate", True)
    url = f"postgresql://nobody:{secret}@127.0.0.1:1/none"
    client = serve(LOUPE_MODEL="tiny", LOUPE_DATABASE=url)
    wait_until(lambda: "data-refused: " in caplog.text, seconds=10, describe=lambda: caplog.text)
    assert secret not in caplog.text
    correction_store.cache_clear()
    # Photos are identified without a database.
    assert client.get("/api/ready").status_code == 200
