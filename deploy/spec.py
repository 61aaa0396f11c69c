"""The app to deploy, from which every host's files are made: its properties, models and files."""

import contextlib
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from model import LoupeError
from model.browser.device_files import first_visit_bytes
from model.bundle import BUILTIN_DIR, DEFAULT_MODEL, MANIFEST, Bundle, default_models, get_bundle
from model.engine_info import ENGINES, OPTIONAL_FILES
from model.errors import BundleError, BundleNotFound
from model.settings import ROOT
from model.text import format_size

GITHUB_FILE_BYTES = 100 * 2**20
"""Largest file that GitHub takes without Git LFS."""

MEASURED_GRAPH_BYTES = 18_844_589
"""Size of the graph with which ``APP.memory_mb`` was measured."""

GRAPH_COPIES = 2
"""Memory of a graph, in multiples of its size: ONNX Runtime keeps convolution weights twice."""

ALSO_COPIED = (".gitignore", ".streamlit/secrets.toml.example", "bundles/README.md")
"""Files that a repository needs and an image does not."""


class DeployError(LoupeError, code="deploy"):
    """Base of all errors of ``deploy``; raised itself for a file that can't be used."""


@dataclass(frozen=True, slots=True)
class AppSpec:
    """The app as a host sees it: fixed properties, then the models to deploy.

    Paths are those inside the image.
    """

    name: ClassVar = "loupe"
    port: ClassVar = 8501
    ready_path: ClassVar = "/api/ready"
    identify_path: ClassVar = "/api/v1/identify"
    models_path: ClassVar = "/api/v1/models"

    entrypoint: ClassVar = "deploy/entrypoint.sh"
    image_stage: ClassVar = "serve"
    """Stage of the Dockerfile, without torch."""
    requirements: ClassVar = "requirements-serve.txt"
    npm: ClassVar = "requirements-npm.txt"
    """The list with npm as a Python package, which fetches onnxruntime-web."""

    bundles_dir: ClassVar = "bundles"
    data_dir: ClassVar = "/data"
    """The one folder to keep (``LOUPE_DATA``): corrections, models that are not built in."""

    start_seconds: ClassVar = 15
    """Process start to ready: 1.5 s on two cores, ten times that on a tenth of a core."""
    stop_seconds: ClassVar = 30
    """From SIGTERM to SIGKILL; requests in progress finish within it."""

    secrets: ClassVar = ("LOUPE_SECRET", "LOUPE_DATABASE")
    """Settings that must never be in a file; each host keeps them as secrets or variables."""

    models: tuple[str, ...] = ()
    """Names of the models to deploy, the first of which opens; none means the built-in ones."""
    own: tuple[str, ...] = ()
    """Those of them whose files are copied: all, unless only built-in ones are named."""
    builtin: bool = True
    """True if the built-in models are offered beside them."""
    model_title: str = ""
    """Title of the model that opens; empty for the built-in one."""
    git_lfs: bool = False
    """True if a model has a file that GitHub takes only by Git LFS."""
    memory_mb: int = 350
    """Memory to plan for: more than after 200 answers to 20 visitors (docs/benchmarks.md).

    Large photos may use the rest, up to ``LOUPE_MEMORY_MB``; photos that need more are rejected.
    """

    visit_bytes: int = 0
    """Bytes of a first visit in which a device answers; 0 before its files are made here."""

    @property
    def options(self) -> str:
        """The options of ``write`` that lead to this app, with a leading space."""
        return "".join(f" --model {name}" for name in self.models)

    @property
    def heading(self) -> str:
        """The page's title on one line: the model's, or the app's own."""
        return " ".join(self.model_title.split()) or "Loupe"

    @property
    def first_visit(self) -> str:
        """A sentence on a first visit in which a device answers; empty if its size isn't known."""
        if not self.visit_bytes:
            return ""
        size, visits = format_size(self.visit_bytes), round(100e9 / self.visit_bytes, -2)
        return f"A first visit loads {size}: 100 GB are {visits:,.0f} visits."

    def environment(self, memory_mb: int | None = None) -> dict[str, str]:
        """Return the settings that every host's files pass to the app.

        ``memory_mb`` is the host's memory, where the process cannot see its own limit.
        """
        memory = {} if memory_mb is None else {"LOUPE_MEMORY_MB": str(memory_mb)}
        model = {"LOUPE_MODEL": self.models[0]} if self.models else {}
        builtin = {} if self.builtin else {"LOUPE_BUILTIN": "false"}
        return {"LOUPE_LOG": "json", **model, **builtin, **memory}


APP = AppSpec()
"""The app with the built-in models."""


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
    return replace(
        APP,
        models=tuple(bundle.name for bundle in bundles),
        own=tuple(bundle.name for bundle in own),
        builtin=builtin,
        model_title=bundles[0].manifest.title,
        git_lfs=any(size > GITHUB_FILE_BYTES for bundle in own for size in deployed_sizes(bundle)),
        memory_mb=_required_memory_mb(bundles),
        visit_bytes=visit_bytes,
    )


def deployed_sizes(bundle: Bundle) -> list[int]:
    """Return the sizes in bytes of a model's files that are deployed: all but the weights."""
    files = bundle.manifest.files
    return [file.bytes for name, file in files.items() if name not in OPTIONAL_FILES]


def _required_memory_mb(bundles: Iterable[Bundle]) -> int:
    """Return about how many MB the app needs with these models loaded."""
    graph = ENGINES["compiled"].needs
    graph_bytes = sum(bundle.manifest.files[graph].bytes for bundle in bundles)
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


def page_models(app: AppSpec) -> list[Bundle]:
    """Return the models of a page for a static host, the one that opens first."""
    builtin = sorted(path.parent.name for path in BUILTIN_DIR.glob(f"*/{MANIFEST}"))
    return [get_bundle(name) for name in app.models or dict.fromkeys([DEFAULT_MODEL, *builtin])]


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

    Raises:
        DeployError: there is a repository, but git can't list its files.
    """
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    paths = _list_tracked([*" ".join(copied).split(), *ALSO_COPIED])
    builtin = BUILTIN_DIR.relative_to(ROOT).as_posix()
    left_out = (f"{app.bundles_dir}/", *(() if app.builtin else (f"{builtin}/",)))
    return {
        path: ROOT / path
        for path in paths
        if (path in ALSO_COPIED or not path.startswith(left_out))
        and Path(path).name not in OPTIONAL_FILES
    }


def _list_tracked(paths: Sequence[str]) -> list[str]:
    """Return the tracked files at or below paths; without a repository, all but ``.pyc`` files."""
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
