"""Exports as downloads: one zip per version and format, made by the owner's command alone."""

import zipfile
from pathlib import Path

from model import Bundle
from model.exporting.formats import export_models, find_downloads, keep_download
from tests.model.tiny import tiny


def keep(bundle: Bundle, folder: Path) -> Path:
    export = export_models([bundle], "onnx", folder)
    return keep_download(bundle, "onnx", folder, export.files)


def test_zip_holds_the_export_in_one_folder(tiny_bundle: Bundle, tmp_path: Path) -> None:
    assert find_downloads(tiny_bundle) == {}
    out = tmp_path / "out"
    path = keep(tiny_bundle, out)
    (out / "private.txt").write_text("not part of the export")
    assert find_downloads(tiny_bundle) == {"onnx": path}
    keep(tiny_bundle, out)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        graph = archive.read("tiny-onnx/graph.onnx")
    assert graph == tiny_bundle.read("graph.onnx")
    assert names == {f"tiny-onnx/{file.name}" for file in out.iterdir()} - {"tiny-onnx/private.txt"}


def test_export_of_another_version_is_not_offered(models_dir: Path, tmp_path: Path) -> None:
    versions = [tiny(models_dir, "tiny", title=title) for title in ("One", "Two", "Three")]
    keep(versions[0], tmp_path / "out")
    assert find_downloads(versions[1]) == {}
    for bundle in versions[1:]:
        keep(bundle, tmp_path / "out")
    # The previous version is kept, for a rollback; older ones are not.
    assert [bool(find_downloads(bundle)) for bundle in versions] == [False, True, True]
