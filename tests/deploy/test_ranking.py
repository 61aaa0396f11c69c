"""The ranking: sensible for people one can imagine, and steady when one wish changes."""

import itertools
import re
from dataclasses import fields, replace
from typing import Any

import pytest

from deploy.host import Budget, Expertise, Kind, Traffic
from deploy.hosts import hosts
from deploy.options import deployment_options
from deploy.ranking import RankedOption, Requirements, rank

VALUES: dict[str, tuple[Any, ...]] = {
    "private": (False, True),
    "offline": (False, True),
    "budget": tuple(Budget),
    "traffic": tuple(Traffic),
    "knows": tuple(Expertise),
    "own_domain": (False, True),
    "gpu": (False, True),
}
ALL = [
    Requirements(**dict(zip(VALUES, values, strict=True)))
    for values in itertools.product(*VALUES.values())
]


def order(wishes: Requirements) -> list[str]:
    return [choice.name for choice in rank(wishes)]


def fitting(wishes: Requirements) -> list[str]:
    return [choice.name for choice in rank(wishes) if choice.fits]


def by_name(wishes: Requirements) -> dict[str, RankedOption]:
    return {choice.name: choice for choice in rank(wishes)}


def test_every_host_and_two_other_ways_are_ranked() -> None:
    assert set(deployment_options()) == {*hosts(), "device", "ready-made"}
    assert {way.kind for way in deployment_options().values()} == set(Kind)
    assert set(VALUES) == {field.name for field in fields(Requirements)}
    for wishes in ALL[::7]:
        assert sorted(order(wishes)) == sorted(deployment_options())


def test_a_teacher_without_money_or_servers_shows_it_to_a_class() -> None:
    found = fitting(Requirements())
    assert set(found[:2]) == {"device", "community-cloud"}
    # A subset: one more host that is free belongs here, too.
    assert {"device", "community-cloud", "render"} <= set(found)
    assert all(deployment_options()[name].budget is Budget.NOTHING for name in found)


def test_a_doctor_keeps_photos_in_the_house() -> None:
    assert fitting(Requirements(private=True)) == ["device"]
    server = Requirements(
        private=True, budget=Budget.FEW_DOLLARS, knows=Expertise.YES, traffic=Traffic.HUNDREDS
    )
    assert fitting(server)[0] in {"vps-compose", "vps-systemd"}
    assert set(fitting(server)) == {"device", "vps-compose", "vps-systemd", "cloud-init"}


def test_a_ranger_in_the_woods_has_only_the_device() -> None:
    for wishes in ALL:
        if wishes.offline:
            assert set(fitting(wishes)) <= {"device"}
    assert fitting(Requirements(offline=True, gpu=True, traffic=Traffic.THOUSANDS)) == ["device"]


def test_a_club_with_a_domain_and_a_few_dollars_gets_a_small_host() -> None:
    found = order(
        Requirements(
            budget=Budget.FEW_DOLLARS,
            traffic=Traffic.HUNDREDS,
            knows=Expertise.SOME,
            own_domain=True,
        )
    )
    assert set(found[:3]) <= {"fly", "vps-compose", "railway"}
    assert found.index("community-cloud") > found.index("heroku")


def test_a_shop_with_thousands_an_hour_gets_what_grows() -> None:
    found = order(
        Requirements(budget=Budget.BY_USE, traffic=Traffic.THOUSANDS, knows=Expertise.YES)
    )
    assert set(found[:4]) <= {"cloud-init", "vps-compose", "vps-systemd", "cloud-run"}
    assert set(found[-3:]) == {"community-cloud", "device", "ready-made"}
    ignorant = order(Requirements(budget=Budget.BY_USE, traffic=Traffic.THOUSANDS))
    assert ignorant.index("cloud-run") < ignorant.index("vps-systemd")


def test_a_ready_made_model_is_never_first_and_the_reason_is_said() -> None:
    for wishes in ALL:
        choice = rank(wishes)[0]
        assert choice.name != "ready-made"
    reasons = by_name(Requirements())["ready-made"].reasons_against
    assert any("somebody else's model" in reason for reason in reasons)


def test_what_fits_stands_above_what_does_not() -> None:
    for wishes in ALL:
        fits = [choice.fits for choice in rank(wishes)]
        assert fits == sorted(fits, reverse=True)


def test_asking_for_a_gpu_never_puts_a_way_without_one_above_one_with_it() -> None:
    every = deployment_options()
    for wishes in ALL:
        if wishes.gpu:
            found = [every[choice.name].gpu for choice in rank(wishes)]
            assert found == sorted(found, reverse=True)


def test_asking_for_privacy_never_fits_a_way_that_sends_photos_away() -> None:
    every = deployment_options()
    for wishes in ALL:
        if wishes.private:
            assert all(every[choice.name].private for choice in rank(wishes) if choice.fits)


@pytest.mark.parametrize("wish", ["own_domain", "gpu", "private"])
def test_a_way_that_has_what_is_asked_for_gains_on_one_that_has_not(wish: str) -> None:
    every = deployment_options()
    for wishes in ALL:
        if getattr(wishes, wish):
            continue
        asked: dict[str, Any] = {wish: True}
        before, after = by_name(wishes), by_name(replace(wishes, **asked))
        gains = {name: after[name].score - before[name].score for name in every}
        having = [gain for name, gain in gains.items() if getattr(every[name], wish)]
        lacking = [gain for name, gain in gains.items() if not getattr(every[name], wish)]
        assert min(having) > max(lacking)


def test_more_money_takes_no_way_out() -> None:
    for wishes in ALL:
        richer = [replace(wishes, budget=budget) for budget in Budget]
        sizes = [set(fitting(one)) for one in richer]
        assert sizes[0] <= sizes[1] <= sizes[2]


def test_more_knowledge_never_makes_a_server_worse() -> None:
    for wishes in ALL[::3]:
        scores = [by_name(replace(wishes, knows=knows)) for knows in Expertise]
        for name in deployment_options():
            found = [one[name].score for one in scores]
            assert found == sorted(found)


@pytest.mark.parametrize("wish", VALUES)
def test_every_wish_changes_something(wish: str) -> None:
    seen = set()
    for value in VALUES[wish]:
        wishes = replace(
            Requirements(budget=Budget.BY_USE, knows=Expertise.SOME, traffic=Traffic.HUNDREDS),
            **{wish: value},
        )
        seen.add(
            tuple((c.name, c.score, c.fits, c.reasons_for, c.reasons_against) for c in rank(wishes))
        )
    assert len(seen) == len(VALUES[wish])


def test_every_reason_is_a_plain_sentence() -> None:
    reasons = {
        reason
        for wishes in ALL
        for choice in rank(wishes)
        for reason in (*choice.reasons_for, *choice.reasons_against)
    }
    assert len(reasons) > 20
    for reason in reasons:
        assert re.fullmatch(r"[A-Z][^\n]*\.", reason), reason
        assert len(reason) < 130


def test_every_choice_says_why() -> None:
    for wishes in ALL[::5]:
        for choice in rank(wishes):
            assert choice.reasons_for or choice.reasons_against
            assert choice.fits or choice.reasons_against
            assert choice.price
            assert (choice.host is None) == (choice.name in {"device", "ready-made"})


def test_what_excludes_is_said_first() -> None:
    choice = by_name(Requirements(private=True, traffic=Traffic.THOUSANDS))["community-cloud"]
    assert choice.reasons_against[0] == "Photos pass through machines of somebody else."


def test_the_same_wishes_give_the_same_ranking() -> None:
    assert rank(Requirements()) == rank(Requirements())
