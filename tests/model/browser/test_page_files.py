"""The files of a folder that belong to the page."""

from pathlib import Path

from model.browser.page_files import PAGE_FILES, find_page_files, list_kept


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


def test_new_module_is_kept_without_a_network(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    for name in ("index.html", "service-worker.js", "engine/new.mjs"):
        (tmp_path / name).touch()
    assert list_kept(find_page_files(tmp_path)) == ["engine/new.mjs"]


def test_page_has_its_entry_points() -> None:
    entries = {"index.html", "loupe.mjs", "engine/worker.mjs", "service-worker.js"}
    assert entries <= PAGE_FILES.keys()
