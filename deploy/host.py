"""The description of a host: its offer, its limits with sources, its files and steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from .spec import APP, AppSpec
from .templates import fill

READ_DATE = "2026-11-25"
"""Day by which all sources were read."""

Kind = Literal[
    "static files",
    "managed (PaaS)",
    "server (VPS)",
    "machine (IaaS)",
    "API only (ML)",
    "cluster (API only)",
]
Budget = Literal["nothing", "a few dollars", "by use"]
Traffic = Literal["a few people", "hundreds a day", "thousands an hour"]
Expertise = Literal["no", "some", "yes"]

COSTS: Mapping[Budget, str] = {
    "nothing": "",
    "a few dollars": "Costs a few dollars a month.",
    "by use": "Charges by use, without a cap.",
}
"""Sentences for an owner whose budget is smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Cost of a month, visitors and knowledge of servers: of a host, or as an owner answered."""

    budget: Budget = "nothing"
    traffic: Traffic = "a few people"
    expertise: Expertise = "no"


@dataclass(frozen=True, slots=True)
class Limits:
    """Documented limits of a host that the app is checked against; others are remarks."""

    memory_mb: int = 0
    """Memory of the plan that the files request; 0 where no app runs."""
    cpu: float | None = None
    sleeps: str = ""
    """Time without visitors after which it stops and the next one waits: ``after 15 minutes``."""
    start_seconds: int | None = None
    """Time within which the app must be ready."""
    keeps_files: bool = False
    """True if the data folder survives a restart with these files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a host starts and calls the app."""

    command: tuple[str, ...] = (APP.entrypoint, "app")
    """A program of the repository or on PATH, with its arguments; none: `check` can't start it."""
    port_variable: str = "PORT"
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the host sets, beside the port's."""
    protocol: Literal["api", "sagemaker", "vertex"] = "api"
    ready_path: str = APP.ready_path


@dataclass(frozen=True, slots=True)
class Plan:
    """The files and steps that bring the app to a host."""

    files: Mapping[str, str]
    """Texts by path."""
    steps: str
    """The steps after the budget alert and ``write``, one per line; a command begins with ``$``."""
    update: str
    """The command after ``write`` that brings a new version of the model there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A place to run the app: what it costs and allows, with the pages that say so."""

    name: str
    title: str
    kind: Kind
    summary: str
    price: str
    fit: Fit
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
        return self.kind != "static files"

    @property
    def has_page(self) -> bool:
        """True if people can open Loupe's own page."""
        return self.kind not in ("API only (ML)", "cluster (API only)")

    @property
    def is_private(self) -> bool:
        """True if photos stay on the device, or on a server that only its owner administers."""
        return self.kind in ("static files", "server (VPS)", "machine (IaaS)", "cluster (API only)")

    def list_shortfalls(self, wanted: Fit, app: AppSpec = APP) -> list[str]:
        """Return what the owner wants and the host lacks, one sentence each; empty if it fits."""
        has, memory_mb = self.fit, self.limits.memory_mb
        memory = f"Needs about {app.memory_mb:,} MB; it gives {memory_mb:,} MB."
        traffic = f"Built for {has.traffic}, not {wanted.traffic}."
        upkeep = "Needs server knowledge, and upkeep."
        table = (
            (self.has_server and memory_mb < app.memory_mb, memory),
            (_exceeds(Budget, has.budget, wanted.budget), COSTS[has.budget]),
            (_exceeds(Traffic, wanted.traffic, has.traffic), traffic),
            (_exceeds(Expertise, has.expertise, wanted.expertise), upkeep),
        )
        return [sentence for is_short, sentence in table if is_short]

    def describe_limits(self, app: AppSpec = APP) -> list[str]:
        """Return limits to know before choosing the host, one sentence each."""
        limits = self.limits
        unit = "core" if limits.cpu == 1 else "cores"
        cores = f", on {limits.cpu:g} {unit}" if limits.cpu else ""
        memory = f"Needs about {app.memory_mb:,} MB of {limits.memory_mb:,} MB{cores}."
        empties_disk = self.has_server and self.has_page and not limits.keeps_files
        table = (
            (self.has_server, memory),
            (not self.has_server and bool(app.first_visit), app.first_visit),
            (not self.has_server, "No API, no batches, no corrections."),
            (not self.has_page, "API only: there is no page for people to open."),
            (bool(limits.sleeps), f"Sleeps {limits.sleeps}: the next visitor waits."),
            (empties_disk, "Empties its disk at a restart: corrections need a database."),
        )
        return [sentence for applies, sentence in table if applies]


def _exceeds(scale: object, value: str, other: str) -> bool:
    """Return True if a value is above another one of its scale."""
    values = get_args(scale)
    return values.index(value) > values.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Offer):
    """An offer for which ``write`` makes the files.

    Its methods take the app with the models to deploy, and values by placeholder; placeholders
    without a value are left.
    """

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
        """Return the host's files by path."""
        files = self.make_plan(app).files
        return {path: fill(text, values) for path, text in files.items()}

    def list_steps(self, app: AppSpec = APP, values: Mapping[str, str] = {}) -> list[str]:
        """Return the steps from a fresh clone to the open page."""
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
        verbs = {"show": app.options, "write": app.options, "check": ""}
        return [f"python -m deploy {verb} {self.name}{words}" for verb, words in verbs.items()]

    def _write_command(self, app: AppSpec, values: Mapping[str, str]) -> str:
        words = "".join(
            f" --set {word}={values.get(word, word)}" for word in self.placeholders_in_files(app)
        )
        return f"python -m deploy write {self.name}{app.options}{words}"

    def placeholders_in_files(self, app: AppSpec = APP) -> list[str]:
        """Return the placeholders that are in the files, not only in the steps."""
        text = "\n".join(self.make_plan(app).files.values())
        return [word for word in self.placeholders if fill(text, {word: ""}) != text]
