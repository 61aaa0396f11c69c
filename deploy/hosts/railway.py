"""Railway: configuration as code beside the Dockerfile."""

from ..host import Host, Limits, ManifestPaths, Source
from ..options import Budget, Kind, Traffic
from ..spec import AppSpec
from ..templates import OWN_REPOSITORY, PUSH, dump_toml, format_budget_alert

__all__ = ["HOST"]

REFERENCE = "https://docs.railway.com/config-as-code/reference"
FILE = "railway.toml"
MEMORY_MB = 512
ALERT = (
    "Workspace, Usage, Set Usage Limits sets a custom e-mail alert and a hard limit; at the hard "
    "limit everything is taken offline."
)


def make_files(app: AppSpec) -> dict[str, str]:
    """Return the configuration; it has no place for settings, so a command sets them."""
    document = {
        "build": {"builder": "DOCKERFILE", "dockerfilePath": app.dockerfile},
        "deploy": {
            "numReplicas": app.max_instances,
            "healthcheckPath": app.ready_path,
            "healthcheckTimeout": 300,
            "restartPolicyType": "ON_FAILURE",
            "restartPolicyMaxRetries": 5,
            # Without it, Railway kills the app immediately and requests in progress are lost.
            "drainingSeconds": app.stop_seconds,
        },
    }
    return {FILE: dump_toml(document, f"Railway: {REFERENCE}", format_budget_alert(ALERT))}


HOST = Host(
    name="railway",
    title="Railway",
    kind=Kind.PAAS,
    summary="Builds the Dockerfile; charges for the memory and CPU actually used.",
    price="Free with $1 of use a month; Hobby $5 a month including $5 of use, then $10 per GB of "
    "memory and $20 per vCPU a month.",
    budget=Budget.FEW_DOLLARS,
    traffic=Traffic.HUNDREDS,
    own_domain=True,
    limits=Limits(memory_mb=MEMORY_MB, cpu=1, start_seconds=300, image_mb=4096),
    sources=(
        Source("https://docs.railway.com/pricing/plans", "memory_mb cpu image_mb price"),
        Source(REFERENCE, "start_seconds manifest"),
    ),
    budget_alert=ALERT,
    steps=f"""
        {OWN_REPOSITORY}
        Budget alert: {ALERT}
        $ WRITE
        $ git add bundles {FILE} && git commit -m 'Deploy the model' && git push
        $ railway login && railway init --name loupe
        $ railway add --service loupe --repo YOUR-NAME/loupe --variables SETTINGS
            --variables LOUPE_SECRET=$(openssl rand -hex 32)
        $ railway service loupe && railway domain
        To keep corrections, add LOUPE_DATABASE under Variables.
        Open the address that the last command printed.
    """,
    settings_separator=" --variables ",
    update=PUSH,
    github=True,
    git_lfs=False,
    placeholders={"YOUR-NAME": "your name on GitHub"},
    make_files=make_files,
    manifest=ManifestPaths(FILE, health="deploy.healthcheckPath"),
    max_instances_via="numReplicas = 1",
    remarks="""
        Running around the clock, Loupe's memory costs about $2 a month, more than the free $1.
        The limits are those of the free plan, with 0.5 GB; Hobby has up to 48 GB.
        Railway doesn't fetch files in Git LFS (its users report), so none may be above 100 MB.
        No sticky sessions: keep it at one instance.
        Files are lost at every deploy unless a volume is mounted at /data.
        A volume belongs to root: set RAILWAY_RUN_UID=0, and the entry point hands it to the app.
    """,
)
