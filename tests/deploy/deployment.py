"""A folder with a host's files and a model to deploy, as the owner writes them."""

from collections.abc import Mapping
from pathlib import Path

from deploy.files import read_files, write_files
from deploy.host import Host
from deploy.package import choose_models
from model.bundle import Bundle

__all__ = ["write_deployment"]


def write_deployment(
    host: Host, folder: Path, bundle: Bundle, edits: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Write the files with the bundle, edit them, and return them by path."""
    write_files(host, folder, choose_models((bundle.name,)), force=True)
    texts = read_files(host, folder)
    for before, after in (edits or {}).items():
        assert any(before in text for text in texts.values()), before
        texts = {path: text.replace(before, after) for path, text in texts.items()}
    for path, text in texts.items():
        (folder / path).write_text(text)
    return texts
