"""The hosts that meet an owner's requirements, and what the others lack."""

import itertools
import re
from dataclasses import fields, replace
from typing import Any

import pytest

from deploy.documented_hosts import DOCUMENTED
from deploy.host import Budget, Expertise, Traffic
from deploy.hosts import HOSTS
from deploy.matching import Requirements, describe_limits, list_shortfalls
from deploy.spec import APP
from model.settings import ROOT

VALUES: dict[str, tuple[Any, ...]] = {
    "private": (False, True),
    "offline": (False, True),
    "budget": tuple(Budget),
    "traffic": tuple(Traffic),
    "expertise": tuple(Expertise),
    "own_domain": (False, True),
    "gpu": (False, True),
    "whole_app": (False, True),
    "awake": (False, True),
}
ANYTHING = Requirements(budget=Budget.BY_USE, expertise=Expertise.YES)
BUSY = replace(ANYTHING, traffic=Traffic.THOUSANDS)


def matching(requirements: Requirements) -> list[str]:
    return [name for name, host in HOSTS.items() if not list_shortfalls(host, requirements)]


@pytest.mark.parametrize(
    ("requirements", "names"),
    [
        (Requirements(), ["static", "community-cloud", "render"]),
        (Requirements(offline=True), ["static"]),
        (Requirements(private=True), ["static"]),
        (replace(ANYTHING, private=True), ["static", "vps-compose", "cloud-init", "ray-serve"]),
        (BUSY, ["vps-compose", "cloud-run", "cloud-init", "vertex", "sagemaker", "ray-serve"]),
        (replace(BUSY, own_domain=True), ["vps-compose", "cloud-run", "cloud-init"]),
        (replace(BUSY, expertise=Expertise.SOME), ["vps-compose", "cloud-run"]),
        (Requirements(budget=Budget.FEW_DOLLARS, gpu=True), ["spaces"]),
        (Requirements(traffic=Traffic.THOUSANDS), []),
        (Requirements(whole_app=True), ["community-cloud", "render"]),
        (Requirements(awake=True), ["static"]),
        (ANYTHING, list(HOSTS)),
    ],
)
def test_hosts_match_typical_owners(requirements: Requirements, names: list[str]) -> None:
    assert matching(requirements) == names


def test_each_requirement_only_ever_excludes() -> None:
    assert set(VALUES) == {field.name for field in fields(Requirements)}
    for name, values in VALUES.items():
        found = [set(matching(replace(ANYTHING, **{name: value}))) for value in values]
        # A larger budget and more knowledge exclude nothing; every other requirement may.
        rising = found if name in ("budget", "expertise") else found[::-1]
        assert all(few <= many for few, many in itertools.pairwise(rising))
        assert rising[0] < rising[-1]


def test_model_that_needs_more_memory_excludes_a_host() -> None:
    large = replace(APP, memory_mb=600)
    short = {name: list_shortfalls(host, ANYTHING, large) for name, host in HOSTS.items()}
    assert {name for name, reasons in short.items() if reasons} == {"render"}
    assert short["render"] == ["Needs about 600 MB; it gives 512 MB."]


def test_shortfalls_and_facts_are_plain_sentences() -> None:
    wants = replace(BUSY, private=True, offline=True, own_domain=True, gpu=True)
    wants = replace(wants, whole_app=True, awake=True, budget=Budget.NOTHING)
    for host in (*HOSTS.values(), *DOCUMENTED):
        for text in [*list_shortfalls(host, wants), *describe_limits(host)]:
            assert re.fullmatch(r"[A-Z][^\n]{,80}\.", text), text


def test_documented_hosts_are_where_their_remark_says() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/deploy.md").read_text(), re.MULTILINE)
    for host in DOCUMENTED:
        assert host.remarks.removeprefix("Steps: docs/deploy.md, ").removesuffix(".") in headings
        assert host.title not in {other.title for other in HOSTS.values()}
        assert all(line.startswith("https://") for line in host.sources.splitlines())
