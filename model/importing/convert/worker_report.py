"""The worker process's report on an export, checked as untrusted data."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from pydantic import Field

from ...bundle import Architecture, ManifestDraft, StrictModel, Threshold
from ...preprocess import PreprocessConfig
from ...words import WORDS
from ..inspect.learner import LearnerParts

__all__ = ["WorkerReport", "installed_versions"]

Line = Annotated[str, Field(min_length=1, max_length=200)]


class WorkerReport(StrictModel):
    """The part of a manifest that comes from the export."""

    labels: Annotated[tuple[Line, ...], Field(min_length=1, max_length=100_000)]
    multilabel: bool
    threshold: Threshold | None = None
    recipe: PreprocessConfig
    architecture: Architecture
    learner: bool

    @classmethod
    def of(
        cls, parts: LearnerParts, recipe: PreprocessConfig, architecture: Architecture
    ) -> "WorkerReport":
        """Return the report on a learner."""
        is_usual = parts.threshold == WORDS["present_from"]
        return cls(
            labels=parts.labels,
            multilabel=parts.loss == "sigmoid",
            # Absent where it's the usual one, as in bundles from before there were others.
            threshold=None if is_usual else parts.threshold,
            recipe=recipe,
            architecture=architecture,
            learner=False,
        )

    def with_architecture(self, **changes: Any) -> "WorkerReport":
        """Return the report with fields of its architecture changed."""
        architecture = self.architecture.model_copy(update=changes)
        return self.model_copy(update={"architecture": architecture})

    def values(self, name: str, **said: Any) -> dict[str, Any]:
        """Return the manifest without ``format`` and ``files``; ``said`` is the owner's part."""
        return {
            "name": name,
            "title": name,
            "description": "",
            "labels": list(self.labels),
            "multilabel": self.multilabel,
            "threshold": self.threshold,
            "recipe": self.recipe.model_dump(mode="json", exclude_none=True),
            "architecture": self.architecture.model_dump(mode="json"),
            "engines": ["compiled", *(["learner"] if self.learner else [])],
            "licence": "not stated",
            "data": {"title": "not stated", "source": "not stated", "licence": "not stated"},
            "made": {"command": "python -m model import", **installed_versions()},
            **said,
        }

    def manifest(self) -> ManifestDraft:
        """Return the manifest that compiling needs, before there are files."""
        return ManifestDraft.model_validate(self.values("imported"))


def installed_versions() -> dict[str, str]:
    """Return the installed versions of the packages that an import depends on."""
    found = {"python": platform.python_version()}
    for package in ("torch", "torchvision", "fastai", "timm", "onnx"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
