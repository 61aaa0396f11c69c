"""What the child process tells of an export: data, checked before it is believed."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from pydantic import Field

from ...bundle import Architecture, ManifestDraft, StrictModel
from ...preprocess import PreprocessConfig

__all__ = ["FOUND", "Found", "installed"]

FOUND = "found.json"

Line = Annotated[str, Field(min_length=1, max_length=200)]


class Found(StrictModel):
    """All of a manifest that is the export's own, and what stands in for missing parts."""

    labels: Annotated[tuple[Line, ...], Field(min_length=1, max_length=100_000)]
    multilabel: bool
    recipe: PreprocessConfig
    architecture: Architecture
    learner: bool
    stubs: Annotated[tuple[Line, ...], Field(max_length=1000)]

    def values(self, name: str, **said: Any) -> dict[str, Any]:
        """The manifest without ``format`` and ``files``; ``said`` is what the owner says of it."""
        return {
            "name": name,
            "title": name,
            "description": "",
            "labels": list(self.labels),
            "multilabel": self.multilabel,
            "recipe": self.recipe.model_dump(mode="json", exclude_none=True),
            "architecture": self.architecture.model_dump(mode="json"),
            "engines": ["compiled", *(["learner"] if self.learner else [])],
            "licence": "not stated",
            "data": {"title": "not stated", "source": "not stated", "licence": "not stated"},
            "made": {"command": "python -m model import", **installed()},
            **said,
        }

    def manifest(self) -> ManifestDraft:
        """The manifest that compiling needs, before there are files."""
        return ManifestDraft.model_validate(self.values("imported"))


def installed() -> dict[str, str]:
    """Versions of what an import depends on, as far as they are installed here."""
    found = {"python": platform.python_version()}
    for package in ("torch", "torchvision", "fastai", "timm", "onnx"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
