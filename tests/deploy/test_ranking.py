"""The ranking: sensible for typical owners, and consistent when one requirement changes."""

import itertools
import re
from dataclasses import fields, replace
from typing import Any

import pytest

from deploy.hosts import hosts
from deploy.options import Budget, Expertise, Kind, Traffic
from deploy.ranking import RankedOption, Requirements, deployment_options, rank
from deploy.spec import APP

VALUES: dict[str, tuple[Any, ...]] = {
    "private": (False, True),
    "offline": (False, True),
    "budget": tuple(Budget),
    "traffic": tuple(Traffic),
    "expertise": tuple(Expertise),
    "own_domain": (False, True),
    "gpu": (False, True),
}
ALL = [
    Requirements(**dict(zip(VALUES, values, strict=True)))
    for values in itertools.product(*VALUES.values())
]
RANKINGS = {requirements: rank(requirements) for requirements in ALL}
OPTIONS = deployment_options()


def order(requirements: Requirements) -> list[str]:
    return [ranked.option.name for ranked in RANKINGS[requirements]]


def fitting(requirements: Requirements) -> list[str]:
    return [ranked.option.name for ranked in RANKINGS[requirements] if ranked.fits]


def by_name(requirements: Requirements) -> dict[str, RankedOption]:
    return {ranked.option.name: ranked for ranked in RANKINGS[requirements]}


def test_every_option_is_ranked() -> None:
    assert set(OPTIONS) == {*hosts(), "device", "ready-made"}
    assert {option.kind for option in OPTIONS.values()} == set(Kind)
    assert set(VALUES) == {field.name for field in fields(Requirements)}
    assert all(sorted(order(requirements)) == sorted(OPTIONS) for requirements in ALL)


def test_model_that_a_host_cannot_take_excludes_it() -> None:
    anything = Requirements(budget=Budget.BY_USE, expertise=Expertise.YES)
    large = rank(anything, replace(APP, memory_mb=600))
    excluded = {ranked.option.name: ranked.cons[0] for ranked in large if not ranked.fits}
    assert set(excluded) == {
        name for name, host in hosts().items() if host.has_server and host.limits.memory_mb < 600
    }
    assert excluded["render"] == "Needs about 600 MB; it gives 512 MB."
    in_lfs = rank(anything, replace(APP, git_lfs=True))
    (refused,) = [ranked for ranked in in_lfs if not ranked.fits]
    assert refused.option.name == "railway"
    assert "larger than the 100 MB" in refused.cons[0]


def test_corrections_are_only_kept_where_the_disk_is() -> None:
    for ranked in rank(Requirements()):
        if ranked.host and ranked.host.has_page and ranked.host.has_server:
            reasons = [reason.text for reason in ranked.reasons]
            keeps = "Keeps corrections on its disk." in reasons
            assert keeps == ranked.host.keeps_files
            assert any("corrections need a database" in text for text in reasons) != keeps


def test_teacher_without_a_budget_gets_free_options() -> None:
    names = fitting(Requirements())
    assert names[0] == "static"
    assert set(names[1:3]) == {"device", "community-cloud"}
    # A subset: one more free host would belong here.
    assert {"static", "device", "community-cloud", "render"} <= set(names)
    assert all(OPTIONS[name].budget is Budget.NOTHING for name in names)


def test_doctor_keeps_photos_on_own_machines() -> None:
    assert fitting(Requirements(private=True)) == ["static", "device"]
    names = fitting(
        Requirements(
            private=True,
            budget=Budget.FEW_DOLLARS,
            expertise=Expertise.YES,
            traffic=Traffic.HUNDREDS,
        )
    )
    assert names[0] == "static"
    assert names[1] in {"vps-compose", "vps-systemd"}
    assert set(names) == {"static", "device", "vps-compose", "vps-systemd", "cloud-init"}


def test_ranger_without_a_network_gets_what_runs_on_the_device() -> None:
    offline = [requirements for requirements in ALL if requirements.offline]
    assert all(set(fitting(requirements)) <= {"static", "device"} for requirements in offline)
    assert order(Requirements(offline=True))[:2] == ["static", "device"]
    # Browsers run it on the CPU.
    assert fitting(Requirements(offline=True, gpu=True, traffic=Traffic.THOUSANDS)) == ["device"]


def test_club_with_a_domain_gets_a_small_host() -> None:
    names = order(
        Requirements(
            budget=Budget.FEW_DOLLARS,
            traffic=Traffic.HUNDREDS,
            expertise=Expertise.SOME,
            own_domain=True,
        )
    )
    assert set(names[:4]) <= {"static", "fly", "vps-compose", "railway"}
    assert names.index("community-cloud") > names.index("heroku")


def test_shop_with_heavy_traffic_gets_hosts_that_scale() -> None:
    busy = Requirements(budget=Budget.BY_USE, traffic=Traffic.THOUSANDS)
    names = order(replace(busy, expertise=Expertise.YES))
    assert set(names[:4]) <= {"cloud-init", "vps-compose", "vps-systemd", "cloud-run"}
    assert set(names[-3:]) == {"community-cloud", "device", "ready-made"}
    assert order(busy).index("cloud-run") < order(busy).index("vps-systemd")


def test_static_host_is_first_for_privacy_offline_use_or_no_budget() -> None:
    for requirements in ALL:
        wants = requirements.private or requirements.offline
        if requirements.gpu or not (wants or requirements.budget is Budget.NOTHING):
            continue
        # Many visitors an hour are more than the free hosts of pages promise.
        if requirements.traffic is not Traffic.THOUSANDS:
            assert order(requirements)[0] == "static", requirements


def test_ready_made_model_is_never_first() -> None:
    assert all(order(requirements)[0] != "ready-made" for requirements in ALL)
    cons = by_name(Requirements())["ready-made"].cons
    assert "Uses the provider's model and labels, not yours." in cons


def test_required_features_decide_the_order() -> None:
    for requirements in ALL:
        ranking = RANKINGS[requirements]
        fits = [ranked.fits for ranked in ranking]
        assert fits == sorted(fits, reverse=True)
        if requirements.gpu:
            gpus = [ranked.option.gpu for ranked in ranking]
            assert gpus == sorted(gpus, reverse=True)
        if requirements.private:
            assert all(ranked.option.is_private for ranked in ranking if ranked.fits)


@pytest.mark.parametrize(
    ("requirement", "attribute"),
    [("own_domain", "own_domain"), ("gpu", "gpu"), ("private", "is_private")],
)
def test_option_with_a_required_feature_gains_on_one_without(
    requirement: str, attribute: str
) -> None:
    having = [name for name, option in OPTIONS.items() if getattr(option, attribute)]
    for requirements in ALL:
        if getattr(requirements, requirement):
            continue
        required: dict[str, Any] = {requirement: True}
        before, after = by_name(requirements), by_name(replace(requirements, **required))
        gains = {name: after[name].score - before[name].score for name in OPTIONS}
        lacking = [gain for name, gain in gains.items() if name not in having]
        assert min(gains[name] for name in having) > max(lacking)


def test_larger_budget_excludes_nothing() -> None:
    for requirements in ALL:
        low, middle, high = (set(fitting(replace(requirements, budget=b))) for b in Budget)
        assert low <= middle <= high


def test_more_expertise_lowers_no_score() -> None:
    for requirements in ALL:
        rankings = [by_name(replace(requirements, expertise=level)) for level in Expertise]
        for name in OPTIONS:
            scores = [ranking[name].score for ranking in rankings]
            assert scores == sorted(scores)


@pytest.mark.parametrize("requirement", VALUES)
def test_every_requirement_changes_the_ranking(requirement: str) -> None:
    base = Requirements(budget=Budget.BY_USE, expertise=Expertise.SOME, traffic=Traffic.HUNDREDS)
    variants = [replace(base, **{requirement: value}) for value in VALUES[requirement]]
    rankings = [[(r.option.name, r.reasons) for r in RANKINGS[variant]] for variant in variants]
    assert all(first != second for first, second in itertools.combinations(rankings, 2))


def test_every_option_has_reasons_in_plain_sentences() -> None:
    texts = set()
    for ranked in itertools.chain.from_iterable(RANKINGS.values()):
        assert ranked.fits or ranked.cons
        assert (ranked.host is None) == (ranked.option.name in {"device", "ready-made"})
        texts |= {reason.text for reason in ranked.reasons}
    assert len(texts) > 20
    for text in texts:
        assert re.fullmatch(r"[A-Z][^\n]{,130}\.", text), text


def test_excluding_reason_comes_first() -> None:
    requirements = Requirements(private=True, traffic=Traffic.THOUSANDS)
    cons = by_name(requirements)["community-cloud"].cons
    assert cons[0] == "Photos go through someone else's machines."
