"""The export for static web servers: its files and their contents."""

import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from model.browser import cache
from model.browser.page_files import PAGE_FILES, list_kept
from model.bundle import Bundle
from model.exporting.export_folder import RECORD, list_files, read_record
from model.exporting.formats import export_models
from tests.model.tiny import give_samples, tiny


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """Two models, the first with samples."""
    folder = tmp_path_factory.mktemp("models")
    bundles = [tiny(folder, "apples", title="Äpfel: *& more*"), tiny(folder, "pears")]
    give_samples(bundles[0], "blue", "red")
    return bundles


@pytest.fixture(scope="module")
def exported(
    built_dir: Path, models: list[Bundle], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A page of these models, made on a machine that has onnxruntime-web; tests only read it."""
    folder = tmp_path_factory.mktemp("exported") / "out" / "page"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "BUILT_DIR", built_dir)
        export = export_models(models, "web", folder)
        assert set(export.files) == set(list_files(folder))
        yield folder


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_folder_holds_the_page_and_the_files_of_its_models(
    models: list[Bundle], exported: Path
) -> None:
    folder, files = exported, set(list_files(exported))
    assert {name.replace(".mjs", ".js") for name in PAGE_FILES} < files
    assert {".nojekyll", "README.md", "loupe.mjs", "models/index.json", RECORD} < files
    kept = read_json(folder / "files.json")
    assert set(kept) == {name.replace(".mjs", ".js") for name in list_kept(PAGE_FILES)}
    index = read_json(folder / "models/index.json")
    listed = index["models"]
    samples = [sample[kind] for sample in listed[0]["samples"] for kind in ("url", "thumbnail")]
    assert [(folder / name).read_bytes()[:2] for name in samples] == [b"\xff\xd8"] * 4
    assert listed[1]["samples"] == []
    assert [(model["name"], model["default"]) for model in listed] == [
        ("apples", True),
        ("pears", False),
    ]
    for bundle in models:
        place = folder / "models" / bundle.name
        info = read_json(place / "model.json")
        assert info["version"] == bundle.version
        packed = [info["runtime"] | {"url": info["runtime"]["wasm"]}]
        for graph in info["graphs"].values():
            packed += [graph, graph["golden"]]
        for entry in packed:
            data = (place / entry["url"]).read_bytes()
            assert len(data) == entry["bytes"]
            assert hashlib.sha256(gzip.decompress(data)).hexdigest() == entry["sha256"]
        assert (place / info["runtime"]["module"]).suffix == ".js"
    assert oct(folder.stat().st_mode & 0o777) == "0o755"
    assert {oct((folder / path).stat().st_mode & 0o777) for path in files} == {"0o644"}


def test_no_file_imports_a_module_with_a_suffix_unknown_to_servers(exported: Path) -> None:
    names = set(list_files(exported))
    for path in names - {"loupe.mjs"}:
        if path.startswith(("runtime/", "models/")) or not path.endswith((".js", ".html")):
            continue
        text = (exported / path).read_text("utf-8")
        assert ".mjs" not in text, path
        for module in re.findall(r'(?:from |import\(|new URL\()"([\w./-]+\.(?:js|css))"', text):
            assert (exported / path).parent.joinpath(module).is_file(), (path, module)
    assert (exported / "loupe.mjs").read_text() == 'export * from "./loupe.js";\n'


def test_page_carries_its_policy(exported: Path) -> None:
    html = (exported / "index.html").read_text("utf-8")
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="(.+?)">', html)
    assert policy.startswith("default-src 'self'; script-src 'self' 'wasm-unsafe-eval';")
    # Browsers ignore this directive in a page, with a warning.
    assert "frame-ancestors" not in policy
    # Nothing that the policy governs comes before it.
    assert html.index("Content-Security-Policy") < html.index("<link")


def test_readme_is_the_head_of_a_static_space(exported: Path) -> None:
    _, head, text = (exported / "README.md").read_text("utf-8").split("---\n", 2)
    space = yaml.safe_load(head)
    assert (space["sdk"], space["app_file"]) == ("static", "index.html")
    assert space["title"] == "Äpfel: *& more*"
    assert "# Äpfel: \\*& more\\*" in text
    version = read_json(exported / "models/pears/model.json")["version"]
    assert version in text


def test_later_export_drops_models_that_it_does_not_name(
    models: list[Bundle], exported: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(exported, tmp_path / "page")
    export_models(models[1:], "web", folder)
    assert [path.name for path in (folder / "models").iterdir() if path.is_dir()] == ["pears"]
    record = read_record(folder)
    assert record
    assert record["models"] == {"pears": models[1].version}
