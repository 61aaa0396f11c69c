"""Errors of ``deploy``; each message says what happened and what to do."""

from model import LoupeError


class DeployError(LoupeError, code="deploy"):
    """Base of all errors of ``deploy``; raised itself for a file that can't be used."""


class FilesDiffer(DeployError, code="files-differ"):
    """A file of that name exists with other content."""


class BadPlaceholder(DeployError, code="bad-placeholder"):
    """A word that the host's files don't contain, or a value that could break them."""
