"""The description of a host: its limits with sources, its files, how it starts the app."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Literal

from .options import DeploymentOption
from .spec import AppSpec

__all__ = ["Host", "Limits", "ManifestPaths", "Source", "StartCommand"]


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
        how = "read" if self.first_hand else "cited by others, not read itself,"
        return f"{self.url}, {how} {self.read}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Documented limits of a host; None where the documentation gives none."""

    memory_mb: int
    """Memory of the plan that the files request."""
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
    """Commands, beginning with ``$``, and clicks: one per line, continued by indented lines."""
    make_files: Callable[[AppSpec], dict[str, str]]
    """Function that makes the host's files, by their paths."""
    manifest: ManifestPaths
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """Words in the files and steps that the owner replaces, each with what to put there."""
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

    @property
    def step_list(self) -> list[str]:
        """The steps, each on one line."""
        return _split_lines(self.steps)

    @property
    def remark_list(self) -> list[str]:
        """The remarks, each on one line."""
        return _split_lines(self.remarks)

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
    return re.sub(r"\n +", " ", cleandoc(text)).splitlines()
