"""The three measured apps, and the elements of their pages that a visitor uses."""

import os
import sys
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from model.browser.runtime import run_program

from .figure import NotMeasured
from .paths import BUILD, MODEL, PEERS, ROOT
from .reference import export

GRADIO_VENV = ROOT / "build" / "gradio-venv"
INSTALL_SECONDS = 1800
FETCH_SECONDS = 300
STREAMLIT = (sys.executable, "-m", "streamlit", "run")


@dataclass(frozen=True, slots=True)
class App:
    """The command that starts an app, and CSS selectors for its page.

    Attributes:
        command: takes its port from the environment.
        input: the page's file input.
        answer: the element that appears with the answer.
        stays: one page takes several photos; other apps need a new page for each.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    input: str
    answer: str
    page: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    stays: bool = True


def loupe() -> App:
    """Return this app with a data folder of its own; its server answers, as the peers' do."""
    data = BUILD / "data"
    data.mkdir(parents=True, exist_ok=True)
    return App(
        "Loupe",
        (*STREAMLIT, "streamlit_app.py"),
        ROOT,
        ".vf-ways input[type=file]:not([capture])",
        "[data-screen=answer] .vf-headline",
        "/?run=server",
        {
            "LOUPE_DATA": str(data),
            "LOUPE_MODEL": MODEL,
            "LOUPE_ENGINE": "compiled",
            # Nothing is fetched while it is measured.
            "LOUPE_NPM": "false",
        },
    )


def device(name: str) -> App:
    """Return this app with the page that runs the model ``name`` in the browser.

    Raises:
        NotMeasured: what browsers load can't be made.
    """
    app = loupe()
    run_program(
        [sys.executable, "-m", "model.browser"],
        "what browsers load can't be made",
        timeout=FETCH_SECONDS,
        error=NotMeasured,
        cwd=ROOT,
        env={**os.environ, **app.environment, "LOUPE_NPM": "true"},
    )
    return replace(app, answer=".vf-details p", page=f"/device/?model={name}")


@cache
def streamlit() -> App:
    """Return the Streamlit peer, with the packages of this environment."""
    command = (*STREAMLIT, str(PEERS / "streamlit_app.py"))
    return App("Streamlit", command, export(), "input[type=file]", "h2")


@cache
def gradio() -> App:
    """Return the Gradio peer, in its own environment, which is created on first use.

    Raises:
        NotMeasured: the environment can't be created.
    """
    python, complete = GRADIO_VENV / "bin" / "python", GRADIO_VENV / ".marker"
    if not complete.is_file():
        print(f"Creating {GRADIO_VENV} (takes minutes the first time) ...", file=sys.stderr)
        requirements = PEERS / "requirements-gradio.txt"
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(GRADIO_VENV)],
            [str(python), "-m", "pip", "--quiet", "install", "-r", str(requirements)],
        ):
            failure = f"{GRADIO_VENV.name} can't be created"
            run_program(command, failure, timeout=INSTALL_SECONDS, error=NotMeasured)
        complete.touch()
    return App(
        "Gradio",
        (str(python), str(PEERS / "gradio_app.py")),
        export(),
        "input[type=file]",
        "[data-testid=label-output-value]",
        environment={"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"},
        stays=False,
    )
