"""Errors of ``deploy``; each message says what happened and what to do."""

from model import LoupeError

__all__ = ["BadPlaceholder", "DeployError", "FilesDiffer", "NotOffered", "UnknownHost"]


class DeployError(LoupeError):
    """Base of all errors of ``deploy``; raised itself for a file that can't be used."""

    code = "deploy"


class UnknownHost(DeployError):
    """No host has that name."""

    code = "unknown-host"


class FilesDiffer(DeployError):
    """A file of that name exists with other content."""

    code = "files-differ"


class NotOffered(DeployError):
    """The host can't run the chosen models or engine."""

    code = "not-offered"


class BadPlaceholder(DeployError):
    """A word that the host's files don't contain, or a value that could break them."""

    code = "bad-placeholder"
