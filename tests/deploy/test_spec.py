"""The models to deploy: chosen by name, copied completely, without weights."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import spec
from deploy.files import FilesDiffer, default_folder, write_files
from deploy.hosts import HOSTS
from deploy.spec import APP, DeployError, app_files, choose_models
from model.bundle import BUILTIN_DIR, MANIFEST, SMALL_CARD, Bundle, get_bundle, read_samples
from model.bundle.manifest import SAMPLE_LIST, SAMPLE_PHOTOS
from model.errors import BundleDamaged, BundleNotFound
from model.settings import ROOT, settings
from tests.model.tiny import tiny

RENDER = HOSTS["render"]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder to write to, away from the data folder."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_builtin_models_are_deployed_if_there_is_no_other(data_folder: Path) -> None:
    assert choose_models() == APP
    assert APP.options == ""


def test_own_model_is_deployed_by_default_and_alone(tiny_bundle: Bundle) -> None:
    app = choose_models()
    assert (app.models, app.builtin, app.options) == (("tiny",), False, " --model tiny")
    settings = {"LOUPE_LOG": "json", "LOUPE_MODEL": "tiny", "LOUPE_BUILTIN": "false"}
    assert app.environment() == settings


def test_exactly_the_named_models_are_offered(
    tiny_bundle: Bundle, calibrated_bundle: Bundle, target: Path
) -> None:
    app = choose_models(["calibrated", "tiny", "calibrated"])
    assert (app.models, app.builtin) == (("calibrated", "tiny"), False)
    app = choose_models(["tiny", "clothing"])
    assert app.environment()["LOUPE_BUILTIN"] == "false"
    write_files(HOSTS["community-cloud"], target, app)
    assert names(target / "bundles") == {"README.md", "clothing", "tiny"}
    assert not (target / "model/library").exists()
    assert (target / "README.md").read_text().startswith(f"# {tiny_bundle.manifest.title}\n")
    assert choose_models(["clothing"]).environment()["LOUPE_MODEL"] == "clothing"


def test_damaged_newest_model_is_passed_over(tiny_bundle: Bundle, models_dir: Path) -> None:
    newer = tiny(models_dir, "newer")
    os.utime(newer.folder / MANIFEST, (2e9, 2e9))
    assert choose_models().models == ("newer",)
    (newer.folder / MANIFEST).write_text("{")
    assert choose_models().models == ("tiny",)


@pytest.mark.parametrize("name", ["", "..", "../tiny", "/etc", "tiny/..", "a b", "$(id)", "TINY"])
def test_only_names_of_the_registry_are_taken(name: str, tiny_bundle: Bundle) -> None:
    with pytest.raises(BundleNotFound):
        choose_models([name])


def test_copy_has_the_samples_and_leaves_the_weights_out(models_dir: Path, target: Path) -> None:
    shutil.copytree(BUILTIN_DIR / "clothing", models_dir / "clothing")
    write_files(RENDER, target, choose_models(["clothing"]))
    copy, bundle = Bundle.open(target / "bundles/clothing"), get_bundle("clothing")
    assert copy.version == bundle.version
    beside = {SMALL_CARD, SAMPLE_LIST, *SAMPLE_PHOTOS}
    assert names(copy.folder) == {MANIFEST, *beside, *bundle.manifest.files} - {
        "weights.safetensors"
    }
    assert read_samples(copy) == read_samples(bundle)
    copy.verify()


def test_copy_replaces_another_version_and_damaged_files(
    tiny_bundle: Bundle, models_dir: Path, target: Path
) -> None:
    app, copy = choose_models(["tiny"]), target / "bundles/tiny"
    write_files(RENDER, target, app)
    newer = tiny(models_dir, title="Colours, again")
    assert newer.version != tiny_bundle.version
    (copy / "left-over.onnx").write_text("old")
    write_files(RENDER, target, app)
    assert names(copy) == {MANIFEST, *newer.file_names}
    (copy / "graph.onnx").write_bytes(b"damaged")
    assert write_files(RENDER, target, app)[copy / "graph.onnx"] == "replaced"
    Bundle.open(copy).verify()


def test_damaged_model_is_not_copied(tiny_bundle: Bundle, target: Path) -> None:
    graph = tiny_bundle.folder / "graph.onnx"
    graph.write_bytes(bytes(graph.stat().st_size))
    with pytest.raises(BundleDamaged):
        write_files(RENDER, target, choose_models(["tiny"]))
    assert names(target) == set()


@pytest.mark.parametrize(
    ("is_link", "message"), [(True, "not a folder, so nothing is written"), (False, "other files")]
)
def test_folder_of_that_name_with_other_files_is_kept(
    is_link: bool, message: str, tiny_bundle: Bundle, target: Path
) -> None:
    thesis = target / ("elsewhere" if is_link else "bundles/tiny") / "thesis.txt"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("years of work")
    if is_link:
        (target / "bundles").mkdir()
        (target / "bundles/tiny").symlink_to(thesis.parent)
    with pytest.raises(FilesDiffer, match=message):
        write_files(RENDER, target, choose_models(["tiny"]), force=is_link)
    assert names(thesis.parent) == {"thesis.txt"}


def test_model_already_in_the_folder_is_kept(
    tiny_bundle: Bundle, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(RENDER, target, choose_models(["tiny"]))
    shutil.rmtree(tiny_bundle.folder.parent)
    monkeypatch.setenv("LOUPE_BUNDLES", str(target / "bundles"))
    settings.cache_clear()
    app = choose_models()
    assert app.own == ("tiny",)
    assert set(write_files(RENDER, target, app).values()) == {"unchanged"}
    Bundle.open(target / "bundles/tiny").verify()


def test_large_file_goes_by_git_lfs(
    tiny_bundle: Bundle, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "GITHUB_FILE_BYTES", 900)
    app = choose_models(["tiny"])
    assert app.git_lfs
    for name in ("render", "cloud-init"):
        host = HOSTS[name]
        write_files(host, target / name, app)
        assert "$ git lfs install" in host.list_steps(app)
        subprocess.run(["git", "init", "-q", target / name], check=True)
        paths = [f"bundles/tiny/{file}" for file in ("golden.npz", "graph.onnx")]
        command = ["git", "-C", str(target / name), "check-attr", "filter", *paths]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert [line.split(": ")[2] for line in output.splitlines()] == ["unspecified", "lfs"]
    for name in ("vps-compose", "sagemaker"):
        host = HOSTS[name]
        write_files(host, target / name, app)
        assert not (target / name / "bundles/.gitattributes").exists()
        assert "lfs" not in " ".join(host.list_steps(app))


def files_below(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


@pytest.mark.slow
def test_separate_folder_is_a_complete_app_with_the_model(
    tiny_bundle: Bundle, target: Path
) -> None:
    app = choose_models(["tiny"])
    write_files(HOSTS["community-cloud"], target, app)
    # The app uses its own files, neither this checkout nor a data folder.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LOUPE_", "PYTHON"))}
    environment |= app.environment() | {"LOUPE_DATA": str(target / "empty"), "LOUPE_NPM": "false"}

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=target, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    answer = run("-m", "model", "identify", "model/samples/cat.jpg", "--json")
    assert tiny_bundle.version in answer
    code = "import streamlit_app, pathlib; print(pathlib.Path(streamlit_app.__file__).parent)"
    assert run("-c", code).strip() == str(target)
    # The copied app can be copied again without git, as its Deploy page does.
    run("-m", "deploy", "write", "community-cloud", "--to", "again")
    written = {path: file.read_bytes() for path, file in files_below(target).items()}
    again = {path: file.read_bytes() for path, file in files_below(target / "again").items()}
    assert again == {path: data for path, data in written.items() if not path.startswith("again/")}
    packages = (target / "requirements.txt").read_text()
    assert packages.startswith((ROOT / "requirements-serve.txt").read_text())
    # npm as a package, since the host has no build step that could fetch onnxruntime-web.
    assert packages.endswith((ROOT / APP.npm).read_text())
    # Community Cloud would prefer any of these to requirements.txt.
    preferred = {"uv.lock", "Pipfile", "environment.yml", "pyproject.toml", "packages.txt"}
    assert not (preferred | {"tests"}) & names(target)


def test_only_files_that_git_tracks_are_copied(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("Dockerfile", "model/a.py", "model/key.json", "model/__pycache__/a.pyc"):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text("COPY model/ model/\n" if path == "Dockerfile" else "")
    monkeypatch.setattr(spec, "ROOT", target)
    monkeypatch.setattr(spec, "BUILTIN_DIR", target / "model/library")
    assert set(app_files(APP)) == {"model/a.py", "model/key.json"}
    subprocess.run(["git", "init", "-q", target], check=True)
    subprocess.run(["git", "-C", target, "add", "model/a.py"], check=True)
    assert set(app_files(APP)) == {"model/a.py"}
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeployError, match="git can't list the app's files"):
        app_files(APP)


def test_separate_folders_are_ignored_by_git() -> None:
    for host in HOSTS.values():
        folder = default_folder(host)
        assert (folder == ROOT) == (host.package not in ("folder", "page"))
        path = folder / "x" if folder != ROOT else ROOT / "build/x"
        done = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False)
        assert done.returncode == 0
    command = ["git", "check-ignore", "-q", "bundles/mine/graph.onnx"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 1


def test_memory_grows_with_the_graphs(models_dir: Path) -> None:
    assert choose_models().memory_mb == choose_models(["imagenet"]).memory_mb == APP.memory_mb
    # 14.1 MB more, kept twice in memory.
    assert choose_models(["imagenet", "clothing"]).memory_mb == APP.memory_mb + 30
