"""The page for static hosts: written with models, checked in its folder and at its address."""

import gzip
import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.check import check_host, check_url
from deploy.cli import main
from deploy.files import FilesDiffer, write_files, zip_files
from deploy.hosts import HOSTS
from deploy.results import CheckResult
from deploy.spec import choose_models
from model.browser import cache
from model.exporting.export_folder import RECORD, list_files, read_record
from model.settings import settings
from model.text import format_size
from tests.http_server import http_server
from tests.model.tiny import tiny

STATIC = HOSTS["static"]


@pytest.fixture(scope="module")
def written(built_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page with the models ``pears`` and ``apples``; return its parent folder."""
    folder = tmp_path_factory.mktemp("static")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOUPE_DATA", str(folder / "data"))
        patch.setattr(cache, "BUILT_DIR", built_dir)
        settings.cache_clear()
        for name in ("apples", "pears"):
            tiny(folder / "data" / "models", name)
        write_files(STATIC, folder / "page", choose_models(["pears", "apples"]))
    settings.cache_clear()
    return folder


@pytest.fixture
def folder(
    written: Path,
    built_dir: Path,
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A copy of that page, and the data folder with its models."""
    monkeypatch.setattr(cache, "BUILT_DIR", built_dir)
    shutil.copytree(written / "data", data_folder)
    return shutil.copytree(written / "page", tmp_path / "page")


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    """The address of a server of that page."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with http_server(handler) as address:
        yield f"{address}/"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def failures(folder: Path, model: str | None = None) -> list[CheckResult]:
    return [one for one in check_host(STATIC, folder, model) if one.state == "failed"]


def test_commands_write_and_check_the_page(folder: Path) -> None:
    command = ("write", "static", "--model", "pears", "--to", folder)
    result = call(*command)
    assert result.exit_code == 0, result.output
    assert "Models: pears\n" in result.stdout
    assert f"{folder}: replaced, " in result.stdout
    assert f"{folder}: unchanged, " in call(*command).stdout
    record = read_record(folder)
    assert record
    assert record["models"].keys() == {"pears"}
    result = call("check", "static", "--to", folder)
    assert result.exit_code == 0
    assert re.search(r"  ok      files: \d+ files match their hashes\n", result.stdout)
    assert "it runs in browsers\n" in result.stdout


def test_first_visit_has_one_size_everywhere(folder: Path) -> None:
    app = choose_models(["pears"])
    assert app.first_visit in call("show", "static", "--model", "pears").stdout
    assert app.first_visit in STATIC.describe_limits(app)
    assert app.first_visit not in HOSTS["render"].describe_limits(app)
    written = call("write", "static", "--model", "pears", "--to", folder).stdout
    assert f" A first visit loads {format_size(app.visit_bytes)} from a server" in written
    # As a server sends the page: what is packed already, the rest compressed.
    full = json.loads((folder / "models/pears/model.json").read_text())["graphs"]["full"]
    unseen = {RECORD, "README.md", "loupe.mjs", f"models/pears/{full['url']}"}
    files = [path for path in list_files(folder) if path not in unseen and "samples" not in path]
    loaded = sum(len(gzip.compress((folder / path).read_bytes())) for path in files)
    assert app.visit_bytes == pytest.approx(loaded, rel=0.01)


def test_size_of_a_first_visit_is_left_out_before_it_is_known(data_folder: Path) -> None:
    app = choose_models(["imagenet"])
    assert (app.visit_bytes, app.first_visit) == (0, "")
    assert all(STATIC.describe_limits(app))
    assert "first visit" not in call("show", "static", "--model", "imagenet").stdout


def test_edited_page_is_kept_unless_forced(folder: Path) -> None:
    app = choose_models(["pears"])
    (folder / "README.md").write_text("mine")
    (folder / "app.css").unlink()
    with pytest.raises(FilesDiffer, match=r"README.md, app.css .* were edited or removed"):
        write_files(STATIC, folder, app)
    assert (folder / "README.md").read_text() == "mine"
    (result,) = write_files(STATIC, folder, app, force=True).values()
    assert result.startswith("replaced, ")
    assert failures(folder) == []


@pytest.mark.slow
def test_zip_holds_the_same_page(folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(zip_files(STATIC, choose_models(["pears", "apples"])))) as file:
        names = {entry.filename for entry in file.infolist() if not entry.is_dir()}
        assert file.read(RECORD) == (folder / RECORD).read_bytes()
    assert names == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }


def test_absent_page_fails_with_the_folder_unless_all_hosts_are_checked(tmp_path: Path) -> None:
    result = call("check", "static", "--to", tmp_path)
    assert result.exit_code == 1
    assert f"page: not found in {tmp_path}, so nothing was checked" in result.stdout
    assert "Name its folder with --to" in result.stdout
    (noted,) = check_host(STATIC, tmp_path, needs_page=False)
    assert noted.state == "note"


def test_changed_file_fails_with_its_name(folder: Path) -> None:
    (folder / "models/pears/model.json").write_text("{}")
    (failure,) = failures(folder)
    assert failure.message.endswith("models/pears/model.json")
    assert f"write static --to {folder} --force --model pears --model apples" in failure.fix


def test_page_opens_the_wanted_model(folder: Path) -> None:
    (failure,) = failures(folder, "apples")
    assert "opens 'pears', and offers 'apples' beside it" in failure.message
    (failure,) = failures(folder, "imagenet")
    assert "the page has no model 'imagenet'" in failure.message


def test_page_is_checked_at_its_address(url: str, folder: Path, models_dir: Path) -> None:
    assert [one.state for one in check_url(url, host=STATIC)] == ["ok", "ok"]
    tiny(models_dir, "pears", title="Again")
    *_, result = check_url(url, host=STATIC)
    assert result.state == "failed"
    (folder / RECORD).unlink()
    *_, result = check_url(url, host=STATIC)
    assert result.message == "not Loupe, or not ready (HTTP 404)"


def test_server_that_sends_scripts_as_text_fails(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SimpleHTTPRequestHandler.extensions_map, ".js", "text/plain")
    result, _ = check_url(url, host=STATIC)
    assert result.message == "sent as text/plain, which browsers don't run"
