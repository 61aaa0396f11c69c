"""The model that a running app opens, compared with the one on this machine."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from model.bundle import Bundle, get_bundle
from model.classifier import TOLERANCE, default_model
from model.prediction import Prediction

from .check import CheckResult, State
from .client import Reply
from .errors import DeployError
from .host import Host
from .spec import APP

__all__ = [
    "MAX_CANDIDATES",
    "MODELS_PATH",
    "NAME",
    "ExpectedModel",
    "check_identity",
    "compare_models",
    "find_difference",
    "find_expected",
    "get_candidates",
]

SUBJECT = "model"
MODELS_PATH = "/api/v1/models"

NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""Pattern of the names and versions of a running app that are safe to show at a terminal."""

MAX_CANDIDATES = 1000
"""Most candidates that the API returns."""


@dataclass(frozen=True, slots=True)
class ExpectedModel:
    """The model that an app should open.

    Attributes:
        bundle: the model on this machine.
        place: what should have it, for messages: “the host's files have no model …”.
        update: the command that puts the model into the host's files.
    """

    bundle: Bundle
    place: str
    update: str

    def missing(self, opened: object = None) -> CheckResult:
        """Return the failure of an app that lacks the model and opens another, or none."""
        other = f"; the app opens '{opened}'" if opened else ""
        message = f"{self.place} no model '{self.bundle.name}'{other}"
        return CheckResult(SUBJECT, State.FAILED, message, self.update)


def find_expected(model: str | None, place: str, host: Host | None) -> ExpectedModel:
    """Return the model of that name; by default the one that opens on this machine.

    Args:
        model: its name.
        place: see ``ExpectedModel``.
        host: where it should be, if that is known.

    Raises:
        DeployError: there is no model at all.
        BundleError: there is none of that name, or it is damaged.
    """
    name = model or default_model()
    if name is None:
        raise DeployError("This machine has no model to compare with. Import or train one.")
    app = replace(APP, models=(name,))
    update = host.update_command(app) if host else f"python -m deploy write HOST{app.options}"
    return ExpectedModel(get_bundle(name), place, update)


def check_identity(
    ready: Reply, offered: Sequence[dict[str, Any]], expected: ExpectedModel
) -> CheckResult:
    """Compare the model that an app opens with the expected one, by name and version.

    Args:
        ready: the response of its health check.
        offered: its models, as ``GET /api/v1/models`` lists them.
        expected: the model that it should open.
    """
    name, version = (ready.document.get(key) for key in ("model", "version"))
    if not name:
        message = "the app doesn't say which model it opens: it runs without Loupe's routes"
        fix = "Start streamlit_app.py itself, with the version of Streamlit in requirements.txt."
        return CheckResult(SUBJECT, State.FAILED, message, fix)
    # The app is ready only after it has reproduced the golden outputs.
    return compare_models(name, version, _names(offered), expected, "golden outputs reproduced")


def compare_models(
    name: object,
    version: object,
    offered: Iterable[object],
    expected: ExpectedModel,
    proof: str,
) -> CheckResult:
    """Compare the model that opens with the expected one.

    Args:
        name: the name of the model that opens.
        version: its version.
        offered: the names of all models that a visitor can choose.
        expected: the model that should open.
        proof: how its files were tested, for the message.
    """
    bundle = expected.bundle
    if name != bundle.name and bundle.name not in offered:
        return expected.missing(name)
    if name != bundle.name:
        message = f"the app opens '{name}', and offers '{bundle.name}' beside it"
        fix = f"Name '{bundle.name}' first: {expected.update}"
        return CheckResult(SUBJECT, State.FAILED, message, fix)
    if version != bundle.version:
        message = f"'{name}' is version {version}, but on this machine it is {bundle.version}"
        return CheckResult(SUBJECT, State.FAILED, message, f"Update it: {expected.update}")
    message = f"'{name}', version {version}, as on this machine; {proof}"
    return CheckResult(SUBJECT, State.OK, message)


def _names(offered: Sequence[Any]) -> list[object]:
    return [model.get("name") for model in offered if isinstance(model, dict)]


def get_candidates(reply: Reply) -> list[tuple[str, float]]:
    """Return labels and probabilities of an answer in any of the protocols; none if it has none."""
    document = reply.document
    try:
        answer = document["predictions"][0] if "predictions" in document else document
        return [(str(c["label"]), float(c["probability"])) for c in answer["candidates"]]
    except (LookupError, TypeError, ValueError):
        return []


def find_difference(candidates: Sequence[tuple[str, float]], prediction: Prediction) -> str:
    """Return what differs between an answer and the local one, empty if nothing does.

    Probabilities may differ by as much as from golden outputs, so labels whose probabilities
    are that close may be in either order.

    Args:
        candidates: labels and probabilities, the most probable first.
        prediction: what the model answers on this machine.
    """
    expected = prediction.top(MAX_CANDIDATES)
    if len(candidates) != len(expected):
        return f"{len(candidates)} labels, here {len(expected)}"
    own = {candidate.label: candidate.probability for candidate in expected}
    for (label, probability), candidate in zip(candidates, expected, strict=True):
        # Written so that NaN counts as a difference.
        is_same = abs(probability - own.get(label, -1)) <= TOLERANCE
        is_in_order = abs(probability - candidate.probability) <= TOLERANCE
        if not (is_same and is_in_order):
            here = f"{candidate.label} {candidate.probability:.2%}"
            return f"{label} {probability:.2%}, here {here}"
    return ""
