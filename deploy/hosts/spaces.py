"""Hugging Face Spaces: a git repository with a Dockerfile, shown in a frame."""

from datetime import date

from ..host import Budget, Host, Kind, Limits, ManifestPaths, Source, Traffic
from ..spec import AppSpec
from ..templates import budget_comment, yaml_text

__all__ = ["HOST"]

READ = date(2026, 11, 25)
REFERENCE = Source("https://huggingface.co/docs/hub/spaces-config-reference", READ)
OVERVIEW = Source("https://huggingface.co/docs/hub/spaces-overview", READ)
# Named in the present reference; the copy that was read is older.
START = Source("https://huggingface.co/docs/hub/spaces-config-reference", READ, itself=False)
SLEEP = Source("https://huggingface.co/docs/hub/spaces-gpus#sleep-time", READ)
ALERT = (
    "set a sleep time (Settings of the Space) before choosing paid hardware, and look at "
    "https://huggingface.co/settings/billing; cpu-basic is not charged."
)

FILE = "spaces/README.md"
"""Not at the top: there it would replace this project's own."""


def make(app: AppSpec) -> dict[str, str]:
    """The README whose front matter a Space is configured with."""
    front = yaml_text(
        {
            "title": app.title,
            "emoji": "🔎",
            "colorFrom": "green",
            "colorTo": "gray",
            "sdk": "docker",
            "app_port": app.port,
            "startup_duration_timeout": "30m",
            "license": "apache-2.0",
        }
    )
    return {
        FILE: f"---\n{front}---\n\n# {app.title}\n\n{app.summary}\n\n"
        f"<!-- {budget_comment(ALERT)} -->\n"
    }


HOST = Host(
    name="spaces",
    title="Hugging Face Spaces",
    kind=Kind.PAAS,
    summary="Builds the Dockerfile of a Space's own repository; the page shows it in a frame.",
    limits=Limits(memory_mb=16 * 1024, cpu=2, sleeps_minutes=48 * 60, start_seconds=30 * 60),
    sources={
        "memory_mb": OVERVIEW,
        "cpu": OVERVIEW,
        "sleeps_minutes": SLEEP,
        "start_seconds": START,
        "price": OVERVIEW,
        "manifest": REFERENCE,
    },
    price="The hardware cpu-basic is free, but creating a Docker Space asks for a paid plan "
    "(the page that creates it says so); GPUs by the hour.",
    budget_alert=ALERT,
    steps=(
        "Create a Space with the SDK Docker on https://huggingface.co/new-space.",
        "$ git clone https://huggingface.co/spaces/YOU/loupe ../loupe-space",
        "$ git archive HEAD | tar -x -C ../loupe-space",
        "$ python -m deploy write spaces && cp spaces/README.md ../loupe-space/README.md",
        (
            "There: $ git lfs install && git lfs track '*.onnx' '*.safetensors' '*.npz' '*.png' "
            "&& git add . && git commit -m Loupe && git push"
        ),
        f"Budget alert: {ALERT}",
        "Give LOUPE_SECRET and LOUPE_DATABASE as secrets in the Space's Settings.",
    ),
    make=make,
    schemas={FILE: "spaces"},
    where=ManifestPaths(port=(FILE, "app_port")),
    port_variable=None,
    # The entry point turns XSRF protection off where it sees this name.
    given={"SPACE_ID": "you/loupe"},
    budget=Budget.FEW_DOLLARS,
    traffic=Traffic.HUNDREDS,
    own_domain=True,
    gpu=True,
    remarks=(
        (
            "The frame is of another domain: XSRF protection is off there, or uploads end in 403 "
            "(STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION=false, set by deploy/entrypoint.sh)."
        ),
        "Files are lost at every restart unless the Space has storage at /data.",
        "A domain of one's own comes with the paid plan: https://huggingface.co/docs/hub/spaces-custom-domain",
        "It is one instance and cannot become more.",
    ),
)
