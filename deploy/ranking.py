"""The ranking of deployment options: requirements in, a sorted list with reasons out.

Pure functions. A requirement that an option cannot meet excludes it, and a reason says so;
everything else moves it up or down.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from .host import Host
from .hosts import hosts
from .options import DEVICE, READY_MADE, Budget, DeploymentOption, Expertise, Kind, Traffic

__all__ = ["RankedOption", "Reason", "Requirements", "deployment_options", "rank"]

COMPROMISE_POINTS = -3
"""Points from which a reason counts as an unmet requirement."""
EXCLUDED_POINTS = -10


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the owner of a model asks for; the defaults ask for nothing special."""

    private: bool = False
    """Photos must stay on the device or on the owner's server."""
    offline: bool = False
    budget: Budget = Budget.NOTHING
    traffic: Traffic = Traffic.FEW
    expertise: Expertise = Expertise.NO
    own_domain: bool = False
    gpu: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence for or against an option; points move it, ``excludes`` rules it out."""

    text: str
    points: int
    excludes: bool = False


@dataclass(frozen=True, slots=True)
class RankedOption:
    """An option with the reasons for its rank."""

    option: DeploymentOption
    reasons: tuple[Reason, ...]

    @property
    def host(self) -> Host | None:
        """The host, whose files can be written; None for an option that needs none."""
        return self.option if isinstance(self.option, Host) else None

    @property
    def score(self) -> int:
        """The sum of points."""
        return sum(reason.points for reason in self.reasons)

    @property
    def fits(self) -> bool:
        """True if no requirement excludes it."""
        return not any(reason.excludes for reason in self.reasons)

    @property
    def compromise(self) -> str | None:
        """The worst unmet requirement, None if all are met."""
        worst = min(self.reasons, key=lambda reason: reason.points)
        return worst.text if worst.points <= COMPROMISE_POINTS else None

    @property
    def pros(self) -> list[str]:
        """Reasons for it."""
        return [reason.text for reason in self.reasons if reason.points > 0]

    @property
    def cons(self) -> list[str]:
        """Reasons against it, those that exclude it first."""
        against = [reason for reason in self.reasons if reason.points < 0]
        return [reason.text for reason in sorted(against, key=lambda reason: not reason.excludes)]


def deployment_options() -> Mapping[str, DeploymentOption]:
    """Return all options by name: the hosts, and two that need none."""
    return {option.name: option for option in (DEVICE, *hosts().values(), READY_MADE)}


def rank(requirements: Requirements) -> list[RankedOption]:
    """Return all options, those that fit first, then by score.

    If a GPU or privacy is required, every option that has it precedes every one that lacks it.
    """
    ranked = [
        RankedOption(
            option, tuple(reason for rule in RULES for reason in rule(option, requirements))
        )
        for option in deployment_options().values()
    ]
    return sorted(
        ranked,
        key=lambda item: (
            not item.fits,
            requirements.gpu and not item.option.gpu,
            requirements.private and not item.option.is_private,
            -item.score,
        ),
    )


def _level(value: Enum) -> int:
    """Return a value's place in its scale, from 0."""
    return list(type(value)).index(value)


def _privacy(option: DeploymentOption, requirements: Requirements) -> Iterator[Reason]:
    if not requirements.private:
        return
    if not option.is_private:
        yield Reason("Photos go through someone else's machines.", EXCLUDED_POINTS, excludes=True)
    elif option is DEVICE:
        yield Reason("Photos never leave the device.", 4)
    else:
        yield Reason("Photos stay on a server that only you administer.", 2)
        yield Reason("A rented server is in someone else's building.", -1)


def _offline(option: DeploymentOption, requirements: Requirements) -> Iterator[Reason]:
    if requirements.offline and option is DEVICE:
        yield Reason("Works offline.", 4)
    elif requirements.offline:
        yield Reason("It can't be reached offline.", EXCLUDED_POINTS, excludes=True)


def _budget(option: DeploymentOption, requirements: Requirements) -> Iterator[Reason]:
    if option.budget is Budget.NOTHING:
        yield Reason("Free to start.", 2)
    elif _level(option.budget) > _level(requirements.budget):
        by_use = option.budget is Budget.BY_USE
        cost = "Pay as you go, with no cap." if by_use else "A few dollars a month."
        # Endpoints are charged around the clock: never a few dollars.
        excludes = requirements.budget is Budget.NOTHING or option.kind is Kind.ML_PAAS
        yield Reason(f"{cost} Your budget: {requirements.budget}.", -6, excludes=excludes)
    elif option.budget is requirements.budget:
        yield Reason("Within your budget.", 1)


def _traffic(option: DeploymentOption, requirements: Requirements) -> Iterator[Reason]:
    missing = _level(requirements.traffic) - _level(option.traffic)
    if missing > 0:
        text = f"Built for {option.traffic}, not {requirements.traffic}."
        yield Reason(text, COMPROMISE_POINTS * missing)
    elif requirements.traffic is not Traffic.FEW:
        yield Reason(f"Can handle {requirements.traffic}.", 2)
    # With thousands of visitors an hour it is never idle for long enough.
    if option.sleeps and requirements.traffic is not Traffic.THOUSANDS:
        text = "Sleeps when idle, so the next visitor waits for a start."
        yield Reason(text, -1 - _level(requirements.traffic))


def _expertise(option: DeploymentOption, requirements: Requirements) -> Iterator[Reason]:
    missing = _level(option.expertise) - _level(requirements.expertise)
    if missing > 0:
        needed = "some" if option.expertise is Expertise.SOME else "good"
        yield Reason(f"Needs {needed} server knowledge, and upkeep.", COMPROMISE_POINTS * missing)
    elif option.expertise is Expertise.NO:
        yield Reason("No server to maintain.", 2)
    elif option.is_private:
        yield Reason("Matches your experience, with everything under your control.", 2)
    else:
        yield Reason("Matches your experience.", 2)


def _domain(option: DeploymentOption, requirements: Requirements) -> Iterator[Reason]:
    if requirements.own_domain and option.own_domain:
        yield Reason("Supports your own domain.", 3)
    elif requirements.own_domain:
        yield Reason("Doesn't support your own domain.", EXCLUDED_POINTS, excludes=True)


def _gpu(option: DeploymentOption, requirements: Requirements) -> Iterator[Reason]:
    if not requirements.gpu:
        return
    if not option.gpu:
        yield Reason("No GPU.", EXCLUDED_POINTS, excludes=True)
    elif option is DEVICE:
        yield Reason("Uses the device's GPU, if it has one.", 2)
    elif option is READY_MADE:
        yield Reason("GPU machines are available.", 4)
    else:
        yield Reason("GPU machines are available; these files request one without.", 4)
    if option is not READY_MADE:
        yield Reason(
            "Loupe runs inference on the CPU. A GPU only speeds up training and the learner "
            "engine, and needs a CUDA build of torch.",
            -1,
        )


def _always(option: DeploymentOption, _: Requirements) -> Iterator[Reason]:
    """Yield what holds whatever is required."""
    if isinstance(option, Host) and option.start.runner == "streamlit":
        yield Reason("Runs the repository directly, with nothing to build.", 1)
    if option is READY_MADE:
        yield Reason("Uses the provider's model and labels, not yours.", -9)
        yield Reason("Nothing to train or run.", 1)
    elif not option.has_page:
        yield Reason("API only: there is no page for people to open.", -4)
        yield Reason("The provider monitors and replaces instances.", 1)
    elif option is DEVICE:
        yield Reason("Only people at the device, or on its network, can use it.", -2)
    elif option.keeps_files:
        yield Reason("Corrections and your own models are kept.", 1)
    else:
        yield Reason("Files are lost on restart; corrections need an external database.", -1)


RULES: tuple[Callable[[DeploymentOption, Requirements], Iterator[Reason]], ...] = (
    _privacy,
    _offline,
    _budget,
    _traffic,
    _expertise,
    _domain,
    _gpu,
    _always,
)
"""To add a requirement, add a field to ``Requirements`` and a rule here."""
