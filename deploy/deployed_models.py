"""The models among a host's files, read without starting the app."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from model.bundle import BUILTIN_DIR, MANIFEST, Bundle
from model.errors import BundleError
from model.settings import ROOT

from .check import CheckResult, State
from .package import required_memory_mb
from .served_model import ExpectedModel, compare_models
from .spec import APP
from .startup import StartPlan, unpack_models

__all__ = ["DeployedModels", "check_models", "read_models"]

DEFAULT_MODEL = "imagenet"
"""The built-in model that opens where no other is deployed."""

FALSE = {"false", "0", "no", "off", "f", "n"}
"""What pydantic reads as false."""


@dataclass(frozen=True, slots=True)
class DeployedModels:
    """The models that a host would get.

    Attributes:
        opens: the name of the one that opens; empty if there is none.
        found: every model that visitors could choose, by name, or why it can't be opened.
        memory_mb: memory that the app needs with them, in MB.
    """

    opens: str
    found: Mapping[str, Bundle | BundleError]
    memory_mb: int


def read_models(plan: StartPlan) -> DeployedModels:
    """Return the models of a plan, of which the one that opens is compared with its hashes.

    Raises:
        DeployError: the archive of the models cannot be unpacked.
    """
    with TemporaryDirectory(prefix="loupe-") as temporary:
        deployed = _open_below(unpack_models(plan.bundles, Path(temporary) / "bundles"))
        builtin: dict[str, Bundle | BundleError] = {}
        if plan.environment.get("LOUPE_BUILTIN", "true").lower() not in FALSE:
            builtin = _open_below(plan.root / BUILTIN_DIR.relative_to(ROOT))
        found = builtin | deployed
        newest = next(iter(deployed), DEFAULT_MODEL if builtin else "")
        opens = plan.environment.get("LOUPE_MODEL") or newest
        bundle = found.get(opens)
        if isinstance(bundle, Bundle):
            try:
                bundle.verify()
            except BundleError as error:
                found[opens] = error
        # Built-in models beside those are left to the trial, which loads and measures all.
        counted = [*deployed] or [opens]
        bundles = [one for one in map(found.get, counted) if isinstance(one, Bundle)]
        memory_mb = required_memory_mb(bundles) if bundles else APP.memory_mb
        return DeployedModels(opens, found, memory_mb)


def _open_below(folder: Path) -> dict[str, Bundle | BundleError]:
    """Return the models in a folder by name, the newest first."""
    manifests = folder.glob(f"*/{MANIFEST}")
    newest_first = sorted(manifests, key=lambda path: (-path.stat().st_mtime, path.parent.name))
    models: dict[str, Bundle | BundleError] = {}
    for path in newest_first:
        try:
            models[path.parent.name] = Bundle.open(path.parent)
        except BundleError as error:
            models[path.parent.name] = error
    return models


def check_models(models: DeployedModels, expected: ExpectedModel) -> CheckResult:
    """Compare the model that a host's files would open with the expected one."""
    bundle = models.found.get(models.opens)
    if isinstance(bundle, BundleError):
        return CheckResult("model", State.FAILED, str(bundle), expected.update)
    if bundle is None:
        opened = models.opens if models.opens != expected.bundle.name else None
        return expected.missing(opened)
    return compare_models(models.opens, bundle.version, models.found, expected, "not started")
