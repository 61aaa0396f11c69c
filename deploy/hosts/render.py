"""Render: a blueprint that builds the Dockerfile."""

from ..host import Host, Limits, ManifestPaths, Source
from ..options import Budget, Kind, Traffic
from ..spec import AppSpec
from ..templates import (
    OWN_REPOSITORY,
    PUSH,
    dump_yaml,
    format_budget_alert,
    to_name_value_list,
)

__all__ = ["HOST"]

FILE = "render.yaml"
MEMORY_MB = 512
ALERT = (
    "free services are suspended, not charged, when the month's hours are used up; set the "
    "spend limit for build minutes to 0, and check Billing before choosing a paid plan."
)


def make_files(app: AppSpec) -> dict[str, str]:
    """Return the blueprint."""
    service = {
        "type": "web",
        "name": app.name,
        "runtime": "docker",
        "plan": "free",
        "dockerfilePath": f"./{app.dockerfile}",
        "dockerContext": ".",
        "healthCheckPath": app.ready_path,
        "numInstances": app.max_instances,
        "envVars": [
            *to_name_value_list(app.environment(MEMORY_MB), "key"),
            # Render generates it, so it appears in no file.
            {"key": "LOUPE_SECRET", "generateValue": True},
        ],
    }
    comments = (
        "Render blueprint: https://render.com/docs/blueprint-spec",
        format_budget_alert(ALERT),
        "For more than one instance, set LOUPE_DATABASE first (Environment).",
    )
    return {FILE: dump_yaml({"services": [service]}, *comments)}


HOST = Host(
    name="render",
    title="Render",
    kind=Kind.PAAS,
    summary="Builds the Dockerfile at every push; the free plan has 512 MB and sleeps.",
    price="Free for 750 hours a month; paid monthly plans don't sleep.",
    budget=Budget.NOTHING,
    traffic=Traffic.HUNDREDS,
    own_domain=True,
    limits=Limits(memory_mb=MEMORY_MB, cpu=0.1, sleeps_minutes=15),
    sources=(
        Source("https://render.com/pricing", "memory_mb cpu", first_hand=False),
        Source("https://render.com/docs/free", "sleeps_minutes price"),
        Source("https://render.com/docs/blueprint-spec", "manifest", first_hand=False),
    ),
    budget_alert=ALERT,
    steps=f"""
        {OWN_REPOSITORY}
        Budget alert: {ALERT}
        $ WRITE
        $ git add bundles {FILE} && git commit -m 'Deploy the model' && git push
        On https://dashboard.render.com choose New, Blueprint, and the repository.
        To keep corrections, add LOUPE_DATABASE under Environment.
        Open the address that the service shows.
    """,
    update=PUSH,
    github=True,
    make_files=make_files,
    manifest=ManifestPaths(
        FILE, environment="services.0.envVars", health="services.0.healthCheckPath"
    ),
    max_instances_via="numInstances: 1",
    remarks="""
        The first visitor after a pause waits for a start on a tenth of a core.
        Free services lose their files at every stop and can't have a disk.
        Whether Render fetches files in Git LFS (above 100 MB) its documentation doesn't say.
        No sticky sessions: keep it at one instance.
    """,
)
