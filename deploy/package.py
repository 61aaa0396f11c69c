"""The models to deploy, and the app's own files where a host gets a folder of its own."""

import contextlib
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from model.browser.device_files import first_visit_bytes
from model.bundle import BUILTIN_DIR, MANIFEST, Bundle, default_models, get_bundle
from model.engine_info import ENGINES, OPTIONAL_FILES
from model.errors import BundleError, BundleNotFound
from model.settings import ROOT

from .errors import DeployError
from .spec import APP, AppSpec

GITHUB_FILE_BYTES = 100 * 2**20
"""Largest file that GitHub takes without Git LFS."""

LFS_ATTRIBUTES = "".join(
    f"*{Path(info.needs).suffix} filter=lfs diff=lfs merge=lfs -text\n"
    for info in ENGINES.values()
    if info.in_manifest
)
"""The ``.gitattributes`` by which git keeps networks and weights in Git LFS."""

COMPILED = ENGINES["compiled"]

MEASURED_GRAPH_BYTES = 18_844_589
"""Size of the graph with which ``APP.memory_mb`` was measured."""

GRAPH_COPIES = 2
"""Memory of a graph, in multiples of its size: ONNX Runtime keeps convolution weights twice."""

ALSO_COPIED = (".gitignore", ".streamlit/secrets.toml.example", "bundles/README.md")
"""Files that a repository needs and an image does not."""


def choose_models(names: Sequence[str] = ()) -> AppSpec:
    """Return the app with the models to deploy.

    Args:
        names: models of the registry, of which the first opens; by default the model that the
            app opens here. If one of them is not built in, exactly these are offered.

    Raises:
        BundleError: a model doesn't exist, or can't be opened.
    """
    bundles = [get_bundle(name) for name in dict.fromkeys(names)] or [_default_bundle()]
    builtin = all(bundle.folder.is_relative_to(BUILTIN_DIR) for bundle in bundles)
    visit_bytes = first_visit_bytes(bundles[0])
    if builtin and not names:
        return replace(APP, visit_bytes=visit_bytes)
    # With an own model, named built-in ones are copied as well; the others are then hidden.
    own = [] if builtin else bundles
    largest = max(
        (
            file.bytes
            for bundle in own
            for name, file in bundle.manifest.files.items()
            if name not in OPTIONAL_FILES
        ),
        default=0,
    )
    return replace(
        APP,
        models=tuple(bundle.name for bundle in bundles),
        own=tuple(bundle.name for bundle in own),
        builtin=builtin,
        model_title=bundles[0].manifest.title,
        git_lfs=largest > GITHUB_FILE_BYTES,
        memory_mb=_required_memory_mb(bundles),
        visit_bytes=visit_bytes,
    )


def _required_memory_mb(bundles: Iterable[Bundle]) -> int:
    """Return about how many MB the app needs with these models loaded."""
    graph_bytes = sum(bundle.manifest.files[COMPILED.needs].bytes for bundle in bundles)
    more_mb = GRAPH_COPIES * (graph_bytes - MEASURED_GRAPH_BYTES) / 2**20
    return 10 * round((APP.memory_mb + more_mb) / 10)


def _default_bundle() -> Bundle:
    """Return the first of the default models that can be opened."""
    names = default_models()
    for name in names[:-1]:
        with contextlib.suppress(BundleError):
            return get_bundle(name)
    if not names:
        raise BundleNotFound("There is no model to deploy.")
    return get_bundle(names[-1])


def bundle_files(app: AppSpec) -> dict[str, Path]:
    """Return the files of the models to deploy by their paths in the bundles' folder.

    Raises:
        BundleError: a model can't be opened, or a file doesn't match its hash.
    """
    return {
        f"{bundle.name}/{name}": bundle.copy_source(name)
        for bundle in map(get_bundle, app.own)
        # The manifest comes last: a copy that was cut short is no bundle.
        for name in reversed(bundle.copied_names)
        if name not in OPTIONAL_FILES
    }


def app_files(app: AppSpec) -> dict[str, Path]:
    """Return the app's own files by path: those that the Dockerfile copies, and that git tracks.

    Models are left out, except the built-in ones if they are offered.
    """
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    paths = {path.rstrip("/") for line in copied for path in line.split()}
    files = {path: ROOT / path for path in _tracked([*paths, *ALSO_COPIED])}
    builtin = BUILTIN_DIR.relative_to(ROOT).as_posix()
    return {
        path: source
        for path, source in files.items()
        if (path in ALSO_COPIED or not path.startswith(f"{app.bundles_dir}/"))
        and (app.builtin or not path.startswith(f"{builtin}/"))
        and source.name not in OPTIONAL_FILES
    }


def _tracked(paths: Sequence[str]) -> list[str]:
    """Return the tracked files at or below paths; without a repository, all but ``.pyc`` files.

    Raises:
        DeployError: there is a repository, but git can't list its files.
    """
    if not (ROOT / ".git").exists():
        files = [file for path in paths for file in (ROOT / path, *(ROOT / path).rglob("*"))]
        kept = [file for file in files if file.is_file() and file.suffix != ".pyc"]
        return sorted(file.relative_to(ROOT).as_posix() for file in kept)
    # Only what git tracks: a key left in a folder must not become public.
    command = ["git", "ls-files", "-z", "--", *paths]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or error
        raise DeployError(f"git can't list the app's files: {str(reason).strip()}") from error
    return sorted(path for path in done.stdout.split("\0") if (ROOT / path).is_file())


def list_other_models(folder: Path, app: AppSpec) -> list[str]:
    """Return the names of bundles in a folder that are not among the models to deploy."""
    paths = sorted(folder.glob(f"*/{MANIFEST}"))
    return [path.parent.name for path in paths if path.parent.name not in app.models]
