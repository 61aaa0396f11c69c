"""Railway: config as code beside the Dockerfile."""

from datetime import date

from ..host import Budget, Host, Kind, Limits, ManifestPaths, Source, Traffic
from ..spec import AppSpec
from ..templates import budget_comment, toml_text

__all__ = ["HOST"]

READ = date(2026, 11, 25)
PLANS = Source("https://docs.railway.com/pricing/plans", READ)
REFERENCE = Source("https://docs.railway.com/config-as-code/reference", READ)
ALERT = (
    "in Workspace, Usage, Set Usage Limits give a custom e-mail alert and a hard limit; at the "
    "hard limit everything is taken offline."
)

FILE = "railway.toml"


def make(app: AppSpec) -> dict[str, str]:
    """The configuration; settings are given by command, the file has no place for them."""
    return {
        FILE: toml_text(
            {
                "build": {"builder": "DOCKERFILE", "dockerfilePath": app.dockerfile},
                "deploy": {
                    "numReplicas": app.instances,
                    "healthcheckPath": app.ready,
                    "healthcheckTimeout": 300,
                    "restartPolicyType": "ON_FAILURE",
                    "restartPolicyMaxRetries": 5,
                    # Without it Railway kills at once: answers under way would be lost.
                    "drainingSeconds": app.stop_seconds,
                },
            },
            "Railway: https://docs.railway.com/config-as-code/reference",
            budget_comment(ALERT),
        )
    }


HOST = Host(
    name="railway",
    title="Railway",
    kind=Kind.PAAS,
    summary="Builds the Dockerfile; charges the memory and CPU that are really used.",
    limits=Limits(memory_mb=512, cpu=1, start_seconds=300, image_mb=4096),
    sources={
        "memory_mb": PLANS,
        "cpu": PLANS,
        "image_mb": PLANS,
        "start_seconds": REFERENCE,
        "price": PLANS,
        "manifest": REFERENCE,
    },
    price="Free with $1 of use a month; Hobby $5 a month with $5 of use in it, then $10 a GB of "
    "memory and $20 a vCPU a month.",
    budget_alert=ALERT,
    steps=(
        "$ python -m deploy write railway",
        (
            "Commit railway.toml and push; on https://railway.com choose New Project and the "
            "repository."
        ),
        f"Budget alert: {ALERT}",
        "$ railway login && railway link",
        "$ railway variables --set LOUPE_LOG=json --set LOUPE_MEMORY_MB=512",
        (
            "Give LOUPE_SECRET and LOUPE_DATABASE under Variables, then Settings, Networking, "
            "Generate Domain."
        ),
    ),
    make=make,
    schemas={FILE: "railway"},
    where=ManifestPaths(
        health=(FILE, "deploy", "healthcheckPath"),
        most=((FILE, "deploy", "numReplicas"),),
    ),
    bounded_by="numReplicas = 1",
    budget=Budget.FEW_DOLLARS,
    traffic=Traffic.HUNDREDS,
    own_domain=True,
    remarks=(
        "Awake day and night, Loupe's memory costs about $2 a month: more than the free $1.",
        "The free plan's 0.5 GB are counted here; Hobby has up to 48 GB.",
        "It has no setting that keeps a visitor with one instance: stay with one.",
        (
            "Files are lost at every deploy unless a volume is mounted at /data; it belongs to "
            "root, so set RAILWAY_RUN_UID=0, and the entry point hands it to the app's own user."
        ),
    ),
)
