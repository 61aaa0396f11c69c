"""Arguments and options that several commands share."""

from pathlib import Path

import click

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=Path)

unknown_option = click.option(
    "--unknown",
    multiple=True,
    metavar="[NAME=]FOLDER",
    help="A folder of photos that show none of the labels, to measure “none of these” with, and "
    "what visitors read as its name. Repeatable.",
)

keep_option = click.option("--keep", is_flag=True, help="Keep the model that visitors see first.")

models_dir_option = click.option(
    "--to",
    "models_dir",
    type=NEW_FOLDER,
    help="Folder for the model; default: the data folder's models.",
)
