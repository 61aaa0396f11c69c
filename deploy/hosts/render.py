"""Render: a blueprint that builds the Dockerfile."""

from ..host import Fit, Host, Limits, Plan
from ..spec import AppSpec
from ..templates import dump_yaml, push, to_name_value_list, use_own_repository

DOCS = "https://render.com/docs"
MEMORY_MB = 512


def make_plan(app: AppSpec) -> Plan:
    """Return the blueprint."""
    service = {
        "type": "web",
        "name": app.name,
        "runtime": "docker",
        "plan": "free",
        "dockerfilePath": "./Dockerfile",
        "dockerContext": ".",
        "healthCheckPath": app.ready_path,
        "numInstances": 1,
        "envVars": [
            *to_name_value_list(app.environment(MEMORY_MB), "key"),
            # Render generates the secret, so it appears in no file.
            {"key": "LOUPE_SECRET", "generateValue": True},
        ],
    }
    return Plan(
        {
            "render.yaml": dump_yaml(
                {"services": [service]}, f"Render blueprint: {DOCS}/blueprint-spec"
            )
        },
        f"""\
{use_own_repository("private")}
$ {push("render.yaml")}
On https://dashboard.render.com choose New, Blueprint, and the repository.
To keep corrections, add LOUPE_DATABASE under Environment.
Open the address that the service shows.""",
        push(),
    )


HOST = Host(
    name="render",
    title="Render",
    kind="managed (PaaS)",
    summary="Builds the Dockerfile at every push; the free plan has 512 MB and sleeps.",
    price="Free for 750 hours a month; paid monthly plans don't sleep.",
    fit=Fit(budget="nothing", traffic="hundreds a day"),
    own_domain=True,
    limits=Limits(memory_mb=MEMORY_MB, cpu=0.1, sleeps="after 15 minutes"),
    sources=f"""\
https://render.com/pricing memory, cores (cited)
{DOCS}/free sleeps, price
{DOCS}/blueprint-spec files (cited)""",
    budget_alert="free services are suspended, not charged, when the month's hours are used up; "
    "set the spend limit for build minutes to 0, and check Billing before choosing a paid plan.",
    remarks="""\
The first visitor after a pause waits for a start on a tenth of a core.
Free services lose their files whenever they stop, and can't have a disk.
Render's documentation doesn't say whether it fetches files in Git LFS (above 100 MB).
No sticky sessions: numInstances keeps it at one instance.""",
    make_plan=make_plan,
    github=True,
)
