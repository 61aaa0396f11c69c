"""What ``deploy`` refuses; each message says what was wrong and what to do.

DeployError
├── UnknownHost      unknown-host
├── FilesDiffer      files-differ
└── Unreadable       unreadable
"""

from model import LoupeError

__all__ = ["DeployError", "FilesDiffer", "UnknownHost", "Unreadable"]


class DeployError(LoupeError):
    """Base of all that is refused here."""

    code = "deploy"


class UnknownHost(DeployError):
    """No host of that name."""

    code = "unknown-host"


class FilesDiffer(DeployError):
    """A file of that name is there and says something else."""

    code = "files-differ"


class Unreadable(DeployError):
    """A manifest, a Dockerfile or a unit that cannot be read as what it is."""

    code = "unreadable"
