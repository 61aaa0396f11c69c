"""The error group: errors at a terminal are one line, with the path and what to do."""

import errno
import os
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from model import errors
from model.cli.terminal import ErrorGroup, require_full_install


@click.group(cls=ErrorGroup)
def group() -> None:
    """A command that fails."""


@group.command()
@click.pass_obj
def fail(error: Exception) -> None:
    raise error


FULL = (
    "{data}: No space left on device. Free some disk space, or set LOUPE_DATA to a folder on "
    "another disk. [file]"
)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            errors.DataError("The folder is empty. Add photos."),
            "The folder is empty. Add photos. [data-refused]",
        ),
        # A failed write names no file.
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            FULL,
        ),
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/models/forms"),
            "/models/forms: Permission denied. Choose a folder that you can write to. [file]",
        ),
    ],
)
def test_error_is_one_line_with_its_code(data_folder: Path, error: Exception, line: str) -> None:
    result = CliRunner().invoke(group, ["fail"], obj=error)
    assert (result.exit_code, result.stderr) == (2, f"Error: {line.format(data=data_folder)}\n")


def test_missing_package_is_named_with_the_install_command() -> None:
    with (
        pytest.raises(errors.EngineUnavailable, match=r"Training needs no_such_package, .* pip"),
        require_full_install("Training"),
    ):
        import_module("no_such_package")
