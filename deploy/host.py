"""The description of a host: its offer, its limits with sources, its files and steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from .placeholders import fill
from .spec import APP, AppSpec

READ_DATE = "2026-11-25"
"""Day by which all sources were read."""


class Kind(StrEnum):
    """Form of hosting."""

    STATIC = "static files"
    PAAS = "managed (PaaS)"
    VPS = "server (VPS)"
    IAAS = "machine (IaaS)"
    ML_PAAS = "API only (ML)"
    CLUSTER = "cluster (API only)"


class Budget(StrEnum):
    """Cost of a month, from least to most."""

    NOTHING = "nothing"
    FEW_DOLLARS = "a few dollars"
    BY_USE = "by use"


class Traffic(StrEnum):
    """Number of visitors, from fewest to most."""

    FEW = "a few people"
    HUNDREDS = "hundreds a day"
    THOUSANDS = "thousands an hour"


class Expertise(StrEnum):
    """Knowledge of servers, from least to most."""

    NO = "no"
    SOME = "some"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Limits:
    """Documented limits of a host that the app is checked against; others are remarks."""

    memory_mb: int = 0
    """Memory of the plan that the files request; 0 where no app runs."""
    cpu: float | None = None
    """Cores."""
    sleeps: str = ""
    """Time without visitors after which it stops and the next one waits: ``after 15 minutes``."""
    start_seconds: int | None = None
    """Time within which the app must be ready."""
    keeps_files: bool = False
    """True if the data folder survives a restart with these files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The command and the routes by which a host starts and calls the app."""

    command: tuple[str, ...] = ("deploy/entrypoint.sh", "app")
    """A program of the repository or on PATH, with its arguments; none: `check` can't start it."""
    port_variable: str = "PORT"
    """Variable in which the host passes the port."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the host sets."""
    protocol: Literal["api", "sagemaker", "vertex"] = "api"
    """Routes through which the host calls the app."""
    ready_path: str = APP.ready_path
    """Route of its health check."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The files and steps that bring the app to a host.

    Attributes:
        files: the host's files by path.
        steps: the steps after the budget alert and ``write``, one per line. A command begins
            with ``$``.
        update: the command after ``write`` that brings a new version of the model there.
    """

    files: Mapping[str, str]
    steps: str
    update: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A place to run the app: what it costs and allows, with the pages that say so."""

    name: str
    title: str
    kind: Kind
    summary: str
    price: str
    budget: Budget
    """Lowest budget on which Loupe runs there."""
    traffic: Traffic
    """Highest traffic it can be scaled to."""
    expertise: Expertise = Expertise.NO
    own_domain: bool = False
    gpu: bool = False
    limits: Limits
    sources: str
    """Pages that document its price, its files and the limits that are set, one per line.

    ``(cited)`` marks a page that couldn't be opened: its figures are from pages that cite it.
    """
    remarks: str = ""
    """Further facts to know before choosing it, one per line, the most important ones first."""

    @property
    def price_in_brief(self) -> str:
        """The first sentence on the price."""
        return f"{self.price.partition('. ')[0].removesuffix('.')}."

    @property
    def has_server(self) -> bool:
        """True if the app runs there."""
        return self.kind is not Kind.STATIC

    @property
    def has_page(self) -> bool:
        """True if people can open Loupe's own page."""
        return self.kind not in (Kind.ML_PAAS, Kind.CLUSTER)

    @property
    def is_private(self) -> bool:
        """True if photos stay on the device, or on a server that only its owner administers."""
        return self.kind in (Kind.STATIC, Kind.VPS, Kind.IAAS, Kind.CLUSTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Offer):
    """An offer for which ``write`` makes the files."""

    budget_alert: str = ""
    """The way to get a warning or a hard stop before an unexpected bill; empty if none can come."""
    make_plan: Callable[[AppSpec], Plan]
    """Function that makes the host's files and steps; both may contain placeholders."""
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """Words in the files and steps that the owner replaces, each with a description."""
    numbers: tuple[str, ...] = ()
    """Placeholders for whole numbers, none larger than the next."""
    package: Literal["repository", "folder", "page"] = "repository"
    """Place of the models: this repository, a folder of its own with the app's files,
    or a page that needs no app."""
    github: bool = False
    """True if it takes the files from GitHub, which needs Git LFS above 100 MB a file."""
    start: Start = field(default_factory=Start)

    def make_files(self, app: AppSpec = APP, values: Mapping[str, str] = {}) -> dict[str, str]:
        """Return the host's files by path.

        Args:
            app: the app with the models to deploy.
            values: values by placeholder; the others are left.
        """
        files = self.make_plan(app).files
        return {path: fill(text, values) for path, text in files.items()}

    def list_steps(self, app: AppSpec = APP, values: Mapping[str, str] = {}) -> list[str]:
        """Return the steps from a fresh clone to the open page; see ``make_files``."""
        steps = [
            *([f"Budget alert: {self.budget_alert}"] if self.budget_alert else []),
            f"$ {self._write_command(app, values)}",
            *(["$ git lfs install"] if app.git_lfs and self.github else []),
        ]
        return steps + fill(self.make_plan(app).steps, values).splitlines()

    def update_command(self, app: AppSpec = APP, values: Mapping[str, str] = {}) -> str:
        """Return the command that brings a new version of the model to the host."""
        update = fill(self.make_plan(app).update, values)
        return f"{self._write_command(app, values)} && {update}"

    def list_commands(self, app: AppSpec = APP) -> list[str]:
        """Return the three commands that show the steps, write the files and check them."""
        command = "python -m deploy"
        return [
            f"{command} show {self.name}{app.options}",
            f"{command} write {self.name}{app.options}",
            f"{command} check {self.name}",
        ]

    def _write_command(self, app: AppSpec, values: Mapping[str, str]) -> str:
        words = "".join(
            f" --set {word}={values.get(word, word)}" for word in self.placeholders_in_files(app)
        )
        return f"python -m deploy write {self.name}{app.options}{words}"

    def placeholders_in_files(self, app: AppSpec = APP) -> list[str]:
        """Return the placeholders that are in the files, not only in the steps."""
        text = "\n".join(self.make_plan(app).files.values())
        return [word for word in self.placeholders if fill(text, {word: ""}) != text]
