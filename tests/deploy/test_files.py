"""Files are written whole or not at all, and never over something else unasked."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from deploy.errors import FilesDiffer
from deploy.files import Written, archive, files, write
from deploy.host import Host
from deploy.hosts import get_host, hosts

every_host = pytest.mark.parametrize("host", hosts().values(), ids=lambda host: host.name)


def below(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


@every_host
def test_writing_twice_changes_nothing(host: Host, tmp_path: Path) -> None:
    write(host, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert set(write(host, tmp_path).values()) == {Written.SAME}
    assert below(tmp_path) == files(host)
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


@every_host
def test_what_differs_is_kept_unless_forced(host: Host, tmp_path: Path) -> None:
    write(host, tmp_path)
    mine = tmp_path / next(iter(files(host)))
    mine.write_text("mine")
    others = {path for path in files(host) if tmp_path / path != mine}
    for path in others:
        (tmp_path / path).unlink()
    with pytest.raises(FilesDiffer, match=f"{mine.name}.*--to, or --force"):
        write(host, tmp_path)
    # Nothing at all is written then, not even what is missing.
    assert below(tmp_path) == {next(iter(files(host))): "mine"}
    states = write(host, tmp_path, force=True)
    assert states[mine] is Written.REPLACED
    assert below(tmp_path) == files(host)


@every_host
def test_the_zip_holds_the_same_files_and_is_the_same_each_time(host: Host) -> None:
    with zipfile.ZipFile(io.BytesIO(archive(host))) as zipped:
        assert zipped.testzip() is None
        found = {name: zipped.read(name).decode() for name in zipped.namelist()}
        assert {one.external_attr >> 16 for one in zipped.infolist()} == {0o644}
    assert found == files(host)
    assert archive(host) == archive(host)


def test_a_written_file_can_be_read_by_others(tmp_path: Path) -> None:
    (path,) = write(get_host("fly"), tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_failure_while_writing_leaves_the_former_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fly.toml").write_text("former")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(get_host("fly"), tmp_path, force=True)
    assert below(tmp_path) == {"fly.toml": "former"}


def test_paths_stay_below_the_folder() -> None:
    for host in hosts().values():
        for path in files(host):
            assert not Path(path).is_absolute()
            assert ".." not in Path(path).parts
