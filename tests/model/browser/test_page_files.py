"""The files of a folder that belong to the page; compressing Streamlit's ends with the app."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from model.browser.page_files import PAGE_FILES, find_page_files, list_kept
from model.settings import ROOT
from tests.waiting import wait_until


def test_only_regular_files_of_known_types_are_found(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    folder = tmp_path / "page"
    (folder / "folder.mjs").mkdir(parents=True)
    (folder / "view").mkdir()
    (folder / "node_modules").mkdir()
    for name in ("view/dialog.mjs", "node_modules/npm.mjs", "view/.npm.mjs"):
        (folder / name).write_text("")
    for name in ("app.mjs", "app.css", "package.json", ".app.mjs", "app.mjs~", "APP.MJS", "key"):
        (folder / name).write_text("")
    (folder / "link.mjs").symlink_to(secret)
    assert find_page_files(folder) == {
        "app.css": "text/css",
        "app.mjs": "text/javascript",
        "view/dialog.mjs": "text/javascript",
    }


def test_new_module_is_kept_without_a_network_and_entry_points_are_served(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    for name in ("index.html", "service-worker.js", "engine/new.mjs"):
        (tmp_path / name).touch()
    assert list_kept(find_page_files(tmp_path)) == ["engine/new.mjs"]
    entries = {"index.html", "loupe.mjs", "engine/worker.mjs", "service-worker.js"}
    assert entries <= PAGE_FILES.keys()


CODE = """
import sys
from pathlib import Path
from model.browser.page_files import PARTS, compress
compress(PARTS[0], Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_compression_ends_with_the_app(tmp_path: Path) -> None:
    app = subprocess.Popen([sys.executable, "-c", CODE, str(tmp_path)], cwd=ROOT)
    wait_until(lambda: any(tmp_path.glob("static/js/[!l]*.gz")), 60)
    children = Path(f"/proc/{app.pid}/task/{app.pid}/children").read_text().split()
    app.kill()
    app.wait()
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), 10)
    modules = json.loads((tmp_path / "first-visit.json").read_text())["modules"]
    files = [tmp_path / f"{name}.gz" for name in modules if name.startswith("static/")]
    assert not all(file.exists() for file in files), "compression ran to the end"
