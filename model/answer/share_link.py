"""Share links: a prediction as a URL token of label indices, probabilities and a version.

A token holds no text and no photo. Labels are read from the bundle that it names, so a link
can show only what the bundle contains. Tokens are signed with ``LOUPE_SECRET``; if it is not
set, a secret is created at the first start and stored in the data folder. Answers that a
visitor's device computed are never signed, because the app can't check them.
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from itsdangerous import BadSignature, Signer
from numpy.typing import NDArray

from ..bundle import Bundle, get_bundle, list_versions
from ..engine_info import ENGINES, EngineInfo
from ..errors import BundleError, LinkError
from ..settings import settings
from ..storage.disk import fsync_path, make_folder
from ..text import clean
from .phrases import Phrase, shared_words
from .prediction import Graph, Prediction, rebuild_probabilities

MAX_LABELS = 10
"""Most labels that a link holds."""

MAX_TOKEN_LENGTH = 1000
"""Longest token, in characters."""

KEY_FILE = "link.key"
"""The file in the data folder that holds the secret if ``LOUPE_SECRET`` is not set."""

# model~version~engine~known~plausible~index-permille_index-permille_...[[.key id].signature]
TOKEN = re.compile(
    r"([a-z0-9][a-z0-9_-]{0,63})~([0-9a-f]{12})~([a-z]{1,2})~([ynx])~(\d{1,2}|x)"
    r"~((?:\d{1,6}-\d{1,4}_){0,9}\d{1,6}-\d{1,4})",
    re.ASCII,
)
SMALL_GRAPH = "s"
"""Follows the letter of an engine that ran the small graph."""

FROM_PIXELS = "p"
"""Follows the letter of an engine on the server that got pixels instead of a photo."""

VARIANTS: dict[str, tuple[tuple[Graph, bool], ...]] = {
    "server": (("full", False), ("full", True)),
    "device": (("full", False), ("small", False)),
}
"""Graph and ``Prediction.from_pixels`` of the answers that are given on each side."""


def _letters(engine: EngineInfo, graph: Graph, from_pixels: bool) -> str:
    suffix = SMALL_GRAPH if graph == "small" else FROM_PIXELS if from_pixels else ""
    return engine.letter + suffix


ENGINES_BY_LETTERS = {
    _letters(info, *variant): (info.name, *variant)
    for info in ENGINES.values()
    for variant in VARIANTS[info.runs_in]
}
"""Engine, graph and ``Prediction.from_pixels``."""

IN_DISTRIBUTION = {"y": True, "n": False, "x": None}

log = logging.getLogger("loupe.share_link")


class Signature(StrEnum):
    """Result of checking a link's signature."""

    VALID = "valid"
    CHANGED = "changed"
    """It names this app's key, but its content was changed after signing."""
    OTHER_KEY = "other key"
    MISSING = "missing"
    DEVICE = "device"
    """It is not signed, and says that a visitor's own device computed the answer."""


SIGNATURE_NOTES = {
    Signature.VALID: "This app gave this answer. Its photo is no longer here: links don’t include "
    "it. Send the photo again to see why, or to correct it.",
    Signature.CHANGED: "This link was changed after it was made. Don’t rely on this answer.",
    Signature.OTHER_KEY: "Unverified answer: the link was signed with another key, so this app "
    "can’t check it.",
    Signature.MISSING: "Unverified answer: the link isn’t signed, so anyone could have made it up.",
    Signature.DEVICE: "Unverified answer: somebody’s own device computed it, so this app can’t "
    "check it.",
}
"""Notes on a shared answer, by the state of its signature."""

PROOFS = {Signature.VALID: "This app said so", Signature.CHANGED: "This link was changed"}
"""The same in a few words; all others aren't checked."""

NO_PHOTO = "There is no photo: links don’t include it."
"""True of the link alone: the photo may have been sent to get another answer."""


@dataclass(frozen=True, slots=True)
class SharedPrediction:
    """A prediction from a link, and the result of checking its signature."""

    prediction: Prediction
    signature: Signature

    def words(self) -> "SharedWords":
        """Return the answer as a stranger reads it."""
        by, proof = "Somebody’s link says", PROOFS.get(self.signature, "Not checked by this app")
        if self.signature is Signature.VALID:
            by = f"{clean(settings().title) or 'Loupe'} said"
        elif self.signature is Signature.DEVICE:
            by = "Somebody’s phone said"
        return SharedWords(by, *shared_words(self.prediction), NO_PHOTO, proof)


class SharedWords(NamedTuple):
    """Who said what and how surely, where the photo is, and whether this app vouches for it."""

    by: str
    answer: Phrase
    percent: str
    photo: str
    proof: str


def encode(prediction: Prediction) -> str:
    """Return the link's token.

    Unsigned if the device computed the answer, or if no secret can be stored.
    """
    pairs = "_".join(
        f"{item.index}-{round(item.probability * 1000)}" for item in prediction.top(MAX_LABELS)
    )
    known = next(
        letter for letter, value in IN_DISTRIBUTION.items() if value is prediction.in_distribution
    )
    labels = prediction.prediction_set
    plausible = "x" if labels is None else str(min(99, len(labels)))
    engine = ENGINES[prediction.engine]
    letters = _letters(engine, prediction.graph, prediction.from_pixels)
    token = "~".join([prediction.model, prediction.version, letters, known, plausible, pairs])
    secret = signing_secret() if engine.runs_in == "server" else None
    return _signer(secret).sign(f"{token}.{_key_id(secret)}").decode() if secret else token


def decode(token: str) -> SharedPrediction:
    """Return the prediction in a link.

    Raises:
        LinkError: it is incomplete or damaged, or this app lacks the model or version.
    """
    content, signature = _check_signature(token)
    match = TOKEN.fullmatch(content) if len(token) <= MAX_TOKEN_LENGTH else None
    if not match or match[3] not in ENGINES_BY_LETTERS:
        raise LinkError("This link is incomplete. Ask for it to be sent again.")
    model, version, letters, known, plausible, pairs = match.groups()
    engine, graph, from_pixels = ENGINES_BY_LETTERS[letters]
    bundle = _get_bundle(model, version)
    prediction = Prediction.of_bundle(
        bundle,
        engine,
        _parse_probabilities(pairs, bundle),
        in_distribution=IN_DISTRIBUTION[known],
        graph=graph,
        from_pixels=from_pixels,
    )
    if plausible != "x" and prediction.calibrated:
        labels = tuple(prediction.top(max(1, int(plausible))))
        prediction = replace(prediction, prediction_set=labels)
    if signature is Signature.MISSING and ENGINES[engine].runs_in == "device":
        signature = Signature.DEVICE
    return SharedPrediction(prediction, signature)


def bundle_of(prediction: Prediction) -> Bundle | None:
    """Return the bundle that made a prediction; None if its model has another version now."""
    try:
        bundle = get_bundle(prediction.model)
    except BundleError:
        return None
    return bundle if bundle.version == prediction.version else None


def ensure_secret() -> bool:
    """Create the secret that signs links if there is none; return False if it can't be stored."""
    try:
        return bool(_read_secret())
    except OSError:
        return False


def _parse_probabilities(pairs: str, bundle: Bundle) -> NDArray[np.float32]:
    """Return float32 [labels]: the link's probabilities, zero for all other labels."""
    numbers = [pair.split("-") for pair in pairs.split("_")]
    indices = [int(index) for index, _ in numbers]
    permilles = [int(permille) for _, permille in numbers]
    # Rounding may add half a permille per label.
    limit = 1000 * len(numbers) if bundle.manifest.multilabel else 1000 + len(numbers)
    if (
        len(set(indices)) != len(indices)
        or max(indices) >= len(bundle.labels)
        or max(permilles) > 1000
        or sum(permilles) > limit
        or permilles != sorted(permilles, reverse=True)
    ):
        raise LinkError(
            "This link is damaged: its numbers don’t add up. Ask for it to be sent again."
        )
    rounded = [max(permille / 1000, 1e-5) for permille in permilles]
    return rebuild_probabilities(indices, rounded, len(bundle.labels))


def _get_bundle(model: str, version: str) -> Bundle:
    """Return a version of a model; a page or a link may be of a previous one that is kept."""
    try:
        if (current := get_bundle(model)).version == version:
            return current
        for kept in list_versions(model):
            if kept.version == version and isinstance(kept.bundle, Bundle):
                return kept.bundle
        if earlier := Bundle.open_earlier(model, version):
            return earlier
    except BundleError:
        raise LinkError(
            # Without its name, since the author of a link can put any text there.
            "This answer came from a model this app doesn’t have. "
            "Take the photo again for a new answer."
        ) from None
    raise LinkError(
        f"This answer came from version {version} of {model}, and this app now runs version "
        f"{current.version}. Take the photo again for a new answer."
    )


def _check_signature(token: str) -> tuple[str, Signature]:
    """Return a token's content and the result of checking its signature.

    Links from before key ids carry only a signature. If it does not match, another key may have
    made it, so only a wrong signature under this app's key id proves a change.
    """
    content, *signed_parts = token.split(".")
    if not signed_parts or len(signed_parts) > 2:
        return token, Signature.MISSING
    secret = signing_secret()
    if secret is None:
        return content, Signature.OTHER_KEY
    with suppress(BadSignature, UnicodeError):
        _signer(secret).unsign(token)
        return content, Signature.VALID
    is_our_key = len(signed_parts) == 2 and signed_parts[0] == _key_id(secret)
    return content, Signature.CHANGED if is_our_key else Signature.OTHER_KEY


def _signer(secret: str) -> Signer:
    return Signer(secret, salt="loupe.answer")


def _key_id(secret: str) -> str:
    """Return six hex digits that identify a secret without revealing it."""
    return hmac.new(secret.encode(), b"loupe.answer.key-id", hashlib.sha256).hexdigest()[:6]


def signing_secret() -> str | None:
    """Return the secret that signs links; None, with a line in the log, if none can be stored.

    Called at the app's start, so that a backup from before the first answer contains it.
    """
    try:
        return _read_secret()
    except OSError as error:
        _warn_unsigned(str(error))
        return None


def _read_secret() -> str:
    return settings().secret.get_secret_value() or _load_secret(settings().data / KEY_FILE)


@lru_cache(maxsize=8)
def _load_secret(path: Path) -> str:
    """Return the secret in a file, creating the file if it does not exist.

    Processes that start at the same time agree on one secret.

    Raises:
        OSError: the file cannot be read or created, or is empty.
    """
    if not path.exists():
        make_folder(path.parent)
        _write_secret(path, secrets.token_urlsafe(32))
    secret = path.read_text(encoding="utf-8", errors="replace").strip()
    if not secret:
        raise OSError(f"{path} is empty: delete it to get a new secret")
    return secret


def _write_secret(path: Path, secret: str) -> None:
    """Write the file for its owner alone, unless another process was first."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secret + "\n")
        fsync_path(temporary)
        try:
            # A hard link fails if the file exists; a rename would replace another process's secret.
            os.link(temporary, path)
        except FileExistsError:
            return
        except OSError:
            # Some network file systems have no hard links.
            if not path.exists():
                temporary.replace(path)
        fsync_path(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _warn_unsigned(reason: str) -> None:
    log.warning(
        "Share links are not signed: no secret can be stored (%s). Set LOUPE_SECRET.", reason
    )
