"""What libraries would report of their use: nothing, once ``model`` is imported."""

import os
import subprocess
import sys

import pytest

from model import Bundle
from model.settings import ROOT
from tests.https_log import https_log
from tests.waiting import wait_until

APP = """
from model import load
load("tiny").run_golden_test()
print("answered", flush=True)
input()
"""
CONTROL = """
import sys
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1])
input()
"""


def start(*words: str) -> "subprocess.Popen[str]":
    # Without variables of CI systems, by which ONNX Runtime turns its reports off.
    kept = ("PATH", "HOME", "HTTPS_PROXY", "LOUPE_DATA")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-c", *words],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_loaded_model_sends_no_usage_report(tiny_bundle: Bundle) -> None:
    with https_log() as requests, start(APP) as app:
        assert app.stdout is not None
        assert app.stdout.readline() == "answered\n"
        # The same library without Loupe reports within seconds, and starts later.
        with (
            https_log() as control,
            start(CONTROL, str(tiny_bundle.folder / "graph.onnx")) as other,
        ):
            wait_until(lambda: control, 60)
            other.kill()
        app.kill()
    assert requests == []
