"""The worker process's report on an export, or its refusal, checked as untrusted data."""

import json
import signal
from typing import Annotated, Any

from pydantic import Field

from ...bundle import Architecture, ManifestDraft, StrictModel, Threshold
from ...errors import ExportRefused
from ...learner import installed_versions
from ...preprocess import PreprocessConfig
from ..inspect import printable

Line = Annotated[str, Field(min_length=1, max_length=200)]
NOT_STATED = "not stated"
PACKAGES = ("torch", "torchvision", "fastai", "timm", "onnx")

MAX_PRINTED = 600
"""Characters of a refusal that are shown."""

MEMORY = "LOUPE_MEMORY_MB allows (by default, what the machine or container has)"
NO_MEMORY = "MemoryError", "allocate memory", "bad_alloc", "failed to map segment"

FAILURES = {
    "compiling": "Its network couldn't be compiled here",
    "comparing": "fastai couldn't run this export here",
}
"""The failure at each stage of the worker, after that of loading the file."""


class WorkerReport(StrictModel):
    """The part of a manifest that comes from the export."""

    labels: Annotated[tuple[Line, ...], Field(min_length=1, max_length=100_000)]
    multilabel: bool
    threshold: Threshold | None = None
    recipe: PreprocessConfig
    architecture: Architecture
    learner: bool

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
                    **installed_versions(PACKAGES),
                    **provenance,
                },
            }
        )


def worker_refused(data: bytes) -> ExportRefused:
    """Return a worker's refusal, escaped, since the export's own code may have written it."""
    try:
        values = json.loads(data)
        message, stage = printable(str(values["message"]), MAX_PRINTED), str(values["stage"])
        foreign = bool(values["foreign"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ExportRefused("The import process returned an invalid report.")
    if not foreign:
        return ExportRefused(message)
    if any(word in message for word in NO_MEMORY):
        hint = f"It needs more memory than {MEMORY}. Most exports need about 2 GB."
    elif stage == "compiling":
        hint = "Its network uses an operation that ONNX can't express."
    else:
        hint = _export_again()
    failure = FAILURES.get(stage, "It couldn't be loaded here")
    return ExportRefused(f"{failure}: {message}. {hint}")


def worker_ended(status: int) -> ExportRefused:
    """Return a refusal for a worker that ended without a report."""
    if status >= 0:
        return ExportRefused(
            f"Its code ended the process (exit status {status}) before it returned a result. "
            f"{_export_again()}"
        )
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return ExportRefused(
        f"Its process was ended by {name}. Either it needs more memory than {MEMORY}, or it runs "
        f"code that another version compiled. {_export_again()}"
    )


def _export_again() -> str:
    """Return the installed versions, and what to do if the export's differ."""
    return (
        f"Installed here: {installed_here()}. Where it was trained, bring fastai up to date, load "
        "the weights (learn.load), and call learn.export() again."
    )


def installed_here() -> str:
    """Return the installed versions in words."""
    return ", ".join(f"{name} {number}" for name, number in installed_versions(PACKAGES).items())
