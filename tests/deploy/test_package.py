"""The models to deploy: chosen by name, copied completely, without weights."""

import errno
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy import package
from deploy.errors import DeployError, FilesDiffer, NotOffered
from deploy.files import default_folder, write_files, zip_files
from deploy.host import Host
from deploy.hosts import HOSTS, get_host
from deploy.package import (
    app_files,
    check_offered,
    choose_models,
    copy_bundle,
    list_other_models,
)
from deploy.spec import APP
from model.bundle import BUILTIN_DIR, MANIFEST, SMALL_CARD, Bundle, get_bundle
from model.errors import BundleDamaged, BundleNotFound
from model.settings import ROOT, settings
from model.storage import atomic
from tests.model.tiny import tiny


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder to write to, away from the data folder."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.fixture
def with_weights(models_dir: Path) -> None:
    """A model of the owner that both engines run."""
    shutil.copytree(BUILTIN_DIR / "clothing", models_dir / "clothing")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_own_model_is_deployed_by_default_and_alone(tiny_bundle: Bundle) -> None:
    app = choose_models()
    assert (app.models, app.builtin) == (("tiny",), False)
    assert app.environment() == {
        "LOUPE_LOG": "json",
        "LOUPE_MODEL": "tiny",
        "LOUPE_BUILTIN": "false",
    }
    assert app.options == " --model tiny"


def test_builtin_models_are_deployed_if_there_is_no_other(data_folder: Path) -> None:
    assert choose_models() == APP
    assert APP.options == ""


def test_exactly_the_named_models_are_offered(
    tiny_bundle: Bundle, calibrated_bundle: Bundle, target: Path
) -> None:
    app = choose_models(["calibrated", "tiny", "calibrated"])
    assert (app.models, app.builtin) == (("calibrated", "tiny"), False)
    app = choose_models(["tiny", "clothing"])
    assert app.environment()["LOUPE_BUILTIN"] == "false"
    write_files(get_host("community-cloud"), target, app)
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


def test_copy_leaves_the_weights_out_unless_the_learner_is_wanted(
    with_weights: None, target: Path
) -> None:
    app = choose_models(["clothing"])
    bundle = get_bundle("clothing")
    assert copy_bundle(bundle, target, app) == f"copied, version {bundle.version}"
    copy = Bundle.open(target / "clothing")
    assert copy.version == bundle.version
    assert "weights.safetensors" not in copy.file_names
    assert SMALL_CARD in names(target / "clothing")
    copy.verify()
    assert copy_bundle(bundle, target, app).startswith("unchanged")
    full = choose_models(["clothing"], learner=True)
    assert copy_bundle(bundle, target, full) == f"copied, version {bundle.version}"
    assert names(target / "clothing") == {MANIFEST, SMALL_CARD, *bundle.manifest.files}
    assert copy_bundle(bundle, target, app).startswith("copied")
    assert "weights.safetensors" not in names(target / "clothing")


def test_copy_replaces_an_older_version_and_its_remains(
    tiny_bundle: Bundle, models_dir: Path, target: Path
) -> None:
    app = choose_models(["tiny"])
    copy_bundle(tiny_bundle, target, app)
    newer = tiny(models_dir, title="Colours, again")
    assert newer.version != tiny_bundle.version
    (target / "tiny/left-over.onnx").write_text("old")
    outcome = copy_bundle(newer, target, app)
    assert outcome == f"updated {tiny_bundle.version} to {newer.version}"
    assert names(target) == {"tiny"}
    assert names(target / "tiny") == {MANIFEST, *newer.file_names}
    assert (target / "tiny").stat().st_mode & 0o777 == 0o755


def test_damaged_copy_is_made_again(tiny_bundle: Bundle, target: Path) -> None:
    app = choose_models(["tiny"])
    copy_bundle(tiny_bundle, target, app)
    graph = target / "tiny/graph.onnx"
    graph.write_bytes(bytes(graph.stat().st_size))
    assert copy_bundle(tiny_bundle, target, app).startswith("copied")
    Bundle.open(target / "tiny").verify()


def test_damaged_model_is_not_copied(tiny_bundle: Bundle, target: Path) -> None:
    app = choose_models(["tiny"])
    graph = tiny_bundle.folder / "graph.onnx"
    graph.write_bytes(bytes(graph.stat().st_size))
    with pytest.raises(BundleDamaged):
        copy_bundle(tiny_bundle, target, app)
    assert names(target) == set()


def test_failed_copy_keeps_the_previous_version(
    tiny_bundle: Bundle, models_dir: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = choose_models(["tiny"])
    copy_bundle(tiny_bundle, target, app)
    newer = tiny(models_dir, title="Colours, again")

    def fail(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "fsync_path", fail)
    with pytest.raises(OSError, match="No space left"):
        copy_bundle(newer, target, app)
    assert names(target) == {"tiny"}
    assert Bundle.open(target / "tiny").version == tiny_bundle.version


def test_other_folder_of_that_name_is_kept_unless_forced(tiny_bundle: Bundle, target: Path) -> None:
    app = choose_models(["tiny"])
    (target / "bundles/tiny").mkdir(parents=True)
    (target / "bundles/tiny/notes.txt").write_text("mine")
    render = get_host("render")
    with pytest.raises(FilesDiffer, match="is not a model"):
        write_files(render, target, app)
    assert not (target / "render.yaml").exists()
    write_files(render, target, app, force=True)
    assert names(target / "bundles/tiny") == {MANIFEST, *tiny_bundle.file_names}


def test_link_of_that_name_is_replaced_and_not_followed(tiny_bundle: Bundle, target: Path) -> None:
    app = choose_models(["tiny"])
    elsewhere = target / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keep.txt").write_text("mine")
    bundles = target / "bundles"
    bundles.mkdir()
    (bundles / "tiny").symlink_to(elsewhere)
    copy_bundle(tiny_bundle, bundles, app, force=True)
    assert not (bundles / "tiny").is_symlink()
    assert names(elsewhere) == {"keep.txt"}
    assert names(bundles) == {"tiny"}


def test_model_already_in_the_folder_is_kept(
    tiny_bundle: Bundle, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_bundle(tiny_bundle, target, choose_models(["tiny"]))
    shutil.rmtree(tiny_bundle.folder.parent)
    monkeypatch.setenv("LOUPE_BUNDLES", str(target))
    settings.cache_clear()
    app = choose_models()
    assert app.own == ("tiny",)
    assert copy_bundle(get_bundle("tiny"), target, app).startswith("unchanged")
    assert names(target / "tiny") == {MANIFEST, *tiny_bundle.file_names}


def test_other_models_in_the_folder_are_named(
    tiny_bundle: Bundle, calibrated_bundle: Bundle, target: Path
) -> None:
    app = choose_models(["tiny"])
    for bundle in (tiny_bundle, calibrated_bundle):
        copy_bundle(bundle, target, app)
    assert list_other_models(target, app) == ["calibrated"]


TAKES_LEARNER = {"spaces", "vps-compose", "cloud-init", "sagemaker"}
FULL_INSTALL = re.compile(r"target\W+full|FROM full|[ /]requirements\.txt")


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_learner_is_refused_where_it_does_not_fit(host: Host, with_weights: None) -> None:
    app = choose_models(["clothing"], learner=True)
    assert app.options == " --model clothing --learner"
    if host.name in TAKES_LEARNER:
        check_offered(host, app)
        assert FULL_INSTALL.search(
            "\n".join([*host.make_files(app).values(), *host.list_steps(app)])
        )
        granted = [
            int(value)
            for value in re.findall(r"LOUPE_MEMORY_MB\W+(\d+)", str(host.make_files(app)))
        ]
        assert all(value >= 2048 for value in granted)
    else:
        with pytest.raises(NotOffered, match=r"1,024 MB .* Leave out --learner"):
            check_offered(host, app)


def test_learner_without_weights_is_refused(tiny_bundle: Bundle) -> None:
    with pytest.raises(NotOffered, match=r"'tiny' has no weights\.safetensors"):
        choose_models(["tiny"], learner=True)


def test_large_file_goes_by_git_lfs(
    tiny_bundle: Bundle, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "GITHUB_FILE_BYTES", 900)
    app = choose_models(["tiny"])
    assert app.git_lfs
    for name in ("render", "cloud-init"):
        host = get_host(name)
        write_files(host, target / name, app)
        attributes = (target / name / "bundles/.gitattributes").read_text()
        assert attributes.startswith("*.onnx filter=lfs diff=lfs merge=lfs -text\n")
        assert "$ git lfs install" in host.list_steps(app)
    for name in ("vps-compose", "sagemaker"):
        host = get_host(name)
        write_files(host, target / name, app)
        assert not (target / name / "bundles/.gitattributes").exists()
        assert "lfs" not in " ".join(host.list_steps(app))


def test_git_takes_the_attributes_as_written(
    tiny_bundle: Bundle, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "GITHUB_FILE_BYTES", 900)
    write_files(get_host("render"), target, choose_models(["tiny"]))
    subprocess.run(["git", "init", "-q", target], check=True)
    paths = ["bundles/tiny/golden.npz", "bundles/tiny/graph.onnx"]
    command = ["git", "-C", str(target), "check-attr", "filter", *paths]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert output == (
        "bundles/tiny/golden.npz: filter: unspecified\nbundles/tiny/graph.onnx: filter: lfs\n"
    )


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
    write_files(get_host("community-cloud"), target, app)
    # The app uses its own files, neither this checkout nor a data folder.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LOUPE_", "PYTHON"))}
    environment |= app.environment() | {"LOUPE_DATA": str(target / "empty")}

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
    assert packages.endswith(f"\n{APP.postgres_driver}\n{APP.npm}\n")
    # Community Cloud would prefer any of these to requirements.txt.
    preferred = {"uv.lock", "Pipfile", "environment.yml", "pyproject.toml", "packages.txt"}
    assert not (preferred | {"tests"}) & names(target)


def test_only_files_that_git_tracks_are_copied(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("Dockerfile", "model/a.py", "model/key.json", "model/__pycache__/a.pyc"):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text("COPY model/ model/\n" if path == "Dockerfile" else "")
    monkeypatch.setattr(package, "ROOT", target)
    monkeypatch.setattr(package, "BUILTIN_DIR", target / "model/library")
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


def test_zip_holds_the_models_unless_they_are_left_out(tiny_bundle: Bundle) -> None:
    networks = re.compile(r"\.(onnx|npz|safetensors)$|(^|/)(bundle|small)\.json$")
    for name in ("render", "community-cloud"):
        for app in (choose_models(["tiny"]), choose_models(["imagenet"])):
            host = get_host(name)
            zipped = [zip_files(host, app), zip_files(host, app, models=False)]
            whole, rest = [set(zipfile.ZipFile(io.BytesIO(data)).namelist()) for data in zipped]
            assert rest == {path for path in whole if not networks.search(path)}
            assert set(host.make_files(app)) <= rest
            assert ("bundles/tiny/graph.onnx" in whole) == (app.own == ("tiny",))


def test_memory_grows_with_the_graphs(models_dir: Path) -> None:
    assert choose_models().memory_mb == choose_models(["imagenet"]).memory_mb == APP.memory_mb
    # 14.1 MB more, kept twice in memory.
    assert choose_models(["imagenet", "clothing"]).memory_mb == APP.memory_mb + 30
