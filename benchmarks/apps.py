"""The three apps that are measured, and where on their pages to look."""

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from .places import BUILD, MODEL, PEERS, ROOT
from .reference import export
from .registry import NoFigure

__all__ = ["GRADIO_VENV", "App", "gradio", "loupe", "streamlit"]

# Where to look: a page's file input, and what appears with the answer.
LOUPE_PAGE = "/?way=upload"
LOUPE_INPUT = "input[type=file]"
LOUPE_ANSWER = "h2:has-text('My best guess')"
STREAMLIT_INPUT = "input[type=file]"
STREAMLIT_ANSWER = "h2"
GRADIO_INPUT = "input[type=file]"
GRADIO_ANSWER = "[data-testid=label-output-value]"

GRADIO_VENV = ROOT / "build" / "gradio-venv"


@dataclass(frozen=True, slots=True)
class App:
    """How to start an app and how to use its page.

    ``command`` takes the port. ``stays`` says that the next photo can be chosen
    on the same page, where others are opened anew for each.
    """

    name: str
    command: Callable[[int], list[str]]
    folder: Path
    input: str
    answer: str
    page: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    stays: bool = True


def loupe() -> App:
    """This app, as ``streamlit run`` starts it, with a data folder of its own."""
    if not (ROOT / "streamlit_app.py").is_file():
        raise NoFigure("streamlit_app.py is missing")
    data = BUILD / "data"
    data.mkdir(parents=True, exist_ok=True)
    environment = {"LOUPE_DATA": str(data), "LOUPE_MODEL": MODEL, "LOUPE_ENGINE": "compiled"}
    return App(
        "Loupe",
        lambda port: _streamlit("streamlit_app.py", port),
        ROOT,
        LOUPE_INPUT,
        LOUPE_ANSWER,
        LOUPE_PAGE,
        environment,
    )


@cache
def streamlit() -> App:
    """The Streamlit peer, with the packages of this environment."""
    return App(
        "Streamlit",
        lambda port: _streamlit(str(PEERS / "streamlit_app.py"), port),
        export(),
        STREAMLIT_INPUT,
        STREAMLIT_ANSWER,
    )


@cache
def gradio() -> App:
    """The Gradio peer, in an environment that is made the first time.

    Raises:
        NoFigure: the environment cannot be made.
    """
    python = _gradio_python()
    folder = export()
    return App(
        "Gradio",
        lambda _: [str(python), str(PEERS / "gradio_app.py")],
        folder,
        GRADIO_INPUT,
        GRADIO_ANSWER,
        environment={"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"},
        stays=False,
    )


def _streamlit(script: str, port: int) -> list[str]:
    options = ["--server.headless=true", "--browser.gatherUsageStats=false"]
    run = [sys.executable, "-m", "streamlit", "run", script]
    return [*run, f"--server.port={port}", "--server.address=127.0.0.1", *options]


def _gradio_python() -> Path:
    folder = "Scripts" if os.name == "nt" else "bin"
    python, made = GRADIO_VENV / folder / "python", GRADIO_VENV / ".made"
    if made.is_file():
        return python
    print("Making an environment for Gradio (some minutes the first time) ...", file=sys.stderr)
    try:
        venv.create(GRADIO_VENV, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        requirements = str(PEERS / "requirements-gradio.txt")
        subprocess.run([*pip, "-r", requirements], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()[-1:]
        raise NoFigure(f"Gradio's environment cannot be made: {' '.join(said)[:200]}") from error
    made.touch()
    return python
