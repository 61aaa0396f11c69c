"""Sessions of the app's own pages by token, and their newest answers.

A page sends its photo to ``/api/session/`` and shows the answer immediately. Streamlit then reruns
the page's script in the same process, which takes the same prediction from here, so that no photo
is identified twice. No part of a photo is kept.
"""

import secrets
import threading
from dataclasses import dataclass, field

from cachetools import LRUCache

from .prediction import Prediction

__all__ = ["MAX_ANSWERS", "MAX_PER_SESSION", "SessionAnswers", "session_answers"]

MAX_PER_SESSION = 16
"""Most answers that one session keeps."""

MAX_ANSWERS = 512
"""Most answers of all sessions together; a prediction among 1,000 labels takes 4 kB."""

Key = tuple[str, str]
"""A session's token and an answer's id."""


@dataclass(slots=True)
class _Session:
    """An open session: ids of its answers, oldest first, and its corrections' numbers."""

    ids: list[str] = field(default_factory=list)
    corrections: dict[tuple[str, ...], int] = field(default_factory=dict)


class SessionAnswers:
    """Open sessions and their answers. Safe under threads.

    A token has 256 random bits, so it can't be guessed. As many sessions are open as Streamlit
    itself keeps, each of which takes far more memory.
    """

    def __init__(
        self, max_answers: int = MAX_ANSWERS, max_per_session: int = MAX_PER_SESSION
    ) -> None:
        self._max_per_session = max_per_session
        self._sessions: dict[str, _Session] = {}
        self._answers: LRUCache[Key, Prediction] = LRUCache(max_answers)
        # Re-entrant: garbage collection may close a session while this thread holds it.
        self._lock = threading.RLock()

    def open_session(self) -> str:
        """Return the token of a new session."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[token] = _Session()
        return token

    def close_session(self, token: str) -> None:
        """Forget a session and its answers."""
        with self._lock:
            session = self._sessions.pop(token, None)
            for answer_id in session.ids if session else ():
                self._answers.pop((token, answer_id), None)

    def is_open(self, token: str) -> bool:
        """Return whether a session has this token."""
        with self._lock:
            return token in self._sessions

    def put(self, token: str, prediction: Prediction) -> str | None:
        """Keep an answer and return its id; None if the session has been closed meanwhile.

        Beyond the limits, the session's oldest answer is dropped, or the one that was used least
        recently of all.
        """
        answer_id = secrets.token_urlsafe(8)
        with self._lock:
            session = self._sessions.get(token)
            if session is None:
                return None
            session.ids.append(answer_id)
            while len(session.ids) > self._max_per_session:
                self._answers.pop((token, session.ids.pop(0)), None)
            self._answers[token, answer_id] = prediction
        return answer_id

    def get(self, token: str, answer_id: str) -> Prediction | None:
        """Return an answer of this session if it is still kept."""
        with self._lock:
            return self._answers.get((token, answer_id))

    def corrections(self, token: str) -> dict[tuple[str, ...], int]:
        """Return a copy of the numbers of a session's corrections, by answer and labels."""
        with self._lock:
            session = self._sessions.get(token)
            return dict(session.corrections) if session else {}

    def add_correction(self, token: str, key: tuple[str, ...], number: int) -> None:
        """Remember the number of a correction."""
        with self._lock:
            if session := self._sessions.get(token):
                session.corrections[key] = number


session_answers = SessionAnswers()
