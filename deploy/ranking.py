"""Which way to bring a model to people fits best: wishes in, a ranked list with reasons out.

Pure functions. A wish that a way cannot fulfil excludes it, and the reason says so; what is
only more or less convenient moves it up or down.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from .host import Budget, Expertise, Host, Kind, Traffic
from .options import DeploymentOption, deployment_options

__all__ = ["RankedOption", "Requirements", "rank"]


@dataclass(frozen=True, slots=True)
class Requirements:
    """What is asked for; the defaults ask for nothing special."""

    private: bool = False
    """Photos must stay on the device or on a server of one's own."""
    offline: bool = False
    """It must work without a network."""
    budget: Budget = Budget.NOTHING
    traffic: Traffic = Traffic.FEW
    knows: Expertise = Expertise.NO
    own_domain: bool = False
    gpu: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """A plain sentence; points move the way up or down, ``excludes`` takes it out."""

    text: str
    points: int
    excludes: bool = False


@dataclass(frozen=True, slots=True)
class RankedOption:
    """A way with its place: whether it fits, and why."""

    name: str
    title: str
    kind: Kind
    price: str
    score: int
    fits: bool
    compromise: str | None
    """The gravest thing that is not as wished, where it fits only just."""
    reasons_for: tuple[str, ...]
    reasons_against: tuple[str, ...]
    host: Host | None


def rank(wishes: Requirements) -> list[RankedOption]:
    """All ways, those that fit first, then by score.

    A way without a GPU stands below every way with one as soon as one is asked for.
    """
    every = deployment_options()
    choices = [_choice(way, wishes) for way in every.values()]

    def place(choice: RankedOption) -> tuple[bool, bool, bool, int]:
        way = every[choice.name]
        return (
            not choice.fits,
            wishes.gpu and not way.gpu,
            wishes.private and not way.private,
            -choice.score,
        )

    return sorted(choices, key=place)


def _choice(way: DeploymentOption, wishes: Requirements) -> RankedOption:
    reasons = [reason for rule in RULES for reason in rule(way, wishes)]
    worst = sorted(reasons, key=lambda one: one.points)
    against = sorted((one for one in reasons if one.points < 0), key=lambda one: not one.excludes)
    return RankedOption(
        name=way.name,
        title=way.title,
        kind=way.kind,
        price=way.price,
        score=sum(one.points for one in reasons),
        fits=not any(one.excludes for one in reasons),
        compromise=next((one.text for one in worst if one.points <= GRAVE), None),
        reasons_for=tuple(one.text for one in reasons if one.points > 0),
        reasons_against=tuple(one.text for one in against),
        host=way.host,
    )


GRAVE = -3
"""A reason with so few points is a wish that is not fulfilled."""


def _level(value: Enum) -> int:
    """The place of a value in its scale, from 0."""
    return list(type(value)).index(value)


def _privacy(way: DeploymentOption, wishes: Requirements) -> Iterator[Reason]:
    if wishes.private and not way.private:
        yield Reason("Photos pass through machines of somebody else.", -10, excludes=True)
    elif wishes.private and way.kind is Kind.DEVICE:
        yield Reason("No photo leaves the device.", 4)
    elif wishes.private:
        yield Reason("Photos stay on a server that only you administer.", 2)
        yield Reason("A rented server stands in somebody else's building.", -1)


def _offline(way: DeploymentOption, wishes: Requirements) -> Iterator[Reason]:
    if wishes.offline and way.offline:
        yield Reason("It works without a network.", 4)
    elif wishes.offline:
        yield Reason("Without a network nobody reaches it.", -10, excludes=True)


def _budget(way: DeploymentOption, wishes: Requirements) -> Iterator[Reason]:
    if way.budget is Budget.NOTHING:
        yield Reason("One can begin without paying.", 2)
    elif _level(way.budget) > _level(wishes.budget):
        cost = "by use, with no fixed end" if way.budget is Budget.BY_USE else "a few dollars"
        text = f"It costs {cost}; you want to pay {wishes.budget}."
        # Endpoints are paid day and night: never a few dollars.
        too_much = wishes.budget is Budget.NOTHING or way.kind is Kind.ML_PAAS
        yield Reason(text, -6, excludes=too_much)
    elif way.budget is wishes.budget:
        yield Reason(f"It costs what you are ready to pay: {wishes.budget}.", 1)


def _traffic(way: DeploymentOption, wishes: Requirements) -> Iterator[Reason]:
    missing = _level(wishes.traffic) - _level(way.traffic)
    if missing > 0:
        text = f"It is made for {way.traffic}, not for {wishes.traffic}."
        yield Reason(text, -3 * missing)
    elif wishes.traffic is not Traffic.FEW:
        yield Reason(f"It can be made to take {wishes.traffic}.", 2)
    # With thousands an hour it is never idle for long enough.
    if way.sleeps and wishes.traffic is not Traffic.THOUSANDS:
        points = -1 - _level(wishes.traffic)
        yield Reason("It sleeps when nobody visits, and the next visitor waits.", points)


def _knowledge(way: DeploymentOption, wishes: Requirements) -> Iterator[Reason]:
    missing = _level(way.knows) - _level(wishes.knows)
    if missing > 0:
        asks = "some knowledge" if way.knows is Expertise.SOME else "good knowledge"
        yield Reason(f"It asks for {asks} of servers, and for upkeep.", -3 * missing)
    elif way.knows is Expertise.NO:
        yield Reason("There is no server to look after.", 2)
    else:
        own = ", and everything is in your hands" if way.kind in (Kind.VPS, Kind.IAAS) else ""
        yield Reason(f"You know what it asks of you{own}.", 2)


def _domain(way: DeploymentOption, wishes: Requirements) -> Iterator[Reason]:
    if wishes.own_domain and way.own_domain:
        yield Reason("It takes your own domain.", 3)
    elif wishes.own_domain:
        yield Reason("It has no place for your own domain.", -10, excludes=True)


def _gpu(way: DeploymentOption, wishes: Requirements) -> Iterator[Reason]:
    if not wishes.gpu:
        return
    if not way.gpu:
        yield Reason("It has no GPU.", -10, excludes=True)
    elif way.kind is Kind.DEVICE:
        yield Reason("It uses the device's GPU, if there is one.", 2)
    elif way.host is None:
        yield Reason("It has machines with a GPU.", 4)
    else:
        yield Reason("One with a GPU can be had; the files here ask for one without.", 4)
    if way.own_model:
        yield Reason(
            "Loupe answers with the CPU; a GPU helps only training and the learner engine, and "
            "takes torch with CUDA.",
            -1,
        )


def _nature(way: DeploymentOption, _: Requirements) -> Iterator[Reason]:
    """What is so whatever one wishes."""
    if way.host and way.host.starts == "streamlit":
        yield Reason("It runs the repository as it is: there is nothing to build.", 1)
    if not way.own_model:
        text = "It answers with somebody else's model and labels, not with yours."
        yield Reason(text, -9)
        yield Reason("There is nothing to train and nothing to run.", 1)
    elif not way.page:
        yield Reason("Programs can ask it, people have no page to open.", -4)
        yield Reason("The provider watches and replaces the instances.", 1)
    elif way.kind is Kind.DEVICE:
        yield Reason("Only people at the device, or on its network, can use it.", -2)
    elif way.keeps_files:
        yield Reason("Corrections and models of your own are kept.", 1)
    else:
        yield Reason("Files are lost at a restart: corrections need a database elsewhere.", -1)


RULES: tuple[Callable[[DeploymentOption, Requirements], Iterator[Reason]], ...] = (
    _privacy,
    _offline,
    _budget,
    _traffic,
    _knowledge,
    _domain,
    _gpu,
    _nature,
)
"""To add a wish: a field of ``Wishes`` and a rule here."""
