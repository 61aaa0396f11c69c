"""The one description of the app, from which every host's files are made."""

from dataclasses import dataclass
from typing import ClassVar

from model.text import format_size


@dataclass(frozen=True, slots=True)
class AppSpec:
    """The app as a host sees it: fixed properties, then the models to deploy.

    Paths are those inside the image.
    """

    name: ClassVar = "loupe"
    port: ClassVar = 8501
    """Port the app listens on unless a variable names another."""
    ready_path: ClassVar = "/api/ready"
    """200 once the default model has passed its golden test."""
    identify_path: ClassVar = "/api/v1/identify"
    """POST a photo, get a prediction."""
    models_path: ClassVar = "/api/v1/models"
    """The models that a visitor can choose."""

    entrypoint: ClassVar = "deploy/entrypoint.sh"
    """Entry point of the image."""
    image_stage: ClassVar = "serve"
    """Stage of the Dockerfile, without torch."""
    requirements: ClassVar = "requirements-serve.txt"
    """The list of packages to install where no image is built."""
    npm: ClassVar = "requirements-npm.txt"
    """The list with npm as a Python package, which fetches onnxruntime-web."""

    bundles_dir: ClassVar = "bundles"
    """Folder of the repository, and of the image, that holds the models to deploy."""
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
    """Memory in use: 347 MB after 200 answers to 20 visitors (docs/benchmarks.md), with imagenet.

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
        """The title of its page: that of the model that opens, on one line, or the app's own."""
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

        Args:
            memory_mb: the host's memory in MB, where the process cannot see its own limit.
        """
        memory = {} if memory_mb is None else {"LOUPE_MEMORY_MB": str(memory_mb)}
        model = {"LOUPE_MODEL": self.models[0]} if self.models else {}
        builtin = {} if self.builtin else {"LOUPE_BUILTIN": "false"}
        return {"LOUPE_LOG": "json", **model, **builtin, **memory}


APP = AppSpec()
"""The app with the built-in models."""
