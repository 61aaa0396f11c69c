"""Streamlit Community Cloud: a public repository, run without a build."""

from ..host import Host, Limits, ManifestPaths, Source, StartCommand
from ..options import Budget, Kind, Traffic
from ..spec import AppSpec
from ..templates import dump_toml, format_budget_alert

__all__ = ["HOST"]

DOCS = "https://docs.streamlit.io/deploy/streamlit-community-cloud"
FILE = ".streamlit/secrets.community-cloud.toml.example"
MEMORY_MB = 690
ALERT = "not needed. You can't be charged; an app over its limits is stopped."


def make_files(app: AppSpec) -> dict[str, str]:
    """Return what to paste into the app's secrets; the rest is the repository itself."""
    comments = (
        "Streamlit Community Cloud: paste into Advanced settings, Secrets.",
        format_budget_alert(ALERT),
        f"Add on that page, never in a file: {', '.join(app.secrets)}.",
    )
    return {FILE: dump_toml(app.environment(MEMORY_MB) | {"LOUPE_LOG": "text"}, *comments)}


HOST = Host(
    name="community-cloud",
    title="Streamlit Community Cloud",
    kind=Kind.PAAS,
    summary="Runs streamlit_app.py from a GitHub repository and installs its requirements.txt.",
    price="Free. Memory is at least 690 MB and at most 2.7 GB; limits may change without notice.",
    budget=Budget.NOTHING,
    traffic=Traffic.FEW,
    limits=Limits(memory_mb=MEMORY_MB, cpu=0.078, sleeps_minutes=12 * 60),
    sources=(
        Source(f"{DOCS}/manage-your-app", "memory_mb cpu"),
        Source("https://github.com/streamlit/docs/pull/1268", "sleeps_minutes"),
        Source(DOCS, "price"),
        Source(f"{DOCS}/deploy-your-app/secrets-management", "manifest", first_hand=False),
    ),
    budget_alert=ALERT,
    steps=f"""
        Push this repository to GitHub.
        On https://share.streamlit.io choose Create app, the repository and streamlit_app.py.
        In Advanced settings choose Python 3.12 and paste the file's lines into Secrets.
        For PostgreSQL add psycopg[binary] to requirements.txt, which it installs.
        Budget alert: {ALERT}
        Open the app. After 12 hours without a visitor it sleeps; any visitor can wake it.
    """,
    make_files=make_files,
    manifest=ManifestPaths(FILE, environment=""),
    start=StartCommand(runner="streamlit", port_variable="STREAMLIT_SERVER_PORT"),
    remarks="""
        Limited to one instance.
        Files are lost when the app sleeps; corrections need an external database.
        XSRF protection can't be turned off there and doesn't need to be.
        It also installs torch, which makes the first start slow.
    """,
)
