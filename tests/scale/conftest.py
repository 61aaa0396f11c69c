"""An S3 server with a bucket, and the command that identifies archives."""

import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from model import Bundle
from model.settings import ROOT
from tests.model.tiny import COLOURS, colour
from tests.photos import encoded

# The environment of "make test" lacks these packages; "make test-scale" runs these tests.
collect_ignore_glob = [] if find_spec("s3fs") and find_spec("moto") else ["test_*.py"]


def encode(name: str | tuple[int, int, int], suffix: str = "PNG") -> bytes:
    """Return a photo of one colour."""
    return encoded(colour(name), suffix)


PHOTOS = {f"hall/{name}.png": encode(name) for name in COLOURS} | {
    "grey.png": encode((128, 128, 128)),
    "empty.jpg": b"",
    "text.jpg": b"no photo",
    "large.jpg": b"\xff\xd8\xff" + bytes(20 * 2**20),
    "hall/*?[a] #é%2e.PNG": encode("red"),
}
"""An archive by name; three can't be read."""


@pytest.fixture(scope="session")
def s3() -> Iterator[Any]:
    """The files of moto's S3 server, whose address is in the environment."""
    import fsspec
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel("ERROR")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        yield fsspec.filesystem("s3", use_listings_cache=False)
    server.stop()


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    """The name of an empty bucket."""
    name = f"bucket-{abs(hash(request.node.nodeid))}"
    s3.mkdir(name)
    return name


@pytest.fixture
def crash_on_gifs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the decoder of GIFs end each process that is started."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, PIL.GifImagePlugin as gif\n"
        "gif.GifImageFile._open = lambda _: os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def start(*words: object) -> "subprocess.Popen[str]":
    """Start ``python -m model identify`` with the model of colours."""
    command = [sys.executable, "-m", "model", "identify", "--model", "tiny", *map(str, words)]
    # A process group of its own, because Ray's processes end those of their group.
    return subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def identify(*words: object, codes: tuple[int, ...] = (0,)) -> str:
    """Run it to its end; return what it printed on standard error."""
    process = start(*words)
    try:
        _, printed = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode in codes, printed
    return printed


def run_in(folder: Path, bundle: Bundle, **changes: Any) -> Any:
    """Return a run in this process over a folder, with the results beside it."""
    from scale.archive_run import ArchiveRun, Job

    out = str(folder.parent / "out")
    job = Job(str(folder), out, 1, 1, "tiny", bundle.version, "compiled", 2)
    return ArchiveRun(replace(job, **changes))


def rows(results: Path | str, files: Any = None) -> list[dict[str, Any]]:
    """Return the rows of all parts, by photo and without the time that each took."""
    import pyarrow.dataset

    dataset = pyarrow.dataset.dataset(results, filesystem=files, format="parquet")
    found: list[dict[str, Any]] = dataset.to_table().drop_columns("milliseconds").to_pylist()
    return sorted(found, key=lambda row: row["photo"])
