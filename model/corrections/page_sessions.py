"""The sessions of the app's own pages, by token, and the corrections saved in each.

They are here because ``api/`` and ``ui/`` need them and don't import each other.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress

from itsdangerous import BadSignature, Signer

from ..answer.prediction import Prediction
from ..answer.share_link import Signature, decode, signing_secret
from ..classifier import Identification
from ..errors import CorrectionsFull, LinkError
from .store import correction_store

MAX_CORRECTIONS = 10
"""Most corrections that a session saves. No address is read, so a new session may save more."""

ISSUED_SECONDS = 24 * 60 * 60
"""Validity of an issued token, in seconds."""

MAX_ISSUED = 1000
"""Most issued tokens whose corrections are remembered."""

OWN_SECRET = secrets.token_urlsafe(32)  # of this process, for when none can be stored
Key = tuple[str, ...]
"""A correction: the link's token of its answer, and its labels."""


class PageSessions:
    """Open sessions. Safe under threads.

    A token has 256 random bits, so it can't be guessed. As many sessions are open as Streamlit
    itself keeps, each of which takes far more memory. A page without a Streamlit session has an
    issued token, which is signed and takes no memory until it saves a correction.
    """

    def __init__(self) -> None:
        self._corrections: dict[str, dict[Key, int]] = {}
        self._issued: OrderedDict[str, dict[Key, int]] = OrderedDict()
        self._owners: dict[str, str] = {}
        self._with_photo: set[str] = set()
        # Re-entrant: garbage collection may close a session while this thread holds it.
        self._lock = threading.RLock()

    def open_session(self, streamlit_id: str = "") -> str:
        """Return the token of a new session; Streamlit's own has this id."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._corrections[token], self._owners[token] = {}, streamlit_id
        return token

    def issue_token(self) -> str:
        """Return a signed token that needs no session, valid for ``ISSUED_SECONDS``."""
        return _signer().sign(f"{secrets.token_urlsafe(16)}~{int(time.time())}").decode()

    def close_session(self, token: str) -> None:
        """Forget a session."""
        with self._lock:
            self._corrections.pop(token, None)
            self._with_photo.discard(self._owners.pop(token, ""))

    def note_photo(self, token: str) -> None:
        """Note that a session's visitor has given a photo, if the session is open."""
        with self._lock:
            if token in self._owners:
                self._with_photo.add(self._owners[token])

    def has_photo(self, streamlit_id: str) -> bool:
        """Return whether the visitor of Streamlit's session has given a photo."""
        return streamlit_id in self._with_photo

    def is_open(self, token: str) -> bool:
        """Return whether a token is that of an open session, or a valid issued one."""
        return self.has_session(token) or _is_issued(token)

    def has_session(self, token: str) -> bool:
        """Return whether an open session of Streamlit has this token."""
        with self._lock:
            return token in self._corrections

    def _corrections_of(self, token: str) -> dict[Key, int]:
        if token in self._corrections:
            return self._corrections[token]
        saved = self._issued.setdefault(token, {})
        self._issued.move_to_end(token)
        if len(self._issued) > MAX_ISSUED:
            self._issued.popitem(last=False)
        return saved

    def save_correction(
        self,
        token: str,
        link: str,
        labels: Sequence[str],
        identification: Identification | None = None,
        wording: str | None = None,
        undo_key: str | None = None,
    ) -> int:
        """Save a correction of a session and return its number, by which the owner can delete it.

        Args:
            link: the token of the answer's link; the same correction of it is saved once.
            identification: of the photo, which is then saved as well; None unless the visitor
                agreed. Made anew, so that the prediction that is saved with it is the model's.
            wording, undo_key: see ``CorrectionStore.add_correction``.

        Raises:
            LinkError: there is no identification, and ``read_own_answer`` rejects the link.
            CorrectionsFull: the session or the app has reached its limit.
            DataError, TooManyCorrections: see ``CorrectionStore.add_correction``.
        """
        prediction = identification.prediction if identification else read_own_answer(link)
        photo = identification.photo.to_jpeg() if identification else None
        with self._lock:
            saved = self._corrections_of(token)
            number = saved.get(key := (link, *labels))
            if number is None and len(saved) >= MAX_CORRECTIONS:
                raise CorrectionsFull(
                    "You've saved ten corrections, the most for one visit. Thank you."
                )
        # Outside the lock: a slow database must not keep other sessions waiting.
        number = correction_store().add_correction(
            prediction,
            labels,
            photo,
            repeats=number,
            wording=wording,
            undo_key=undo_key,
            visit=token,
        )
        with self._lock:
            saved[key] = number
        return number

    def undo_correction(self, number: int, undo_key: str) -> bool:
        """Delete a correction, as ``CorrectionStore.delete`` does; its session may save another."""
        if is_deleted := correction_store().delete(number, undo_key):
            with self._lock:
                # The page may have another token by now.
                for saved in [*self._corrections.values(), *self._issued.values()]:
                    for key in [key for key in saved if saved[key] == number]:
                        del saved[key]
        return is_deleted


def read_own_answer(link: str) -> Prediction:
    """Return the answer that a visitor corrects, from its link's token.

    Only the server's own answers count, which are signed, and those of a visitor's device, whose
    engine says so in the correction.

    Raises:
        LinkError: it is neither, or this app lacks its model or version.
    """
    with suppress(LinkError):
        shared = decode(link)
        if shared.signature in (Signature.VALID, Signature.DEVICE):
            return shared.prediction
    raise LinkError("This app didn't sign this answer. Send its photo with the correction.")


def _is_issued(token: str) -> bool:
    try:
        issued = _signer().unsign(token).rpartition(b"~")[2]
    except BadSignature:
        return False
    # Clocks of replicas may differ slightly.
    return -60 < time.time() - int(issued) < ISSUED_SECONDS


def _signer() -> Signer:
    return Signer(app_secret(), salt="loupe.page")


def app_secret() -> str:
    """Return the secret that signs links; this process's own if none can be stored."""
    return signing_secret() or OWN_SECRET


page_sessions = PageSessions()
