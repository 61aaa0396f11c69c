"""A result as a link: label indices, rounded probabilities, the model's version.

Never text and never the photo: the names come from the bundle that the link
names, so a link can show nothing that the bundle does not hold. A link signed
with ``LOUPE_SECRET`` came from this app; any other is shown as not checked.
"""

import re
from dataclasses import dataclass

import numpy as np
from itsdangerous import BadSignature, Signer

from .bundle import Bundle, get_bundle
from .errors import BundleError, LinkError
from .prediction import Prediction
from .settings import settings

__all__ = ["MOST", "SharedPrediction", "decode", "encode"]

MOST = 10
"""Labels that a link holds."""

APART = 0.9998
"""What keeps two probabilities apart that were rounded to the same number."""

# model~version~engine~known~plausible~index-permille_index-permille_...[.signature]
TOKEN = re.compile(
    r"([a-z0-9][a-z0-9_-]{0,63})~([0-9a-f]{12})~([clf])~([ynx])~(\d{1,2}|x)"
    r"~((?:\d{1,6}-\d{1,4}_){0,9}\d{1,6}-\d{1,4})",
    re.ASCII,
)
ENGINES = {"c": "compiled", "l": "learner", "f": "fake"}
KNOWN = {"y": True, "n": False, "x": None}


@dataclass(frozen=True, slots=True)
class SharedPrediction:
    """An answer that came by link; ``checked`` when this app signed it."""

    prediction: Prediction
    checked: bool


def encode(prediction: Prediction) -> str:
    """The link's token, signed where there is a secret."""
    pairs = "_".join(
        f"{found.index}-{round(found.probability * 1000)}" for found in prediction.top(MOST)
    )
    known = next(letter for letter, value in KNOWN.items() if value is prediction.in_distribution)
    plausible = (
        "x" if prediction.prediction_set is None else str(min(99, len(prediction.prediction_set)))
    )
    token = "~".join(
        [prediction.model, prediction.version, prediction.engine[0], known, plausible, pairs]
    )
    signer = _signer()
    return signer.sign(token).decode() if signer else token


def decode(token: str) -> SharedPrediction:
    """The answer in a link.

    Raises:
        LinkError: it is broken, or names a model or version that is not here.
    """
    text, checked = _unsigned(token[:1000])
    match = TOKEN.fullmatch(text)
    if not match:
        raise LinkError("This link is broken: a part of it is missing. Ask for it again.")
    model, version, engine, known, plausible, pairs = match.groups()
    bundle = _bundle(model, version)
    probabilities = _probabilities(pairs, bundle)
    manifest = bundle.manifest
    prediction = Prediction(
        model=model,
        version=version,
        engine=ENGINES[engine],
        labels=bundle.labels,
        probabilities=probabilities,
        milliseconds=None,
        language=manifest.language,
        multilabel=manifest.multilabel,
        calibrated=manifest.calibration is not None,
        in_distribution=KNOWN[known],
    )
    return SharedPrediction(_with_plausible(prediction, plausible), checked)


def _with_plausible(prediction: Prediction, plausible: str) -> Prediction:
    from dataclasses import replace

    if plausible == "x" or not prediction.calibrated:
        return prediction
    return replace(prediction, prediction_set=tuple(prediction.top(max(1, int(plausible)))))


def _probabilities(pairs: str, bundle: Bundle) -> "np.typing.NDArray[np.float32]":
    """float32 [labels]: what the link says, zero for the rest."""
    found = [pair.split("-") for pair in pairs.split("_")]
    indices = [int(index) for index, _ in found]
    permilles = [int(permille) for _, permille in found]
    whole = 1000 * len(found) if bundle.manifest.multilabel else 1000 + len(found)
    if (
        len(set(indices)) != len(indices)
        or max(indices) >= len(bundle.labels)
        or max(permilles) > 1000
        or sum(permilles) > whole
        or permilles != sorted(permilles, reverse=True)
    ):
        raise LinkError("This link is broken: its numbers cannot be an answer. Ask for it again.")
    probabilities = np.zeros(len(bundle.labels), dtype=np.float32)
    before = np.inf
    for index, permille in zip(indices, permilles, strict=True):
        # Rounding made equals of labels that were not: the link's order is the answer's.
        before = probabilities[index] = min(max(permille / 1000, 1e-5), before * APART)
    return probabilities


def _bundle(model: str, version: str) -> Bundle:
    try:
        bundle = get_bundle(model)
    except BundleError:
        raise LinkError(
            f"This answer was given by a model that is not here ({model}), "
            "so it cannot be shown. Send the photo again to get a new answer."
        ) from None
    if bundle.version != version:
        raise LinkError(
            f"This answer was given by version {version} of {model}; here is version "
            f"{bundle.version}, so it cannot be shown. Send the photo again to get a new answer."
        )
    return bundle


def _signer() -> Signer | None:
    secret = settings().secret.get_secret_value()
    return Signer(secret, salt="loupe.answer") if secret else None


def _unsigned(token: str) -> tuple[str, bool]:
    """The token without its signature, and whether that is ours."""
    signer = _signer()
    if signer:
        try:
            return signer.unsign(token).decode(), True
        except (BadSignature, UnicodeError):
            pass
    return token.rpartition(".")[0] if "." in token else token, False
