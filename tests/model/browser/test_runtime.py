"""Programs that make files for browsers, and the memory that they share with large photos."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model.admission import AdmissionQueue, admission_queue
from model.browser.runtime import run_program
from model.settings import settings
from tests.model.slots import enter, held, large_waiting
from tests.waiting import wait_until


@pytest.fixture
def queue(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[AdmissionQueue]:
    """The queue of a process with as much memory as the test says, in MB."""
    monkeypatch.setenv("LOUPE_MEMORY_MB", str(request.param))
    settings.cache_clear()
    admission_queue.cache_clear()
    yield admission_queue()
    settings.cache_clear()
    admission_queue.cache_clear()


def run(script: str) -> None:
    """Run a program that takes a large photo's memory."""
    run_program([sys.executable, "-c", script], "Failed", timeout=60)


@pytest.mark.parametrize("queue", [512], indirect=True)
def test_program_and_large_photo_wait_for_each_other(queue: AdmissionQueue, tmp_path: Path) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    script = f"""
import pathlib, time
pathlib.Path({str(begun)!r}).touch()
while not pathlib.Path({str(go)!r}).exists():
    time.sleep(0.01)
"""
    with ThreadPoolExecutor(2) as pool:
        with held(queue, large=True):
            program = pool.submit(run, script)
            wait_until(lambda: large_waiting(queue) == 1)
            assert not begun.exists()
        wait_until(begun.exists, 30)
        photo = pool.submit(enter, queue, large=True)
        wait_until(lambda: large_waiting(queue) == 1)
        go.touch()
        assert (program.result(30), photo.result(30)) == (None, "in")


@pytest.mark.parametrize("queue", [4096], indirect=True)
def test_program_waits_for_no_photo_where_memory_is_ample(
    queue: AdmissionQueue, tmp_path: Path
) -> None:
    with held(queue, large=True):
        run(f"open({str(tmp_path / 'made')!r}, 'w')")
    assert (tmp_path / "made").exists()
