"""The ranking of deployment options: requirements in, a sorted list with reasons out.

Pure functions. A requirement that an option cannot meet, or a model that it cannot take, excludes
the option and becomes a reason; everything else moves the option up or down.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from .errors import NotOffered
from .host import Host
from .hosts import hosts
from .options import DEVICE, READY_MADE, Budget, DeploymentOption, Expertise, Kind, Traffic
from .package import check_offered
from .spec import APP, AppSpec

__all__ = ["RankedOption", "Reason", "Requirements", "deployment_options", "rank"]

COMPROMISE = -3
"""Points at or below which a reason is an unmet requirement."""
EXCLUSION = -10
"""Points at or below which a reason excludes the option."""


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
    """A sentence for an option, with positive points, or against it, with negative ones."""

    text: str
    points: int


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
        return all(reason.points > EXCLUSION for reason in self.reasons)

    @property
    def compromise(self) -> str | None:
        """The worst unmet requirement, None if all are met."""
        worst = min(self.reasons, key=lambda reason: reason.points)
        return worst.text if worst.points <= COMPROMISE else None

    @property
    def pros(self) -> list[str]:
        """Reasons for it."""
        return [reason.text for reason in self.reasons if reason.points > 0]

    @property
    def cons(self) -> list[str]:
        """Reasons against it, the weightiest first."""
        against = [reason for reason in self.reasons if reason.points < 0]
        return [reason.text for reason in sorted(against, key=lambda reason: reason.points)]


def deployment_options() -> Mapping[str, DeploymentOption]:
    """Return all options by name: the hosts, and two that need none."""
    return {option.name: option for option in (DEVICE, *hosts().values(), READY_MADE)}


def rank(requirements: Requirements, app: AppSpec = APP) -> list[RankedOption]:
    """Return all options for the app with its models: fitting ones first, each group by score.

    If a GPU or privacy is required, every option that has it precedes every one that lacks it.
    """

    def sort_key(ranked: RankedOption) -> tuple[bool, bool, bool, int]:
        lacks_gpu = requirements.gpu and not ranked.option.gpu
        lacks_privacy = requirements.private and not ranked.option.is_private
        return (not ranked.fits, lacks_gpu, lacks_privacy, -ranked.score)

    ranked = []
    for option in deployment_options().values():
        reasons = [Reason(*reason) for rule in RULES for reason in rule(option, requirements)]
        reasons += [Reason(*reason) for reason in _rate_models(option, app)]
        ranked.append(RankedOption(option, tuple(reasons)))
    return sorted(ranked, key=sort_key)


TextAndPoints = Iterator[tuple[str, int]]


def _rate_models(option: DeploymentOption, app: AppSpec) -> TextAndPoints:
    if not isinstance(option, Host):
        return
    if option.has_server and option.limits.memory_mb < app.memory_mb:
        text = f"Needs about {app.memory_mb:,} MB; it gives {option.limits.memory_mb:,} MB."
        yield text, EXCLUSION
    try:
        check_offered(option, app)
    except NotOffered as error:
        yield str(error), EXCLUSION


def _rate_location(option: DeploymentOption, requirements: Requirements) -> TextAndPoints:
    if requirements.private and not option.is_private:
        yield "Photos go through someone else's machines.", EXCLUSION
    elif requirements.private and option.runs_on_device:
        yield "Photos never leave the device.", 4
    elif requirements.private:
        yield "Photos stay on a server that only you administer.", 2
        yield "A rented server is in someone else's building.", -1
    if requirements.offline and option is DEVICE:
        yield "Works offline.", 4
    elif requirements.offline and option.runs_on_device:
        yield "Works offline after the first visit.", 4
    elif requirements.offline:
        yield "It can't be reached offline.", EXCLUSION


def _rate_budget(option: DeploymentOption, requirements: Requirements) -> TextAndPoints:
    if option.budget is Budget.NOTHING:
        yield "Free to start.", 2
    elif _get_level(option.budget) > _get_level(requirements.budget):
        by_use = option.budget is Budget.BY_USE
        cost = "Pay as you go, with no cap." if by_use else "A few dollars a month."
        # Endpoints are charged around the clock: never a few dollars.
        too_much = requirements.budget is Budget.NOTHING or option.kind is Kind.ML_PAAS
        yield f"{cost} Your budget: {requirements.budget}.", EXCLUSION if too_much else -6
    elif option.budget is requirements.budget:
        yield "Within your budget.", 1


def _rate_traffic(option: DeploymentOption, requirements: Requirements) -> TextAndPoints:
    missing = _get_level(requirements.traffic) - _get_level(option.traffic)
    if missing > 0:
        text = f"Built for {option.traffic}, not {requirements.traffic}."
        yield text, COMPROMISE * missing
    elif requirements.traffic is not Traffic.FEW:
        yield f"Can handle {requirements.traffic}.", 2
    # With thousands of visitors an hour it is never idle for long enough to sleep.
    if option.sleeps and requirements.traffic is not Traffic.THOUSANDS:
        text = "Sleeps when idle, so the next visitor waits for a start."
        yield text, -1 - _get_level(requirements.traffic)


def _rate_expertise(option: DeploymentOption, requirements: Requirements) -> TextAndPoints:
    missing = _get_level(option.expertise) - _get_level(requirements.expertise)
    if missing > 0:
        needed = "some" if option.expertise is Expertise.SOME else "good"
        yield f"Needs {needed} server knowledge, and upkeep.", COMPROMISE * missing
    elif option.expertise is Expertise.NO:
        yield "No server to maintain.", 2
    elif option.is_private:
        yield "Matches your experience, with everything under your control.", 2
    else:
        yield "Matches your experience.", 2


def _rate_features(option: DeploymentOption, requirements: Requirements) -> TextAndPoints:
    if requirements.own_domain and option.own_domain:
        yield "Supports your own domain.", 3
    elif requirements.own_domain:
        yield "Doesn't support your own domain.", EXCLUSION
    if requirements.gpu:
        yield _rate_gpu(option)
        if option is not READY_MADE:
            text = (
                "Loupe runs inference on the CPU. A GPU only speeds up training and the learner "
                "engine, and needs a CUDA build of torch."
            )
            yield text, -1


def _rate_gpu(option: DeploymentOption) -> tuple[str, int]:
    if not option.gpu:
        return "No GPU.", EXCLUSION
    if option is DEVICE:
        return "Uses the device's GPU, if it has one.", 2
    if option is READY_MADE:
        return "GPU machines are available.", 4
    return "GPU machines are available; these files request one without.", 4


def _rate_in_general(option: DeploymentOption, _: Requirements) -> TextAndPoints:
    """Yield the reasons that don't depend on requirements."""
    if isinstance(option, Host) and option.start.runner == "streamlit":
        yield "Runs the repository directly, with nothing to build.", 1
    if option is READY_MADE:
        yield "Uses the provider's model and labels, not yours.", -9
        yield "Nothing to train or run.", 1
    elif not option.has_page:
        yield "API only: there is no page for people to open.", -4
        yield "The provider monitors and replaces instances.", 1
    elif option.kind is Kind.STATIC:
        yield "Nothing runs on a server: it never sleeps, and more visitors cost no more.", 2
        yield "No API and no corrections, and everybody can download the model.", -1
    elif option is DEVICE:
        yield "Only people at the device, or on its network, can use it.", -2
    elif option.keeps_files:
        yield "Keeps corrections on its disk.", 1
    else:
        text = "Empties its disk at a restart: your model stays, corrections need a database."
        yield text, -1


def _get_level(value: Enum) -> int:
    """Return a value's position on its scale, from 0."""
    return list(type(value)).index(value)


RULES: tuple[Callable[[DeploymentOption, Requirements], TextAndPoints], ...] = (
    _rate_location,
    _rate_budget,
    _rate_traffic,
    _rate_expertise,
    _rate_features,
    _rate_in_general,
)
"""To add a requirement, add a field to ``Requirements`` and a rule here."""
