"""The result of a check, and a deployed model compared with the one on this machine."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from model.bundle import Bundle, get_bundle
from model.loading import default_model

from .errors import DeployError
from .host import Host
from .spec import APP


class State(StrEnum):
    """Outcome of a check."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: its subject, outcome and message, and what to do if it failed."""

    subject: str
    state: State
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedModel:
    """The model that an app should open.

    Attributes:
        bundle: the model on this machine.
        place: the place that should have it, for messages: “the host's files have no model …”.
        update: the command that puts the model into the host's files.
    """

    bundle: Bundle
    place: str
    update: str

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
            return CheckResult("model", State.OK, message)
        if name == expected.name:
            message = f"'{name}' is version {version}, but on this machine it is {expected.version}"
            fix = f"Update it: {fix}"
        elif name and expected.name in offered:
            message = f"the app opens '{name}', and offers '{expected.name}' beside it"
            fix = f"Name '{expected.name}' first: {fix}"
        else:
            other = f"; the app opens '{name}'" if name else ""
            message = f"{self.place} no model '{expected.name}'{other}"
        return CheckResult("model", State.FAILED, message, fix)


def find_expected(model: str | None, place: str, host: Host | None) -> ExpectedModel:
    """Return the model of that name; by default the one that opens on this machine.

    Args:
        model: its name.
        place: see ``ExpectedModel``.
        host: the host that should have it, if known.

    Raises:
        DeployError: this machine has no models.
        BundleError: no model has that name, or it is damaged.
    """
    name = model or default_model()
    if name is None:
        raise DeployError("This machine has no model to compare with. Import or train one.")
    app = replace(APP, models=(name,))
    update = host.update_command(app) if host else f"python -m deploy write HOST{app.options}"
    return ExpectedModel(get_bundle(name), place, update)
