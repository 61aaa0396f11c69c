"""Archives on Ray: the rows of the loop without it, a killed run, no usage reports."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model import Bundle
from tests.https_log import https_log
from tests.waiting import wait_until

from .conftest import PHOTOS, encode, identify, rows, run_in, start, write_folder

REPORTING = "start --head --block --port 0 --num-cpus 1 --object-store-memory 80000000"


def test_ray_writes_the_same_rows_and_reports_no_usage(
    s3: Any, bucket: str, tiny_bundle: Bundle
) -> None:
    s3.pipe({f"{bucket}/archive/{name}": data for name, data in PHOTOS.items()})
    words = (f"s3://{bucket}/archive", "--out", f"s3://{bucket}/out")
    identify(words[0], "--out", f"s3://{bucket}/plain", codes=(1,))
    with https_log() as requests:
        printed = identify(*words, "--ray", "local", codes=(1,))
        assert f"{len(PHOTOS) - 3} answered, 3 couldn't be read" in printed
        assert rows(f"{bucket}/out", s3) == rows(f"{bucket}/plain", s3)
        assert f"{len(PHOTOS)} done earlier" in identify(*words, "--ray", "local")
        assert requests == []
        # A cluster that may report its usage is in the log.
        command = [sys.executable, "-m", "ray.scripts.scripts", *REPORTING.split()]
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "1"}
        with subprocess.Popen(command, env=environment, start_new_session=True) as process:
            try:
                wait_until(lambda: "usage-stats.ray.io:443" in requests, 60)
            finally:
                os.killpg(process.pid, signal.SIGKILL)


def test_killed_run_on_ray_continues_past_a_photo_that_crashes_the_decoder(
    tiny_bundle: Bundle, tmp_path: Path, crash_on_gifs: None
) -> None:
    folder, out = tmp_path / "archive", tmp_path / "out"
    names = [f"{number}.png" for number in range(2000)]
    write_folder(folder, {**dict.fromkeys(names, encode("blue")), "z.gif": encode("red", "GIF")})
    process = start(folder, "--out", out, "--ray", "local")
    wait_until(lambda: list(out.glob("part-*")), 90)
    process.kill()
    process.communicate()
    assert 0 < len(list(out.glob("part-*"))) < 8
    identify(folder, "--out", out, "--ray", "local", codes=(0, 1))
    results = {row["photo"]: row["error"] for row in rows(out)}
    assert results.pop("z.gif")["code"] == "damaged"
    assert results == dict.fromkeys(names)
    assert len(rows(out)) == len(names) + 1


def test_removed_machine_loses_no_photo(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    from ray.cluster_utils import Cluster

    from scale.ray_pool import identify_on_ray

    names = [f"{number}.png" for number in range(3000)]
    folder = write_folder(tmp_path / "archive", dict.fromkeys(names, encode("blue")))
    machine = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=machine)
    try:
        second = cluster.add_node(**machine)
        run = run_in(folder, tiny_bundle)
        counts = identify_on_ray(run, tiny_bundle, cluster.address)
        done, _ = next(counts)
        cluster.remove_node(second, allow_graceful=False)
        assert done + sum(photos for photos, _ in counts) == len(names)
    finally:
        cluster.shutdown()
    assert [row["photo"] for row in rows(tmp_path / "out")] == sorted(names)


def test_failures_on_ray_are_one_sentence(tiny_bundle: Bundle, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "archive", {"a.png": encode("red")})
    words = (folder, "--out", tmp_path / "out", "--ray")
    printed = identify(*words, "127.0.0.1:1", codes=(2,))
    assert "Ray at 127.0.0.1:1 can't be used: [Errno 111] Connection refused" in printed
    (folder / "a.png").unlink()
    folder.rmdir()
    printed = identify(*words, "local", codes=(2,))
    assert f"\nError: {folder} can't be used: " in printed
    assert printed.endswith(", then try again. [storage-unavailable]\n")
    assert "Traceback" not in printed
