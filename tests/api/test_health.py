"""Alive, and ready: what hosts ask before they send visitors."""

import asyncio
import logging
import shutil

import pytest

from api.dispatcher import dispatcher
from api.lifecycle import lifespan
from model.bundle import BUILTIN_DIR
from tests.model.tiny import tiny


@pytest.fixture
def client(serve):
    return serve()


def test_live(client):
    answer = client.get("/api/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})
    assert answer.headers["cache-control"] == "no-store"


def test_ready_names_what_answers(client, imagenet):
    answer = client.get("/api/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "model": "imagenet",
        "version": imagenet.bundle.version,
        "engine": "compiled",
    }


def test_who_is_on_the_way_out_is_not_ready(client):
    dispatcher().stopping = True
    answer = client.get("/api/ready")
    assert (answer.status_code, answer.json()["code"]) == (503, "stopping")
    assert client.get("/api/live").status_code == 200


def missing(shelf):
    pass


def cut_short(shelf):
    graph = tiny(shelf, "mine").folder / "graph.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])


def changed(shelf):
    graph = tiny(shelf, "mine").folder / "graph.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")


def other_golden_answers(shelf):
    def turn(arrays):
        arrays["probabilities"] = arrays["probabilities"][:, ::-1].copy()

    tiny(shelf, "mine", golden_change=turn)


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (missing, "no-such-model"),
        (cut_short, "bundle-damaged"),
        (changed, "bundle-damaged"),
        (other_golden_answers, "golden-mismatch"),
    ],
)
def test_not_ready_without_its_model_and_no_path_is_told(serve, shelf, caplog, harm, code):
    harm(shelf)
    client = serve(LOUPE_MODEL="mine")
    answer = client.get("/api/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "code": code}
    assert str(shelf) not in answer.text
    assert client.get("/api/live").status_code == 200
    # The app starts all the same: its screen says what is wrong.
    with caplog.at_level(logging.ERROR, logger="loupe"):
        asyncio.run(started())
    assert code in caplog.text


async def started():
    async with lifespan(None):
        pass


def test_the_model_that_ships_is_not_ready_once_tampered_with(serve, shelf):
    shutil.copytree(BUILTIN_DIR / "imagenet", shelf / "imagenet")
    graph = shelf / "imagenet" / "graph.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    answer = serve().get("/api/ready")
    assert (answer.status_code, answer.json()["code"]) == (503, "bundle-damaged")
