"""``model.corrections.page_sessions``: tokens, and the answers that a page may correct."""

from dataclasses import replace
from typing import Any

import pytest

from model import Classifier
from model.answer.share_link import encode
from model.corrections.page_sessions import PageSessions, read_own_answer
from model.errors import LinkError
from tests.model.tiny import colour


def test_token_has_256_random_bits_and_ends_with_its_session() -> None:
    store = PageSessions()
    tokens = {store.open_session() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 43
    first, second, *_ = tokens
    store.close_session(first)
    store.close_session(first)
    assert (store.is_open(first), store.is_open(second)) == (False, True)


def test_only_signed_or_device_answers_are_corrected(colours: Classifier, monkeypatch: Any) -> None:
    monkeypatch.setenv("LOUPE_SECRET", "a secret of this app")
    prediction = colours.identify(colour("red"))
    link = encode(prediction)
    assert read_own_answer(link).answer == prediction.answer
    on_device = encode(replace(prediction, engine="wasm", graph="small"))
    assert "." not in on_device
    assert read_own_answer(on_device).engine == "wasm"
    unsigned = link.partition(".")[0]
    for other in (unsigned, unsigned + link[-10:], link.replace("~c~", "~l~"), link[:-1], ""):
        with pytest.raises(LinkError, match="Send its photo"):
            read_own_answer(other)
