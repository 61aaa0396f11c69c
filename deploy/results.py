"""The results of checks, and the model that a deployed app is expected to open."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from model.bundle import Bundle, get_bundle
from model.loading import default_model

from .client import send
from .host import Host
from .spec import APP, DeployError


def list_offered(base_url: str, timeout_seconds: float) -> list[str]:
    """Return the names of the models that a visitor of an app can choose; see ``send``."""
    models = send(base_url + APP.models_path, timeout_seconds).document.get("models")
    entries = models if isinstance(models, list) else []
    return [str(entry.get("name")) for entry in entries if isinstance(entry, dict)]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: its subject, outcome and message, and what to do if it failed."""

    subject: str
    state: Literal["ok", "note", "failed"]
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedModel:
    """The model that an app should open."""

    bundle: Bundle
    """The model on this machine."""
    place: str
    """The place that should have it, for messages: “the host's files have no model …”."""
    update: str
    """The command that puts the model into the host's files."""

    @classmethod
    def find(cls, name: str | None, place: str, host: Host | None) -> "ExpectedModel":
        """Return the model of that name; by default the one that opens on this machine.

        Raises:
            DeployError: this machine has no models.
            BundleError: no model has that name, or it is damaged.
        """
        name = name or default_model()
        if name is None:
            raise DeployError("This machine has no model to compare with. Import or train one.")
        app = replace(APP, models=(name,))
        update = host.update_command(app) if host else f"python -m deploy write HOST{app.options}"
        return cls(get_bundle(name), place, update)

    def compare(
        self, name: object, version: object, offered: Iterable[object], proof: str
    ) -> CheckResult:
        """Compare the model that opens with the expected one.

        Args:
            name: the name of the model that opens; None or empty if none does.
            version: its version.
            offered: the names of all models that a visitor can choose.
            proof: the test of its files, for the message.
        """
        expected, fix = self.bundle, self.update
        if (name, version) == (expected.name, expected.version):
            message = f"'{name}', version {version}, as on this machine; {proof}"
            return CheckResult("model", "ok", message)
        if name == expected.name:
            message = f"'{name}' is version {version}, but on this machine it is {expected.version}"
            fix = f"Update it: {fix}"
        elif name and expected.name in offered:
            message = f"the app opens '{name}', and offers '{expected.name}' beside it"
            fix = f"Name '{expected.name}' first: {fix}"
        else:
            other = f"; the app opens '{name}'" if name else ""
            message = f"{self.place} no model '{expected.name}'{other}"
        return CheckResult("model", "failed", message, fix)
