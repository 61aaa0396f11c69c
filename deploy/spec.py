"""The one description of the app, from which every host's files are made."""

from dataclasses import dataclass

__all__ = ["APP", "AppSpec"]


@dataclass(frozen=True, slots=True)
class AppSpec:
    """What a host must know. Paths are those inside the image."""

    name: str = "loupe"
    title: str = "Loupe"
    summary: str = "Point a phone at something; your own model says what it is."
    script: str = "streamlit_app.py"
    python: str = "3.12"

    port: int = 8501
    """Where the app listens when nobody names another port."""
    live: str = "/api/live"
    """200 while the process answers."""
    ready: str = "/api/ready"
    """200 once the default model gives its golden answers."""
    identify: str = "/api/v1/identify"
    """POST a photo, get an answer."""

    dockerfile: str = "Dockerfile"
    serve: str = "serve"
    """The image that answers, without torch: the Dockerfile's last stage."""
    full: str = "full"
    """The image that trains and imports, too."""
    light: str = "requirements-serve.txt"
    everything: str = "requirements.txt"
    postgresql: str = "psycopg[binary]>=3.2,<4"
    """The driver for LOUPE_DATABASE, which both images have; a test holds the Dockerfile to it."""

    data: str = "/data"
    """The one folder to keep: records, models that are not shipped (``LOUPE_DATA``)."""

    memory_mb: int = 330
    """What the app takes in use: 324 MB after 200 answers to 20 visitors (README).

    Several of the largest photos at once take what is left up to ``LOUPE_MEMORY_MB``, and are
    refused beyond it.
    """
    learner_mb: int = 650
    """The same after one answer of the learner engine, which loads torch: 643 MB."""
    start_seconds: int = 15
    """Start of the process to ready: 1.5 s on two cores, ten times that on a tenth of one."""
    photo_mb: int = 20
    """The largest photo that is read."""
    phone_photo_mb: int = 5
    """What a phone's twelve-megapixel JPEG may weigh: a host must let that through."""
    stop_seconds: int = 30
    """From SIGTERM to SIGKILL: what runs is finished within it."""
    instances: int = 1
    """At most. Records live in one SQLite file: set LOUPE_DATABASE before there are more."""
    visitors: int = 40
    """Open pages (web sockets) that one instance takes."""

    secrets: tuple[str, ...] = ("LOUPE_SECRET", "LOUPE_DATABASE")
    """Settings that never stand in a file; each host has a place for them."""

    def environment(self, memory_mb: int | None = None) -> dict[str, str]:
        """The settings that every host's manifest gives to the app.

        Args:
            memory_mb: the host's memory in MB, where its limit cannot be seen from inside.
        """
        seen = {} if memory_mb is None else {"LOUPE_MEMORY_MB": str(memory_mb)}
        return {"LOUPE_LOG": "json", **seen}


APP = AppSpec()
