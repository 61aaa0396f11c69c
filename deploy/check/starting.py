"""How a host starts the app, read from its files and the Dockerfile: no second copy of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model.settings import ROOT

from ..errors import Unreadable
from ..files import files
from ..host import Host
from ..spec import APP
from .dockerfile import command as image_command
from .dockerfile import environment as image_environment
from .dockerfile import read, resolved
from .parsing import megabytes, parse_all, variables

__all__ = ["Start", "start_of"]


@dataclass(frozen=True, slots=True)
class Start:
    """How a host starts the app, read from its files: a command, variables, where, limits."""

    command: tuple[str, ...]
    environment: dict[str, str]
    port_variable: str
    memory_mb: int | None
    seconds: int
    """The host's patience until it is ready."""
    stop_seconds: int = APP.stop_seconds

    @property
    def key(self) -> tuple[object, ...]:
        """Two hosts with the same key start the app in the same way."""
        plain = {k: v for k, v in self.environment.items() if k != "LOUPE_MEMORY_MB"}
        return (self.command, self.port_variable, *sorted(plain.items()))


def start_of(host: Host, made: Mapping[str, str] | None = None, root: Path = ROOT) -> Start:
    """The start that the host's files and the Dockerfile name, moved into a checkout.

    Args:
        host: which.
        made: its files by path; by default as they would be written.
        root: the checkout.

    Raises:
        Unreadable: they name none.
    """
    documents = parse_all(files(host) if made is None else made)
    environment = variables(host.at(documents, host.where.environment))
    if host.starts == "image":
        stage = resolved(read(root / APP.dockerfile), APP.serve)
        command = image_command(stage, host.arguments)
        environment = {**image_environment(stage), **environment}
        installed = stage.all("WORKDIR")[-1]
    elif host.starts == "unit":
        unit = next(one for path, one in documents.items() if path.endswith(".service"))
        try:
            command = unit["Service"]["ExecStart"].split()
            installed = unit["Service"]["WorkingDirectory"]
        except (KeyError, TypeError) as error:
            raise Unreadable(f"The unit has no {error} under [Service].") from error
    else:
        # What Community Cloud runs is documented, and stands in no file.
        command, installed = ["streamlit", "run", APP.script], str(root)
    memory = host.at(documents, host.where.memory)
    # The folders of the image and of the server are those of this checkout here.
    own = {name for name in environment if name.startswith(("LOUPE_", "STREAMLIT_"))}
    return Start(
        command=tuple(word.replace(installed, str(root)) for word in command),
        environment={name: environment[name] for name in own} | dict(host.given),
        port_variable=host.port_variable or "PORT",
        memory_mb=megabytes(memory) if memory is not None else host.limits.memory_mb,
        seconds=host.limits.start_seconds or 120,
    )
