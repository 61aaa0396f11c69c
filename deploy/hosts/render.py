"""Render: a blueprint that builds the Dockerfile."""

from datetime import date

from ..host import Budget, Host, Kind, Limits, ManifestPaths, Source, Traffic
from ..spec import AppSpec
from ..templates import budget_comment, named, yaml_text

__all__ = ["HOST"]

READ = date(2026, 11, 25)
FREE = Source("https://render.com/docs/free", READ)
PRICING = Source("https://render.com/pricing", READ, itself=False)
ALERT = (
    "free services are suspended, not charged, when the month's hours are used up; set the "
    "spend limit of build minutes to 0 and look at Billing before choosing a paid plan."
)


def make(app: AppSpec) -> dict[str, str]:
    """The blueprint."""
    service = {
        "type": "web",
        "name": app.name,
        "runtime": "docker",
        "plan": "free",
        "dockerfilePath": f"./{app.dockerfile}",
        "dockerContext": ".",
        "healthCheckPath": app.ready,
        "numInstances": app.instances,
        "envVars": [
            *named(app.environment(HOST.limits.memory_mb), "key"),
            # Made by Render, known to nobody else.
            {"key": "LOUPE_SECRET", "generateValue": True},
        ],
    }
    return {
        "render.yaml": yaml_text(
            {"services": [service]},
            "Render blueprint: https://render.com/docs/blueprint-spec",
            budget_comment(ALERT),
            "For more than one instance, set LOUPE_DATABASE first (Environment).",
        )
    }


HOST = Host(
    name="render",
    title="Render",
    kind=Kind.PAAS,
    summary="Builds the Dockerfile at every push; the free plan has 512 MB and sleeps.",
    limits=Limits(memory_mb=512, cpu=0.1, sleeps_minutes=15),
    sources={
        "memory_mb": PRICING,
        "cpu": PRICING,
        "sleeps_minutes": FREE,
        "price": FREE,
        "manifest": Source("https://render.com/docs/blueprint-spec", READ, itself=False),
    },
    price="Free for 750 hours a month; paid plans by the month do not sleep.",
    budget_alert=ALERT,
    steps=(
        "$ python -m deploy write render",
        "Commit render.yaml and push.",
        "On https://dashboard.render.com choose New, Blueprint, and the repository.",
        f"Budget alert: {ALERT}",
        "For corrections that last, add LOUPE_DATABASE under Environment.",
    ),
    make=make,
    schemas={"render.yaml": "render"},
    where=ManifestPaths(
        environment=("render.yaml", "services", 0, "envVars"),
        health=("render.yaml", "services", 0, "healthCheckPath"),
        most=(("render.yaml", "services", 0, "numInstances"),),
    ),
    bounded_by="numInstances: 1",
    budget=Budget.NOTHING,
    traffic=Traffic.HUNDREDS,
    own_domain=True,
    remarks=(
        "The first visitor after a pause waits for a start on a tenth of a core.",
        "Free services lose their files at every stop and cannot have a disk.",
        "It has no setting that keeps a visitor with one instance: stay with one.",
    ),
)
