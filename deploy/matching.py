"""The requirements of a model's owner, compared with each host."""

from dataclasses import dataclass

from .host import Budget, Expertise, Offer, Traffic
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
    whole_app: bool = False
    awake: bool = False
    """No visitor waits because nobody came for a while."""


def list_shortfalls(host: Offer, requirements: Requirements, app: AppSpec = APP) -> list[str]:
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
        (wants.whole_app and not (has.has_server and has.has_page), "Not the whole app."),
        (wants.awake and bool(has.limits.sleeps), f"Sleeps {has.limits.sleeps}."),
        (_exceeds(has.budget, wants.budget), COSTS[has.budget]),
        (_exceeds(wants.traffic, has.traffic), f"Built for {has.traffic}, not {wants.traffic}."),
        (_exceeds(has.expertise, wants.expertise), "Needs server knowledge, and upkeep."),
    )
    return [sentence for is_short, sentence in table if is_short]


def _exceeds(value: Budget | Traffic | Expertise, other: Budget | Traffic | Expertise) -> bool:
    """Return True if a value is above another one of its scale."""
    scale = list(type(value))
    return scale.index(value) > scale.index(other)


def describe_limits(host: Offer, app: AppSpec = APP) -> list[str]:
    """Return limits to know before choosing the host, one sentence each."""
    limits = host.limits
    cores = f", on {limits.cpu:g} {'core' if limits.cpu == 1 else 'cores'}" if limits.cpu else ""
    memory = f"Needs about {app.memory_mb:,} MB of {limits.memory_mb:,} MB{cores}."
    empties_disk = host.has_server and host.has_page and not limits.keeps_files
    table = (
        (host.has_server, memory),
        (not host.has_server and bool(app.first_visit), app.first_visit),
        (not host.has_server, "No API, no batches, no corrections."),
        (not host.has_page, "API only: there is no page for people to open."),
        (bool(limits.sleeps), f"Sleeps {limits.sleeps}: the next visitor waits."),
        (empties_disk, "Empties its disk at a restart: corrections need a database."),
    )
    return [sentence for applies, sentence in table if applies]
