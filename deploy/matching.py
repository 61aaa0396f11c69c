"""The requirements of a model's owner, compared with each host."""

from dataclasses import dataclass

from .host import Budget, Expertise, Host, Kind, Traffic
from .spec import APP, AppSpec

COSTS = {
    Budget.NOTHING: "",
    Budget.FEW_DOLLARS: "Costs a few dollars a month.",
    Budget.BY_USE: "Charges by use, without a cap.",
}
"""Sentences for an owner whose budget is smaller."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """The owner's requirements; the defaults ask for nothing special."""

    private: bool = False
    """Photos must stay on the device or on the owner's server."""
    offline: bool = False
    budget: Budget = Budget.NOTHING
    traffic: Traffic = Traffic.FEW
    expertise: Expertise = Expertise.NO
    own_domain: bool = False
    gpu: bool = False


def list_shortfalls(host: Host, requirements: Requirements, app: AppSpec = APP) -> list[str]:
    """Return the requirements that the host doesn't meet, one sentence each; empty if it fits.

    To add a requirement, add a field to ``Requirements`` and a row here.
    """
    has, wants = host, requirements
    memory = f"Needs about {app.memory_mb:,} MB; it gives {has.limits.memory_mb:,} MB."
    table = (
        (has.has_server and has.limits.memory_mb < app.memory_mb, memory),
        (wants.private and not has.is_private, "Photos go through someone else's machines."),
        (wants.offline and has.has_server, "It can't be reached offline."),
        (wants.own_domain and not has.own_domain, "Doesn't support your own domain."),
        (wants.gpu and not has.gpu, "No GPU."),
        (_exceeds(has.budget, wants.budget), COSTS[has.budget]),
        (_exceeds(wants.traffic, has.traffic), f"Built for {has.traffic}, not {wants.traffic}."),
        (_exceeds(has.expertise, wants.expertise), "Needs server knowledge, and upkeep."),
    )
    return [sentence for is_short, sentence in table if is_short]


def _exceeds(value: Budget | Traffic | Expertise, other: Budget | Traffic | Expertise) -> bool:
    """Return True if a value is above another one of its scale."""
    scale = list(type(value))
    return scale.index(value) > scale.index(other)


def describe_host(host: Host) -> list[str]:
    """Return facts to know before choosing the host, one sentence each."""
    empties_disk = host.has_server and host.has_page and not host.limits.keeps_files
    table = (
        (host.kind is Kind.STATIC, "Photos never leave the device."),
        (host.kind is Kind.STATIC, "Works offline after the first visit. No API, no corrections."),
        (host.has_server and host.is_private, "Photos stay on a server that only you administer."),
        (not host.has_page, "API only: there is no page for people to open."),
        (bool(host.limits.sleeps), f"Sleeps {host.limits.sleeps}: the next visitor waits."),
        (host.limits.keeps_files, "Keeps corrections on its disk."),
        (empties_disk, "Empties its disk at a restart: corrections need a database."),
        (host.gpu, "Has GPUs for the learner engine; these files request none."),
    )
    return [sentence for applies, sentence in table if applies]
