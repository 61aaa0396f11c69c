"""The three measured apps, and the page elements that a visitor uses."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from .paths import BUILD, MODEL, PEERS, ROOT
from .peer_environments import make_environment
from .reference import export
from .registry import NotMeasured

__all__ = ["GRADIO_VENV", "App", "device", "gradio", "loupe", "streamlit"]

# Selectors: the file input of a page, and the element that appears with the answer.
# The server answers, as at the peers.
LOUPE_PAGE = "/?run=server"
LOUPE_INPUT = ".vf-ways input[type=file]:not([capture])"
LOUPE_ANSWER = "[data-screen=answer] .vf-headline"
DEVICE_ANSWER = ".vf-details p"
STREAMLIT_INPUT = "input[type=file]"
STREAMLIT_ANSWER = "h2"
GRADIO_INPUT = "input[type=file]"
GRADIO_ANSWER = "[data-testid=label-output-value]"

GRADIO_VENV = ROOT / "build" / "gradio-venv"


@dataclass(frozen=True, slots=True)
class App:
    """The command that starts an app, and CSS selectors for its page.

    ``command`` takes the port. ``stays`` means that one page takes several photos; other apps
    need a new page for each.
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
    """Return this app, started by ``streamlit run`` with its own data folder."""
    if not (ROOT / "streamlit_app.py").is_file():
        raise NotMeasured("streamlit_app.py is missing")
    data = BUILD / "data"
    data.mkdir(parents=True, exist_ok=True)
    environment = {
        "LOUPE_DATA": str(data),
        "LOUPE_MODEL": MODEL,
        "LOUPE_ENGINE": "compiled",
        # Nothing is fetched while it is measured.
        "LOUPE_NPM": "false",
    }
    return App(
        "Loupe",
        lambda port: _streamlit("streamlit_app.py", port),
        ROOT,
        LOUPE_INPUT,
        LOUPE_ANSWER,
        LOUPE_PAGE,
        environment,
    )


def device(name: str) -> App:
    """Return this app with the page that runs the model ``name`` in the browser.

    Raises:
        NotMeasured: onnxruntime-web can't be fetched.
    """
    app = loupe()
    fetch = subprocess.run(
        [sys.executable, "-m", "model.exporting.runtime"],
        cwd=ROOT,
        env={**os.environ, **app.environment, "LOUPE_NPM": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    if fetch.returncode:
        raise NotMeasured(fetch.stderr.strip().splitlines()[-1][:200])
    return replace(app, answer=DEVICE_ANSWER, page=f"/device/?model={name}")


@cache
def streamlit() -> App:
    """Return the Streamlit peer, with the packages of this environment."""
    return App(
        "Streamlit",
        lambda port: _streamlit(str(PEERS / "streamlit_app.py"), port),
        export(),
        STREAMLIT_INPUT,
        STREAMLIT_ANSWER,
    )


@cache
def gradio() -> App:
    """Return the Gradio peer, in its own environment, which is created on first use.

    Raises:
        NotMeasured: the environment can't be created.
    """
    python = make_environment(GRADIO_VENV, "requirements-gradio.txt")
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
