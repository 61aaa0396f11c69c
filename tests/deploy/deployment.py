"""A folder with a host's files and a model to deploy, as the owner writes them."""

from collections.abc import Mapping
from pathlib import Path

from deploy.files import read_files, write_files
from deploy.host import Host
from deploy.package import choose_models
from model.bundle import Bundle


def write_deployment(
    host: Host, folder: Path, bundle: Bundle, edits: Mapping[str, str] | None = None
) -> None:
    """Write the files with the bundle, and edit them."""
    write_files(host, folder, choose_models((bundle.name,)), force=True)
    for path, text in read_files(host, folder).items():
        for before, after in (edits or {}).items():
            text = text.replace(before, after)
        (folder / path).write_text(text)
