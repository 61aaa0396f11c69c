"""The worker process's report on an export, checked as untrusted data."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from pydantic import Field

from ...bundle import Architecture, ManifestDraft, StrictModel, Threshold
from ...bundle.manifest import PRESENT_FROM
from ...preprocess import PreprocessConfig
from ..inspect.learner import LearnerParts

__all__ = ["WorkerReport", "installed_here", "installed_versions"]

Line = Annotated[str, Field(min_length=1, max_length=200)]
NOT_STATED = "not stated"


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
        is_usual = parts.threshold == PRESENT_FROM
        return cls(
            labels=parts.labels,
            multilabel=parts.loss == "sigmoid",
            # Absent for the default, as in bundles that are older than the setting.
            threshold=None if is_usual else parts.threshold,
            recipe=recipe,
            architecture=architecture,
            learner=False,
        )

    def with_architecture(self, **changes: Any) -> "WorkerReport":
        """Return the report with fields of its architecture changed."""
        architecture = self.architecture.model_copy(update=changes)
        return self.model_copy(update={"architecture": architecture})

    def draft(
        self,
        name: str = "imported",
        *,
        title: str = "",
        licence: str = "",
        source: str = "",
        **provenance: str,
    ) -> ManifestDraft:
        """Return the manifest under the name that the owner chose; ``source`` is the export's name.

        Raises:
            ValidationError: the report isn't that of a model.
        """
        return ManifestDraft.model_validate(
            {
                "name": name,
                "title": title or name,
                "description": "",
                **self.model_dump(mode="json", exclude={"learner"}, exclude_none=True),
                "engines": ["compiled", *(["learner"] if self.learner else [])],
                "licence": licence or NOT_STATED,
                "data": {
                    "title": source[:200] or NOT_STATED,
                    "source": NOT_STATED,
                    "licence": NOT_STATED,
                },
                "made": {
                    "command": "python -m model import",
                    **installed_versions(),
                    **provenance,
                },
            }
        )


def installed_here() -> str:
    """Return the installed versions in words."""
    return ", ".join(f"{name} {number}" for name, number in installed_versions().items())


def installed_versions() -> dict[str, str]:
    """Return the installed versions of the packages that an import depends on."""
    versions = {"python": platform.python_version()}
    for package in ("torch", "torchvision", "fastai", "timm", "onnx"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
