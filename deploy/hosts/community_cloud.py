"""Streamlit Community Cloud: a public repository, run without a build."""

import tomli_w

from model.settings import ROOT

from ..host import Fit, Host, Limits, Plan, Start
from ..spec import AppSpec
from ..templates import create_repository, make_readme, push

DOCS = "https://docs.streamlit.io/deploy/streamlit-community-cloud"
FILE = ".streamlit/secrets.community-cloud.toml.example"
FOLDER = "build/community-cloud"
MEMORY_MB = 690


def make_plan(app: AppSpec) -> Plan:
    """Return the text for the app's secrets, a README, and the packages to install.

    Community Cloud would prefer a uv.lock, Pipfile or environment.yml to requirements.txt.
    """
    packages = [(ROOT / name).read_text(encoding="utf-8") for name in (app.requirements, app.npm)]
    secrets = " and ".join(app.secrets)
    comment = f"Paste into Advanced settings, Secrets. Add {secrets} there, never in a file."
    settings = app.environment(MEMORY_MB) | {"LOUPE_LOG": "text"}
    return Plan(
        {
            FILE: f"# {comment}\n{tomli_w.dumps(settings)}",
            "README.md": make_readme(app),
            "requirements.txt": "".join(packages),
        },
        f"""\
{create_repository(FOLDER, "loupe-app")}
Without gh: create an empty repository on https://github.com/new and push the folder to it.
$ cat {FOLDER}/{FILE} && echo "LOUPE_SECRET = \\"$(openssl rand -hex 32)\\""
On https://share.streamlit.io choose Create app, the repository and streamlit_app.py.
In Advanced settings choose Python 3.12 and paste what that command printed into Secrets.
Open the app. After 12 hours without a visitor it sleeps; any visitor can wake it.""",
        push(folder=FOLDER),
    )


HOST = Host(
    name="community-cloud",
    title="Streamlit Community Cloud",
    kind="managed (PaaS)",
    summary="The whole app, from a GitHub repository of its own, with no build and no server to "
    "look after.",
    price="Free. Memory is at least 690 MB and at most 2.7 GB; limits may change without notice.",
    fit=Fit(budget="nothing", traffic="a few people"),
    limits=Limits(memory_mb=MEMORY_MB, cpu=0.078, sleeps="after 12 hours"),
    sources=f"""\
{DOCS}/manage-your-app memory, cores
https://github.com/streamlit/docs/pull/1268 sleeps
{DOCS} price
{DOCS}/deploy-your-app/secrets-management files (cited)""",
    remarks=f"""\
The repository is public, and the model in it can be downloaded.
Limited to one instance.
You can't be charged: an app over its limits is stopped.
Files are lost when the app sleeps; corrections need LOUPE_DATABASE.
XSRF protection can't be turned off there and doesn't need to be.
Files in Git LFS are fetched: {DOCS}/deploy-your-app/file-organization""",
    make_plan=make_plan,
    package="folder",
    github=True,
    start=Start(
        command=("streamlit", "run", "streamlit_app.py"), port_variable="STREAMLIT_SERVER_PORT"
    ),
)
