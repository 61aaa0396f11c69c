"""The error group: errors at a terminal are one line, with the path and what to do."""

import errno
import os
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from model import errors
from model.cli.terminal import ErrorGroup, require_full_install


def run(command: str) -> Result:
    return CliRunner().invoke(group, [command])


@click.group(cls=ErrorGroup)
def group() -> None:
    """Commands that fail."""


@group.command()
def refuse() -> None:
    raise errors.DataError("The folder is empty. Add photos.")


@group.command()
def fill() -> None:
    with Path("/dev/full").open("w") as file:
        file.write("x")


@group.command()
def lock() -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/models/forms")


def test_loupe_error_is_one_line_with_its_code() -> None:
    result = run("refuse")
    assert result.exit_code == 2
    assert result.stderr == "Error: The folder is empty. Add photos. [data-refused]\n"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full, as Linux has")
def test_full_disk_names_the_data_folder_and_a_remedy(data_folder: Path) -> None:
    result = run("fill")
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {data_folder}: No space left on device. Free some disk space, or set LOUPE_DATA "
        "to a folder on another disk. [file]\n"
    )


def test_locked_folder_is_named_with_a_remedy() -> None:
    result = run("lock")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: /models/forms: Permission denied. Choose a folder that you can write to. [file]\n"
    )


def test_missing_package_is_named_with_the_install_command() -> None:
    with (
        pytest.raises(errors.EngineUnavailable, match=r"Training needs no_such_package, .* pip"),
        require_full_install("Training"),
    ):
        import_module("no_such_package")
