"""Cores and memory by the cgroup's limits, in both of its versions; descriptors."""

import subprocess
import sys
from pathlib import Path

import pytest

from model import resources
from model.resources import cores, memory_mb
from model.settings import ROOT

HUGE = "9223372036854771712"


@pytest.fixture(autouse=True)
def _large_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of 8 cores and 16 GB, whatever these tests run on."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(resources, "_machine_mb", lambda: 16384.0)
    own_group(monkeypatch, "/")


def own_group(monkeypatch: pytest.MonkeyPatch, group: str) -> None:
    read = Path.read_text

    def text(path: Path) -> str:
        if path == Path("/proc/self/cgroup"):
            return f"12:cpu:/elsewhere\n0::{group}\n"
        try:
            return read(path)
        except OSError:
            return ""

    monkeypatch.setattr(resources, "_read_text", text)


CPU_MAX = {"150000 100000": 2, "7800 100000": 1, "1600000 100000": 8, "max 100000": 8}
CFS_QUOTA = {("50000", "100000"): 1, ("250000", "100000"): 3, ("-1", "100000"): 8}


def test_cores_follow_both_versions_of_cgroups(tmp_path: Path) -> None:
    for limit, expected in {**CPU_MAX, "nonsense": 8, "100000 0": 8, "0 100000": 8}.items():
        (tmp_path / "cpu.max").write_text(limit + "\n")
        assert cores(tmp_path) == expected
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    for (quota, period), expected in {**CFS_QUOTA, ("100000", "0"): 8}.items():
        (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota + "\n")
        (tmp_path / "cpu/cpu.cfs_period_us").write_text(period + "\n")
        assert cores(tmp_path) == expected


def test_no_limit_means_the_machines_resources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cores(tmp_path) == 8
    assert memory_mb(tmp_path) == 16384
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3}, raising=False)
    assert cores(tmp_path) == 1


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_memory_follows_both_versions_of_cgroups(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    limits = dict.fromkeys(("max", HUGE, "-1", "0", ""), 16384)
    for limit, expected in {str(512 * 2**20): 512, str(64 * 2**20): 128, **limits}.items():
        (tmp_path / file).write_text(limit + "\n")
        assert memory_mb(tmp_path) == expected


@pytest.mark.parametrize("tighter", ["own", "parent"])
def test_tightest_limit_of_the_group_and_its_parents_applies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tighter: str
) -> None:
    own_group(monkeypatch, "/system.slice/loupe.service")
    own = tmp_path / "system.slice" / "loupe.service"
    own.mkdir(parents=True)
    tight, loose = (own, own.parent) if tighter == "own" else (own.parent, own)
    (tight / "memory.max").write_text(str(300 * 2**20))
    (loose / "memory.max").write_text(str(900 * 2**20))
    (tight / "cpu.max").write_text("100000 100000")
    (loose / "cpu.max").write_text("300000 100000")
    assert memory_mb(tmp_path) == 300
    assert cores(tmp_path) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_descriptors_are_limited_by_the_hard_limit_alone() -> None:
    command = "import resource; from model.resources import descriptor_limit; "
    command += "print(descriptor_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    shell = f'ulimit -Sn 200; ulimit -Hn 300; exec "{sys.executable}" -c "{command}"'
    assert subprocess.check_output(["sh", "-c", shell], cwd=ROOT).split() == [b"300"] * 3


def test_malloc_of_another_c_library_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    resources.configure_malloc()
    resources.trim_memory()
