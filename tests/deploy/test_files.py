"""A host's files: written completely or not at all, zipped, and read back."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.files import RECORD, FilesDiffer, read_record, read_settings, write_files, zip_files
from deploy.host import Host
from deploy.hosts import HOSTS
from deploy.spec import APP, app_files

each_package = pytest.mark.parametrize(
    "host", [HOSTS["cloud-init"], HOSTS["spaces"]], ids=["repository", "folder"]
)
"""A host whose files go into the repository, and one with a folder of its own."""

SMALL = replace(APP, builtin=False)
"""The app without its large models."""


def folder_contents(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, except the record of what was written."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RECORD
    }


def expected_contents(host: Host) -> dict[str, bytes]:
    copied = app_files(SMALL) if host.package == "folder" else {}
    texts = {path: text.encode() for path, text in host.make_files(SMALL).items()}
    return {path: source.read_bytes() for path, source in copied.items()} | texts


@each_package
def test_write_creates_the_files_and_then_changes_nothing(host: Host, tmp_path: Path) -> None:
    assert set(write_files(host, tmp_path, SMALL).values()) == {"written"}
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert set(write_files(host, tmp_path, SMALL).values()) == {"unchanged"}
    assert folder_contents(tmp_path) == expected_contents(host)
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_file_is_replaced_until_it_is_edited_or_if_forced(tmp_path: Path) -> None:
    host = HOSTS["cloud-init"]
    name = next(iter(host.make_files()))
    edited, values = tmp_path / name, dict.fromkeys(host.placeholders, "first")
    edited.write_text("mine")
    for _ in range(2):
        with pytest.raises(FilesDiffer, match=f"{name} differs .*--to, or .*--force"):
            write_files(host, tmp_path, SMALL)
        assert write_files(host, tmp_path, SMALL, force=True)[edited] == "replaced"
        assert folder_contents(tmp_path) == expected_contents(host)
        write_files(host, tmp_path, SMALL, values)
        write_files(host, tmp_path, replace(SMALL, models=("mine",)), values)
        edited.write_text("edited")


def test_nothing_is_written_beside_a_file_that_differs(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("mine")
    with pytest.raises(FilesDiffer):
        write_files(HOSTS["cloud-init"], tmp_path, SMALL)
    assert folder_contents(tmp_path) == {"compose.yaml": b"mine"}


@pytest.mark.parametrize("record", ["", "[]", "{", "[" * 100_000, '{"render.yaml": 1}', "\xff"])
def test_damaged_record_counts_as_none(record: str, tmp_path: Path) -> None:
    render = HOSTS["render"]
    write_files(render, tmp_path)
    (tmp_path / RECORD).write_text(record, encoding="latin-1")
    with pytest.raises(FilesDiffer):
        write_files(render, tmp_path, replace(APP, models=("mine",)))


def test_record_holds_the_files_of_every_host_in_the_folder(tmp_path: Path) -> None:
    for name in ("vps-compose", "render"):
        write_files(HOSTS[name], tmp_path)
    assert set(read_record(tmp_path)) == {"compose.yaml", "Caddyfile", "render.yaml"}


@each_package
def test_zip_contains_the_files(host: Host) -> None:
    with zipfile.ZipFile(io.BytesIO(zip_files(host, SMALL))) as archive:
        assert archive.testzip() is None
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        contents = {entry.filename: archive.read(entry) for entry in entries}
    assert contents == expected_contents(host)
    for entry in entries:
        assert bool(entry.external_attr >> 16 & 0o100) == entry.filename.endswith(".sh")


@pytest.mark.parametrize(
    "text",
    [
        "LOUPE_MODEL=mine LOUPE_TITLE='My app'",
        "  LOUPE_MODEL: mine\n  LOUPE_TITLE: 'My app'\n",
        'LOUPE_MODEL = "mine"\nLOUPE_TITLE = "My app"\n',
        '{"LOUPE_MODEL": "mine", "LOUPE_TITLE": "My app"}',
        "- name: LOUPE_MODEL\n  value: mine\n- key: LOUPE_TITLE\n  value: 'My app'\n",
        '[{"name": "LOUPE_MODEL",\n "value": "mine"}, {"name": "LOUPE_TITLE", "value": "My app"}]',
    ],
)
def test_settings_are_read_from_all_formats(text: str) -> None:
    others = (
        "# LOUPE_LOG=json\n- key: LOUPE_SECRET\n  generateValue: true\n"
        "- name: LOUPE_SECRET\n  valueFrom: x\n$ echo LOUPE_SECRET=$(openssl rand)\n"
    )
    settings = read_settings({"a": text, "b": others})
    assert settings == {"LOUPE_MODEL": "mine", "LOUPE_TITLE": "My app"}
    assert read_settings({}) == {}
