"""The description of a host: its limits with sources, its files, how it starts the app."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Literal

from .options import DeploymentOption
from .placeholders import EXAMPLES, fill
from .spec import APP, AppSpec

__all__ = ["ARCHIVE", "Host", "Limits", "ManifestPaths", "Source", "StartCommand"]


ARCHIVE = "model.tar.gz"
"""Name of the archive of models, in the folder of the host's files."""

READ_DATE = "2026-11-25"
"""Day on which sources were read, unless a source gives another."""


@dataclass(frozen=True, slots=True)
class Source:
    """A page of documentation and the day it was read."""

    url: str
    facts: str
    """Names of the limits it documents, ``price`` and ``manifest``, separated by spaces."""
    read: str = READ_DATE
    """ISO date."""
    first_hand: bool = True
    """False if the page could not be opened and the figure comes from pages that cite it."""

    @property
    def citation(self) -> str:
        """Address, and how and when it was read."""
        if self.first_hand:
            return f"{self.url}, read {self.read}"
        return (
            f"{self.url}, taken {self.read} from pages that cite it; the page itself could not be "
            "opened"
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """Documented limits of a host; None where the documentation gives none."""

    memory_mb: int = 0
    """Memory of the plan that the files request; 0 where no app runs."""
    cpu: float | None = None
    """Cores."""
    sleeps_minutes: int | None = None
    """Time without traffic after which it stops, so that the next visitor waits."""
    stops_idle: bool = False
    """True if it stops without traffic after a time that the documentation does not give."""
    start_seconds: int | None = None
    """Time within which the app must be ready."""
    body_mb: float | None = None
    """Size of one request."""
    request_seconds: int | None = None
    image_mb: int | None = None
    file_mb: float | None = None
    """Size of one file."""
    site_mb: int | None = None
    """Size of all files."""
    socket_minutes: int | None = None
    """Time after which a page's web socket is cut."""
    keeps_files: bool = False
    """True if the data folder survives a restart with these files."""


@dataclass(frozen=True, slots=True)
class ManifestPaths:
    """Where a host's main file holds its settings, as keys and indices joined by dots.

    None where the file has no such setting.
    """

    file: str
    environment: str | None = None
    port: str | None = None
    """Set only where the host does not pass the port in a variable."""
    health: str | None = None
    memory: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCommand:
    """How a host starts the app and calls it."""

    runner: Literal["image", "unit", "streamlit"] = "image"
    """The Dockerfile, a systemd unit, or ``streamlit run`` itself."""
    arguments: tuple[str, ...] = ("app",)
    """Arguments of the image's entry point; the default is its CMD."""
    port_variable: str = "PORT"
    """Variable in which the host passes the port."""
    provided_env: Mapping[str, str] = field(default_factory=dict)
    """Variables that the host sets."""
    protocol: Literal["api", "sagemaker", "vertex"] = "api"
    """Routes through which the host calls the app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(DeploymentOption):
    """A place to run the app, with its files and the steps to get there."""

    summary: str
    limits: Limits
    sources: tuple[Source, ...]
    """Pages that document the limits that are set, the manifest and the price.

    Your own server has no price page: its provider sets the price.
    """
    budget_alert: str
    """How to get a warning or a hard stop before an unexpected bill."""
    steps: str
    """From a fresh clone to the open page: one step per line, continued by indented lines.

    A command begins with ``$``. WRITE stands for the command that writes the files, SETTINGS for
    the app's settings, STAGE for the stage of the Dockerfile.
    """
    settings_separator: str = " "
    """What stands between two settings in a command."""
    update: str
    """Command that follows WRITE to bring a new version of the model to the host."""
    tried: str = ""
    """ISO date of the last real deployment there; empty if there was none."""
    make_files: Callable[[AppSpec], dict[str, str]]
    """Function that makes the host's files, by their paths."""
    manifest: ManifestPaths
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """Words in the files and steps that the owner replaces, each with what to put there."""
    package: Literal["repository", "folder", "archive", "page"] = "repository"
    """Where the models go: into this repository, into a folder of its own with the app's files,
    into an archive beside the files, or into a page that needs no app."""
    full_install: bool = False
    """Whether its files can ask for the full install and the memory for the learner engine."""
    github: bool = False
    """Whether it takes the files from GitHub, which needs Git LFS above 100 MB a file."""
    git_lfs: bool = True
    """Whether it fetches the files that are in Git LFS."""
    start: StartCommand = field(default_factory=StartCommand)
    max_instances_via: str | None = None
    """Text in the files or steps that limits the instances; None if there can only be one."""
    sticky_sessions_via: str | None = None
    """What keeps a visitor on one instance; None if there is no such setting."""
    remarks: str = ""
    """Further facts to know before choosing it, one per line."""

    def find_source(self, fact: str) -> Source | None:
        """Return the page that documents a fact, None if there is none."""
        return next((source for source in self.sources if fact in source.facts.split()), None)

    def list_steps(self, app: AppSpec = APP, values: Mapping[str, str] | None = None) -> list[str]:
        """Return the steps, each on one line.

        Args:
            app: the app with the models to deploy.
            values: what to put for placeholders; the others are left.
        """
        steps = _split_lines(self._fill(self.steps, app, values))
        if self.package == "archive" and not app.own:
            steps = [step for step in steps if ARCHIVE not in step]
        if app.git_lfs and self.github:
            first = next(
                index for index, step in enumerate(steps) if "git" in step and " add " in step
            )
            steps.insert(first, "$ git lfs install")
        return steps

    def update_command(self, app: AppSpec = APP, values: Mapping[str, str] | None = None) -> str:
        """Return the command that brings a new version of the model to the host."""
        return self._fill(f"WRITE && {self.update}", app, values)

    def _fill(self, text: str, app: AppSpec, values: Mapping[str, str] | None) -> str:
        values = dict(values or {})
        words = "".join(
            f" --set {word}={values.get(word, EXAMPLES.get(word, word))}"
            for word in self.placeholders_in_files(app)
        )
        environment = app.environment(self.limits.memory_mb)
        settings = [f"{name}={value}" for name, value in environment.items()]
        # In one pass: a value is not filled again.
        return fill(
            text,
            values
            | {
                "WRITE": f"python -m deploy write {self.name}{app.options}{words}",
                "SETTINGS": self.settings_separator.join(settings),
                "STAGE": app.image_stage,
            },
        )

    def placeholders_in_files(self, app: AppSpec = APP) -> list[str]:
        """Return the placeholders that are in the files, not only in the steps."""
        text = "\n".join(self.make_files(app).values())
        return [word for word in self.placeholders if fill(text, {word: ""}) != text]

    @property
    def remark_list(self) -> list[str]:
        """The remarks, each on one line."""
        return _split_lines(self.remarks)

    @property
    def has_server(self) -> bool:
        """True if the app runs there."""
        return self.package != "page"

    @property
    def sleeps(self) -> bool:
        """True if a visitor may have to wait for a start."""
        return self.limits.sleeps_minutes is not None or self.limits.stops_idle

    @property
    def keeps_files(self) -> bool:
        """True if the data folder survives a restart."""
        return self.limits.keeps_files


def _split_lines(text: str) -> list[str]:
    """Split a block of text into lines; an indented line continues the one above it."""
    lines = re.sub(r"\n +", " ", cleandoc(text)).splitlines()
    return [line for line in lines if line]
