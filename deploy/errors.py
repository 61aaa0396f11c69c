"""Errors of ``deploy``; each message says what happened and what to do."""

from model import LoupeError


class DeployError(LoupeError):
    """Base of all errors of ``deploy``; raised itself for a file that can't be used."""

    code = "deploy"


class FilesDiffer(DeployError):
    """A file of that name exists with other content."""

    code = "files-differ"


class BadPlaceholder(DeployError):
    """A word that the host's files don't contain, or a value that could break them."""

    code = "bad-placeholder"
