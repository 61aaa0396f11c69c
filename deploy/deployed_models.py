"""The models among a host's files, read without starting the app."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import TypeAdapter, ValidationError

from model.bundle import BUILTIN_DIR, DEFAULT_MODEL, MANIFEST, Bundle
from model.errors import BundleError
from model.settings import ROOT

from .check import CheckResult, State
from .errors import Unreadable
from .package import required_memory_mb
from .served_model import ExpectedModel, compare_models
from .spec import APP
from .startup import StartPlan, unpack_models

__all__ = ["DeployedModels", "check_models", "read_models"]


@dataclass(frozen=True, slots=True)
class DeployedModels:
    """The models that a host would get.

    Attributes:
        opens: the name of the one that opens; empty if there is none.
        offered: every model that visitors could choose, by name, or why it can't be opened.
        memory_mb: memory that the app needs with them, in MB.
    """

    opens: str
    offered: Mapping[str, Bundle | BundleError]
    memory_mb: int


def read_models(plan: StartPlan) -> DeployedModels:
    """Return the models of a plan, of which the one that opens is compared with its hashes.

    Raises:
        DeployError: the archive of the models cannot be unpacked, or LOUPE_BUILTIN is invalid.
    """
    with TemporaryDirectory(prefix="loupe-") as temporary:
        deployed = _open_below(unpack_models(plan.bundles, Path(temporary) / "bundles"))
        builtin: dict[str, Bundle | BundleError] = {}
        if _offers_builtin(plan.environment):
            builtin = _open_below(plan.root / BUILTIN_DIR.relative_to(ROOT))
        offered = builtin | deployed
        newest = next(iter(deployed), DEFAULT_MODEL if builtin else "")
        opens = plan.environment.get("LOUPE_MODEL") or newest
        bundle = offered.get(opens)
        if isinstance(bundle, Bundle):
            try:
                bundle.verify()
            except BundleError as error:
                offered[opens] = error
        # Built-in models beside those are left to the trial, which loads and measures all.
        counted = [*deployed] or [opens]
        bundles = [entry for entry in map(offered.get, counted) if isinstance(entry, Bundle)]
        memory_mb = required_memory_mb(bundles) if bundles else APP.memory_mb
        return DeployedModels(opens, offered, memory_mb)


def _offers_builtin(environment: Mapping[str, str]) -> bool:
    """Return the value of LOUPE_BUILTIN as the app reads it.

    Raises:
        Unreadable: it is not true or false.
    """
    value = environment.get("LOUPE_BUILTIN", "true")
    try:
        return TypeAdapter(bool).validate_python(value)
    except ValidationError:
        raise Unreadable(f"LOUPE_BUILTIN is {value!r}, which is not true or false.") from None


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
    bundle = models.offered.get(models.opens)
    if isinstance(bundle, BundleError):
        return CheckResult("model", State.FAILED, str(bundle), expected.update)
    if bundle is None:
        opened = models.opens if models.opens != expected.bundle.name else None
        return expected.missing(opened)
    return compare_models(models.opens, bundle.version, models.offered, expected, "not started")
