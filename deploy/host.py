"""What is said of a host: its limits with sources, its files, how it starts the app."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Literal

from .spec import AppSpec

__all__ = [
    "Budget",
    "Expertise",
    "Host",
    "Kind",
    "Limits",
    "ManifestPaths",
    "Place",
    "Source",
    "Traffic",
]

Place = tuple[str | int, ...]
"""A file, then the keys and indices that lead to a value in it."""


class Kind(StrEnum):
    """What one pays for, from most of one's own to least."""

    DEVICE = "on the device"
    IAAS = "IaaS"
    VPS = "VPS"
    PAAS = "PaaS"
    ML_PAAS = "ML PaaS"
    READY_MADE = "ready-made"

    @property
    def plain(self) -> str:
        """The same for who does not know the word."""
        return PLAIN[self]


PLAIN = {
    Kind.DEVICE: "your own device",
    Kind.IAAS: "a rented machine, IaaS",
    Kind.VPS: "a rented server, VPS",
    Kind.PAAS: "somebody runs it for you, PaaS",
    Kind.ML_PAAS: "for programs only, ML PaaS",
    Kind.READY_MADE: "somebody else's model",
}


class Budget(StrEnum):
    """What a month may cost, from least to most."""

    NOTHING = "nothing"
    FEW_DOLLARS = "a few dollars"
    BY_USE = "by use"


class Traffic(StrEnum):
    """How many come, from least to most."""

    FEW = "a few people"
    HUNDREDS = "hundreds a day"
    THOUSANDS = "thousands an hour"


class Expertise(StrEnum):
    """How well one knows servers."""

    NO = "no"
    SOME = "some"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Source:
    """A page of documentation, and the day on which it was looked up."""

    url: str
    read: date
    itself: bool = True
    """False: the page was out of reach, and the figure comes from others who cite it."""

    @property
    def cited(self) -> str:
        """Its address with how and when it was looked up, to be shown."""
        how = "read" if self.itself else "cited by others, not read itself,"
        return f"{self.url}, {how} {self.read:%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the host's documentation promises and refuses; None where it says nothing."""

    memory_mb: int | None = None
    cpu: float | None = None
    sleeps_minutes: int | None = None
    """Without traffic for so long, it stops; the next visitor waits."""
    stops_idle: bool = False
    """It stops without traffic, too, but the documentation promises no time."""
    start_seconds: int | None = None
    """The app must be ready within it."""
    body_mb: float | None = None
    """Of one request."""
    request_seconds: int | None = None
    image_mb: int | None = None
    socket_minutes: int | None = None
    """A page's web socket is cut after it."""
    keeps_files: bool = False
    """Whether the data folder outlives a restart, as the files here set it up."""

    @property
    def sleeps(self) -> bool:
        """Whether a visitor may have to wait for a start."""
        return self.sleeps_minutes is not None or self.stops_idle


@dataclass(frozen=True, slots=True)
class ManifestPaths:
    """Where the files say what; None where the host has no such setting."""

    environment: Place | None = None
    port: Place | None = None
    health: Place | None = None
    memory: Place | None = None
    most: tuple[Place, ...] = ()
    """Counts of instances, each at most what the app may have."""
    data: Place | None = None
    """What keeps the data folder: it holds the folder's path or name."""
    affinity: Place | None = None
    """A visitor stays with one instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host. ``make`` gives its files by their paths; ``where`` reads them back."""

    name: str
    title: str
    kind: Kind
    summary: str
    limits: Limits
    sources: Mapping[str, Source]
    """The page that says so, for each limit that is set, ``manifest``, and ``price``.

    A server has no price page: that is its owner's.
    """

    price: str
    budget_alert: str
    """How to be warned, or stopped, before a bill surprises."""
    steps: tuple[str, ...]
    """Commands and clicks in order; a command begins with ``$``."""
    make: Callable[[AppSpec], dict[str, str]]
    schemas: Mapping[str, str]
    """The schema of each file, by its name in ``deploy/schemas/``."""
    where: ManifestPaths = field(default_factory=ManifestPaths)

    bounded_by: str | None = None
    """What in the files or steps bounds the instances; None: it is one and cannot be more."""
    affinity_by: str | None = None
    """What keeps a visitor with one instance; None: the host has no such setting."""

    starts: Literal["image", "unit", "streamlit"] = "image"
    """What starts the app: the Dockerfile, a systemd unit, or ``streamlit run`` itself."""
    arguments: tuple[str, ...] = ()
    """What the host gives the image in place of its CMD."""
    port_variable: str | None = "PORT"
    """The variable with which the host names the port; None: the files say it."""
    given: Mapping[str, str] = field(default_factory=dict)
    """What the host itself puts into the environment."""
    asks: Literal["api", "sagemaker", "vertex"] = "api"
    """The routes through which it asks the app."""

    own_server: bool = False
    """Whether photos stay on a machine that only its owner administers."""
    budget: Budget = Budget.BY_USE
    """The least with which one can run Loupe there."""
    traffic: Traffic = Traffic.FEW
    """The most that it can be made to take."""
    knows: Expertise = Expertise.NO
    own_domain: bool = False
    gpu: bool = False
    remarks: tuple[str, ...] = ()
    """What else one should know before choosing it."""

    def at(self, documents: Mapping[str, Any], place: Place | None) -> Any:
        """The value at that place in the parsed files; None where there is none."""
        found: Any = documents
        for key in place or ():
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                return None
        return found if place else None
