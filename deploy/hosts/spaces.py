"""Hugging Face Spaces: a git repository with a Dockerfile, shown in a frame."""

from ..host import Fit, Host, Limits, Plan, Start
from ..spec import AppSpec
from ..templates import dump_yaml, make_readme

DOCS = "https://huggingface.co/docs/hub"
SPACE = "YOUR-NAME/loupe"
UPLOAD = f"hf upload {SPACE} build/spaces . --repo-type space --delete '*'"


def make_plan(app: AppSpec) -> Plan:
    """Return the README whose front matter configures a Space.

    A Space builds the last stage of its Dockerfile.
    """
    colours = {"colorFrom": "green", "colorTo": "gray"}
    image = {"sdk": "docker", "app_port": app.port, "startup_duration_timeout": "30m"}
    front_matter = dump_yaml(
        {"title": app.heading, "emoji": "🔎", **colours, **image, "license": "apache-2.0"}
    )
    settings = " ".join(f"-e {name}={value}" for name, value in app.environment(16384).items())
    return Plan(
        {"README.md": f"---\n{front_matter}---\n\n{make_readme(app)}"},
        f"""\
$ pip install --upgrade huggingface_hub && hf auth login
$ hf repos create {SPACE} --repo-type space --space-sdk docker --exist-ok
$ hf spaces variables add {SPACE} {settings} && hf spaces secrets add {SPACE} -s \
LOUPE_SECRET=$(openssl rand -hex 32)
$ {UPLOAD}
To keep corrections, add LOUPE_DATABASE as a secret in the Space's Settings.
Open https://huggingface.co/spaces/{SPACE}.""",
        UPLOAD,
    )


HOST = Host(
    name="spaces",
    title="Hugging Face Spaces",
    kind="managed (PaaS)",
    summary="Builds the Dockerfile of a Space's own repository; the page shows it in a frame.",
    price="A Docker Space needs a paid plan, as the page that creates it says. The hardware "
    "cpu-basic is free; GPUs by the hour.",
    fit=Fit(budget="a few dollars", traffic="hundreds a day"),
    own_domain=True,
    gpu=True,
    limits=Limits(memory_mb=16384, cpu=2, sleeps="after 48 hours", start_seconds=30 * 60),
    sources=f"""\
{DOCS}/spaces-overview memory, cores, price
{DOCS}/spaces-gpus#sleep-time sleeps
{DOCS}/spaces-config-reference start (cited)
{DOCS}/spaces-config-reference files""",
    budget_alert="set a sleep time (Settings of the Space) before choosing paid hardware, and "
    "check https://huggingface.co/settings/billing; cpu-basic is not charged.",
    remarks=f"""\
Limited to one instance. Anyone can download what is in a public Space, the model included.
The frame is on another domain, where XSRF protection would make uploads fail with 403. \
deploy/entrypoint.sh therefore sets STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION=false.
Files are lost at every restart unless the Space has storage at /data.
Your own domain comes with the paid plan: {DOCS}/spaces-custom-domain""",
    make_plan=make_plan,
    placeholders={"YOUR-NAME": "your name on Hugging Face"},
    package="folder",
    # The entry point turns XSRF protection off where this variable is set.
    start=Start(environment={"SPACE_ID": "you/loupe"}),
)
