"""What the Dockerfile says: its stages, and how the image starts."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from model.settings import ROOT

from ..errors import Unreadable

__all__ = ["Stage", "command", "environment", "read", "resolved"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: its name, what it is made from, and its instructions in order."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """What stands after each instruction of that word."""
        return [rest for name, rest in self.instructions if name == word]


def read(path: Path = ROOT / "Dockerfile") -> dict[str, Stage]:
    """The stages by name, in order; the last one is what is built by default.

    Raises:
        Unreadable: there is no such file, or no stage in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from error
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word.upper() == "FROM":
            base, _, name = re.sub(r"\s+", " ", rest).partition(" AS ")
            stage = Stage(name or str(len(stages)), base)
            stages[stage.name] = stage
        elif word and stage:
            stage.instructions.append((word.upper(), rest.strip()))
    if not stages:
        raise Unreadable(f"{path} has no stage: a line 'FROM … AS name' is missing.")
    return stages


def resolved(stages: dict[str, Stage], name: str) -> Stage:
    """A stage with the instructions of those it is made from before its own.

    Raises:
        Unreadable: there is no such stage.
    """
    if name not in stages:
        raise Unreadable(f"The Dockerfile has no stage '{name}', only {', '.join(stages)}.")
    stage = stages[name]
    if stage.base not in stages:
        return stage
    base = resolved(stages, stage.base)
    return Stage(name, base.base, [*base.instructions, *stage.instructions])


def command(stage: Stage, arguments: tuple[str, ...] = ()) -> list[str]:
    """What the image runs: its entry point, and the arguments or its CMD.

    Raises:
        Unreadable: it has no entry point in the form of a JSON list.
    """
    try:
        entry = json.loads(stage.all("ENTRYPOINT")[-1])
        default = json.loads(stage.all("CMD")[-1]) if stage.all("CMD") else []
    except (IndexError, ValueError) as error:
        raise Unreadable(
            'The Dockerfile needs ENTRYPOINT ["/app/…"], as a list: a shell between would keep '
            "SIGTERM from the app."
        ) from error
    return [*entry, *(arguments or default)]


def environment(stage: Stage) -> dict[str, str]:
    """The variables that the image sets."""
    return dict(word.split("=", 1) for line in stage.all("ENV") for word in shlex.split(line))
