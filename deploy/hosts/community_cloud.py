"""Streamlit Community Cloud: a public repository, run without a build."""

from model.settings import ROOT

from ..host import Host, Limits, ManifestPaths, Source, StartCommand
from ..options import Budget, Kind, Traffic
from ..spec import AppSpec
from ..templates import dump_toml, format_budget_alert, make_readme

__all__ = ["HOST"]

DOCS = "https://docs.streamlit.io/deploy/streamlit-community-cloud"
FILES = f"{DOCS}/deploy-your-app/file-organization"
FILE = ".streamlit/secrets.community-cloud.toml.example"
FOLDER = "build/community-cloud"
MEMORY_MB = 690
ALERT = "not needed. You can't be charged; an app over its limits is stopped."


def make_files(app: AppSpec) -> dict[str, str]:
    """Return what to paste into the app's secrets, a README, and the packages to install.

    A uv.lock, Pipfile or environment.yml would be preferred to requirements.txt.
    """
    packages = (ROOT / app.requirements).read_text(encoding="utf-8")
    comments = (
        "Streamlit Community Cloud: paste into Advanced settings, Secrets.",
        format_budget_alert(ALERT),
        f"Add on that page, never in a file: {', '.join(app.secrets)}.",
    )
    return {
        FILE: dump_toml(app.environment(MEMORY_MB) | {"LOUPE_LOG": "text"}, *comments),
        "README.md": make_readme(app, ALERT),
        "requirements.txt": f"{packages}{app.postgres_driver}\n{app.npm}\n",
    }


HOST = Host(
    name="community-cloud",
    title="Streamlit Community Cloud",
    kind=Kind.PAAS,
    summary="Runs streamlit_app.py from a GitHub repository of its own, without a build.",
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
        Budget alert: {ALERT}
        $ WRITE
        $ git init -b main {FOLDER} && git -C {FOLDER} add . && git -C {FOLDER} commit -m Loupe
        $ gh repo create loupe-app --public --source={FOLDER} --push
        Without gh: create an empty repository on https://github.com/new and push the folder to it.
        $ cat {FOLDER}/{FILE} && echo "LOUPE_SECRET = \\"$(openssl rand -hex 32)\\""
        On https://share.streamlit.io choose Create app, the repository and streamlit_app.py.
        In Advanced settings choose Python 3.12 and paste what that command printed
            into Secrets.
        Open the app. After 12 hours without a visitor it sleeps; any visitor can wake it.
    """,
    update=f"git -C {FOLDER} add . && git -C {FOLDER} commit -m 'Deploy the model' && "
    f"git -C {FOLDER} push",
    package="folder",
    github=True,
    make_files=make_files,
    manifest=ManifestPaths(FILE, environment=""),
    start=StartCommand(runner="streamlit", port_variable="STREAMLIT_SERVER_PORT"),
    remarks=f"""
        Limited to one instance.
        Files are lost when the app sleeps; corrections need an external database.
        XSRF protection can't be turned off there and doesn't need to be.
        The repository is public, and the model in it can be downloaded.
        Files in Git LFS are fetched: {FILES}
    """,
)
