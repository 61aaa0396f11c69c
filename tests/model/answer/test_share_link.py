"""Share links: encoding, decoding, signatures and the secret that makes them."""

import os
import string
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from model import Bundle, Classifier, Prediction, load
from model.answer import share_link
from model.answer.prediction import Graph
from model.answer.share_link import (
    KEY_FILE,
    MAX_LABELS,
    SharedPrediction,
    Signature,
    decode,
    encode,
    ensure_secret,
)
from model.bundle import get_bundle
from model.errors import LinkError
from model.settings import ROOT, settings
from tests.damage import damaged
from tests.model.tiny import colour, tiny
from tests.photos import drawn


@pytest.fixture
def answer(calibrated_bundle: Bundle) -> Prediction:
    return load("calibrated").identify(drawn(60, 60))


@pytest.fixture
def set_secret(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set ``LOUPE_SECRET`` in the middle of a test; empty means the one in the data folder."""

    def set_to(value: str) -> None:
        monkeypatch.setenv("LOUPE_SECRET", value)
        settings.cache_clear()

    return set_to


def unsigned(token: str) -> str:
    return token.split(".", maxsplit=1)[0]


def test_prediction_survives_encoding_and_decoding(answer: Prediction) -> None:
    back = decode(encode(answer)).prediction
    assert (back.model, back.version, back.engine) == (answer.model, answer.version, answer.engine)
    assert back.labels == answer.labels
    assert [item.label for item in back.top(3)] == [item.label for item in answer.top(3)]
    np.testing.assert_allclose(back.probabilities, answer.probabilities, atol=0.0005 + 1e-6)
    assert back.milliseconds is None
    assert back.in_distribution is answer.in_distribution
    assert back.calibrated
    assert [item.label for item in back.prediction_set] == [
        item.label for item in answer.prediction_set
    ]


@pytest.mark.parametrize(
    ("facts", "words", "percent"),
    [
        ("y~1~0-951_1-30", "dress", "95%"),
        ("n~1~0-951_1-30", "none of the ten things it knows", ""),
        ("y~2~0-501_1-400", "a dress or a hat", ""),
        ("y~4~0-301_1-300_2-200_3-100", "hard to say, maybe a dress", ""),
    ],
)
def test_words_for_a_stranger_do_not_say_i(facts: str, words: str, percent: str) -> None:
    token = f"clothing~{get_bundle('clothing').version}~ws~{facts}"
    said = decode(token).words()
    text = "".join(part if isinstance(part, str) else part.text for part in said.answer)
    assert (said.by, text, said.percent) == ("Somebody’s phone said", words, percent)
    assert said.proof == "Not checked by this app"
    # Nobody can know whether a server gave an answer that isn't signed.
    assert decode(token.replace("~ws~", "~c~")).words().by == "Somebody’s link says"


def test_out_of_distribution_photo_stays_so(calibrated_bundle: Bundle) -> None:
    back = decode(encode(load("calibrated").identify(colour((120, 130, 125))))).prediction
    assert (back.in_distribution, back.answer) == (False, None)


def test_links_work_for_every_kind_of_model(models_dir: Path, imagenet: Classifier) -> None:
    tiny(models_dir, "several", multilabel=True)
    tiny(models_dir, "plain")
    for classifier in (load("several"), load("plain"), imagenet):
        for seed in range(5):
            prediction = classifier.identify(drawn(50, 50, seed))
            back = decode(encode(prediction)).prediction
            assert back.engine == prediction.engine
            assert back.multilabel == prediction.multilabel
            top = prediction.top(MAX_LABELS)
            labels = {item.label for item in top if item.probability > 0.0006}
            assert {item.label for item in back.top(len(labels))} == labels


def test_rounding_keeps_the_order(answer: Prediction) -> None:
    """The first of two labels that rounding makes equal stays the answer."""
    close = np.array([0.4001, 0.0, 0.4003, 0.1996, 0.0, 0.0], dtype=np.float32)
    prediction = replace(answer, probabilities=close, in_distribution=True, prediction_set=None)
    assert prediction.answer == "blue"
    back = decode(encode(prediction)).prediction
    assert back.answer == "blue"
    assert [item.label for item in back.top(3)] == [item.label for item in prediction.top(3)]


def test_token_is_short_and_holds_no_text(imagenet: Classifier) -> None:
    token = unsigned(encode(imagenet.identify(drawn(50, 50))))
    assert len(token) < 200
    assert set(token) <= set(string.ascii_lowercase + string.digits + "~_-")
    assert token.count("_") == MAX_LABELS - 1


def test_answer_of_a_device_is_not_signed(answer: Prediction) -> None:
    graphs: dict[Graph, str] = {"full": "w", "small": "ws"}
    for graph, letters in graphs.items():
        token = encode(replace(answer, engine="wasm", graph=graph))
        assert f"~{letters}~" in token
        assert "." not in token
        shared = decode(token)
        assert shared.signature is Signature.DEVICE
        assert (shared.prediction.engine, shared.prediction.graph) == ("wasm", graph)


def test_only_devices_run_the_small_graph(answer: Prediction) -> None:
    token = unsigned(encode(answer))
    with pytest.raises(LinkError, match="incomplete"):
        decode(token.replace("~c~", "~cs~"))


@pytest.mark.parametrize("secret", ["", "first secret"], ids=["data folder", "LOUPE_SECRET"])
def test_signature_is_valid_changed_or_of_another_key(
    answer: Prediction, set_secret: Callable[[str], None], secret: str
) -> None:
    set_secret(secret)
    token = encode(answer)
    content, key_id, signature = token.split(".")
    index, permille = content.split("~")[-1].split("_")[0].split("-")
    lowered = content.replace(f"{index}-{permille}", f"{index}-{int(permille) - 1}", 1)
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    expected = {
        token: Signature.VALID,
        content: Signature.MISSING,
        f"{lowered}.{key_id}.{signature}": Signature.CHANGED,
        f"{content}.{key_id}.{flipped}": Signature.CHANGED,
        f"{content}.{key_id}.{signature[:-4]}": Signature.CHANGED,
        f"{content}.{key_id}.": Signature.CHANGED,
        f"{content}.000000.{signature}": Signature.OTHER_KEY,
    }
    assert {link: decode(link).signature for link in expected} == expected
    set_secret("second secret")
    assert decode(token).signature is Signature.OTHER_KEY
    set_secret(secret)
    assert decode(token).signature is Signature.VALID


def test_links_from_before_key_ids_stay_readable(
    answer: Prediction, set_secret: Callable[[str], None]
) -> None:
    set_secret("first secret")
    content = unsigned(encode(answer))
    signed = Signer("first secret", salt="loupe.answer").sign(content).decode()
    assert decode(signed).signature is Signature.VALID
    assert decode(signed).prediction.answer == answer.answer
    assert decode(content).signature is Signature.MISSING
    # Without a key id, a change cannot be told from another key.
    assert decode(signed[:-4]).signature is Signature.OTHER_KEY
    set_secret("second secret")
    assert decode(signed).signature is Signature.OTHER_KEY


def test_secret_is_kept_for_the_owner_alone(answer: Prediction, data_folder: Path) -> None:
    token = encode(answer)
    key = data_folder / KEY_FILE
    assert len(key.read_text()) > 40
    assert key.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in data_folder.glob(".*")] == []
    share_link._load_secret.cache_clear()
    assert decode(token).signature is Signature.VALID


def test_processes_that_start_together_agree_on_a_secret(data_folder: Path) -> None:
    code = "from model.answer.share_link import signing_secret; input(); print(signing_secret())"
    command = [sys.executable, "-c", code]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = {process.communicate(timeout=60)[0] for process in processes}
    assert outputs == {(data_folder / KEY_FILE).read_text()}


@pytest.mark.parametrize("has_links", [True, False])
def test_first_writer_keeps_its_secret(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def refuse(*paths: Path) -> None:
        raise PermissionError("no hard links")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    data_folder.mkdir()
    key = data_folder / KEY_FILE
    for secret in ("first", "second"):
        share_link._write_secret(key, secret)
    assert key.read_text() == "first\n"
    assert list(data_folder.iterdir()) == [key]


@pytest.mark.parametrize("obstacle", ["file", "empty key"])
def test_links_are_unsigned_when_no_secret_can_be_kept(
    answer: Prediction,
    set_secret: Callable[[str], None],
    data_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    obstacle: str,
) -> None:
    set_secret("first secret")
    signed = encode(answer)
    assert ensure_secret()
    if obstacle == "file":
        # A folder that cannot be made: root ignores the mode of a read-only one.
        monkeypatch.setattr(share_link, "KEY_FILE", "models/calibrated/current/key")
    else:
        (data_folder / KEY_FILE).touch()
    set_secret("")
    share_link._warn_unsigned.cache_clear()
    assert not ensure_secret()
    for _ in range(2):
        assert decode(encode(answer)).signature is Signature.MISSING
    assert decode(signed).signature is Signature.OTHER_KEY
    assert [record.message[:26] for record in caplog.records] == ["Share links are not signed"]


def test_link_to_a_missing_or_damaged_model_or_version_is_refused(
    answer: Prediction, calibrated_bundle: Bundle
) -> None:
    with pytest.raises(LinkError, match="version 0123456789ab .* Take the photo again"):
        decode(encode(replace(answer, version="0123456789ab")))
    token = encode(answer)
    (calibrated_bundle.folder / "bundle.json").write_text("{")
    for broken in (encode(replace(answer, model="dogs")), token):
        with pytest.raises(LinkError, match=r"a model this app doesn.t have\. Take"):
            decode(broken)


def hostile(good: str) -> list[str]:
    """Return tokens that no app made."""
    head = good.rpartition("~")[0]
    model, version, *_ = good.split("~")
    numbers = """
        1 -1 0-1001 0-9999 6-10 999999-10 0-600_0-400 0-400_1-600 0-600_1-600 0--5 0-1e3 0-0x10
        0-NaN \u0660-\u0665
    """.split()
    heads = f"""
        ../..~{version}~c~x~x /etc/passwd~{version}~c~x~x {model}/../x~{version}~c~x~x
        {model}~{version[:-1]}~c~x~x {model}~{version}~q~x~x {model}~{version}~c~z~x
        {model}~{version}~c~x~100 {model}~{version}~c~x~-1 {model}~{version}~C~x~x
    """.split()
    tokens = ["", "~", ".", "..", "~" * 6, f"{good}...", f"{good}.a.b.c", f"{good}~", f"~{good}"]
    tokens += [f"{good}\n", f" {good}", good.upper(), good * 2, f"{good[:-1]}-", f"{head}~"]
    tokens += ["<script>alert(1)</script>", "%00", "\0" * 50, "\ud800", "a" * 100_000, "{}"]
    tokens += [f"{head}~{number}" for number in (*numbers, "_".join(["0-1"] * 11))]
    tokens += [f"{start}~0-1" for start in heads]
    return tokens


def test_hostile_tokens_are_refused(answer: Prediction) -> None:
    for token in hostile(unsigned(encode(answer))):
        with pytest.raises(LinkError) as caught:
            decode(token)
        message = str(caught.value)
        assert len(message) < 300
        assert not set(message) & set("<>[]\0"), token


@given(data=st.data())
def test_any_text_is_decoded_or_refused(answer: Prediction, data: st.DataObject) -> None:
    token = encode(answer).encode()
    texts = st.text(max_size=80) | st.text(alphabet="tiny~0123456789abcflx_-.", max_size=120)
    changed = damaged([token], b"~_-.0x").map(lambda text: text.decode("latin-1"))
    with suppress(LinkError):
        assert isinstance(decode(data.draw(texts | changed)), SharedPrediction)


@given(weights=st.lists(st.floats(0, 1, width=32), min_size=6, max_size=6))
def test_any_probabilities_survive(answer: Prediction, weights: list[float]) -> None:
    total = max(sum(weights), 1e-3)
    probabilities = (np.array(weights) / total).astype(np.float32)
    back = decode(encode(replace(answer, probabilities=probabilities))).prediction
    np.testing.assert_allclose(back.probabilities, probabilities, atol=0.0008)
