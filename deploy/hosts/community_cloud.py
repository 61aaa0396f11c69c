"""Streamlit Community Cloud: a public repository, run as it is."""

from datetime import date

from ..host import Budget, Host, Kind, Limits, ManifestPaths, Place, Source, Traffic
from ..spec import AppSpec
from ..templates import budget_comment, toml_text

__all__ = ["HOST"]

FILE = ".streamlit/secrets.community-cloud.toml.example"
ALERT = "none is needed; nothing can be charged, an app over its limits is stopped."
MANAGE = Source(
    "https://docs.streamlit.io/deploy/streamlit-community-cloud/manage-your-app", date(2026, 11, 25)
)
HOME: Place = (FILE,)


def make(app: AppSpec) -> dict[str, str]:
    """What to paste into the app's secrets on the page; the rest is the repository itself."""
    settings = app.environment(HOST.limits.memory_mb) | {"LOUPE_LOG": "text"}
    notes = [
        "Streamlit Community Cloud: paste into Advanced settings, Secrets.",
        budget_comment(ALERT),
        f"Add there, never here: {', '.join(app.secrets)}.",
    ]
    return {FILE: toml_text(settings, *notes)}


HOST = Host(
    name="community-cloud",
    title="Streamlit Community Cloud",
    kind=Kind.PAAS,
    summary="Runs streamlit_app.py from a GitHub repository and installs its requirements.txt.",
    limits=Limits(memory_mb=690, cpu=0.078, sleeps_minutes=12 * 60),
    sources={
        "memory_mb": MANAGE,
        "cpu": MANAGE,
        "sleeps_minutes": Source("https://github.com/streamlit/docs/pull/1268", date(2026, 11, 25)),
        "price": Source(
            "https://docs.streamlit.io/deploy/streamlit-community-cloud", date(2026, 11, 25)
        ),
        "manifest": Source(
            "https://docs.streamlit.io/deploy/streamlit-community-cloud/deploy-your-app/"
            "secrets-management",
            date(2026, 11, 25),
            itself=False,
        ),
    },
    price="Free. The limits may change without notice; the least is 690 MB, the most 2.7 GB.",
    budget_alert=ALERT,
    steps=(
        "Push this repository to GitHub.",
        "On https://share.streamlit.io choose Create app, the repository and streamlit_app.py.",
        "In Advanced settings choose Python 3.12 and paste the file's lines into Secrets.",
        "For PostgreSQL add psycopg[binary] to requirements.txt: that is the list it installs.",
        f"Budget alert: {ALERT}",
        "Open the app. After 12 hours without a visitor it sleeps; any visitor can wake it.",
    ),
    make=make,
    schemas={FILE: "settings"},
    where=ManifestPaths(environment=HOME),
    starts="streamlit",
    port_variable="STREAMLIT_SERVER_PORT",
    budget=Budget.NOTHING,
    traffic=Traffic.FEW,
    remarks=(
        "It is one instance and cannot become more.",
        "Files are lost when the app sleeps: corrections need a database elsewhere.",
        "XSRF protection cannot be turned off there, and need not be.",
        "It installs torch as well, which makes the first start slow.",
    ),
)
