"""``model.session_answers``: bounded, isolated and gone with the session."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from model.prediction import Prediction
from model.session_answers import SessionAnswers


def prediction(number: int = 0) -> Prediction:
    return Prediction(
        model="tiny",
        version="0123456789ab",
        engine="compiled",
        labels=("red", "blue"),
        probabilities=np.array([0.75, 0.25], dtype=np.float32),
        milliseconds=None,
        ood_score=float(number),
    )


def test_answer_belongs_to_its_session() -> None:
    store = SessionAnswers()
    first, second = store.open_session(), store.open_session()
    answer_id = store.put(first, prediction(7))
    assert answer_id is not None
    kept = store.get(first, answer_id)
    assert kept is not None
    assert kept.ood_score == 7
    assert store.get(second, answer_id) is None
    store.close_session(first)
    assert store.get(first, answer_id) is None
    assert store.put(first, prediction()) is None
    assert (store.is_open(first), store.is_open(second)) == (False, True)
    store.close_session(first)


def test_token_has_256_random_bits() -> None:
    store = SessionAnswers()
    tokens = {store.open_session() for _ in range(100)}
    assert len(tokens) == 100
    # 32 bytes in base64.
    assert {len(token) for token in tokens} == {43}


def test_session_keeps_its_newest_answers() -> None:
    store = SessionAnswers(max_answers=100, max_per_session=3)
    token, other = store.open_session(), store.open_session()
    kept = store.put(other, prediction())
    ids = [store.put(token, prediction(number)) for number in range(5)]
    found = [store.get(token, answer_id or "") for answer_id in ids]
    assert [answer and answer.ood_score for answer in found] == [None, None, 2, 3, 4]
    assert store.get(other, kept or "") is not None


def test_all_sessions_together_are_bounded() -> None:
    store = SessionAnswers(max_answers=10, max_per_session=3)
    pairs = []
    for _ in range(20):
        token = store.open_session()
        pairs += [(token, store.put(token, prediction()) or "") for _ in range(3)]
    kept = [store.get(*pair) is not None for pair in pairs]
    assert kept == [False] * 50 + [True] * 10
    for token, _ in pairs:
        store.close_session(token)
    assert not store._answers
    assert not store._sessions


def test_threads_may_put_and_close_at_once() -> None:
    store = SessionAnswers(max_answers=20, max_per_session=4)

    def work(_: int) -> None:
        for _ in range(100):
            token = store.open_session()
            for _ in range(6):
                store.get(token, store.put(token, prediction()) or "")
            store.close_session(token)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert not store._answers
    assert not store._sessions


def test_corrections_are_remembered_until_the_session_ends() -> None:
    store = SessionAnswers()
    token = store.open_session()
    store.add_correction(token, ("id", "red"), 5)
    assert store.corrections(token) == {("id", "red"): 5}
    store.close_session(token)
    store.add_correction(token, ("id", "blue"), 6)
    assert store.corrections(token) == {}
