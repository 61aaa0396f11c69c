"""A result as a link: it shows what this app said, or says that it cannot."""

import random
import string
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from model import Bundle, Classifier, Prediction, load
from model.errors import LinkError
from model.settings import settings
from model.share_link import MOST, SharedPrediction, decode, encode
from tests.model.tiny import colour, tiny
from tests.photos import drawn


@pytest.fixture
def answer(calibrated_bundle: Bundle) -> Prediction:
    return load("calibrated").identify(drawn(60, 60))


@pytest.fixture
def secret(data_folder: object, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LOUPE_SECRET", "first secret")
    settings.cache_clear()
    return "first secret"


def other_secret(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LOUPE_SECRET", value)
    settings.cache_clear()


def test_an_answer_comes_back(answer: Prediction) -> None:
    shared = decode(encode(answer))
    back = shared.prediction
    assert not shared.checked
    assert (back.model, back.version, back.engine) == (answer.model, answer.version, answer.engine)
    assert back.labels == answer.labels
    assert [one.label for one in back.top(3)] == [one.label for one in answer.top(3)]
    np.testing.assert_allclose(back.probabilities, answer.probabilities, atol=0.0005 + 1e-6)
    assert back.milliseconds is None
    assert back.in_distribution is answer.in_distribution
    assert back.calibrated
    assert answer.prediction_set is not None
    assert back.prediction_set is not None
    assert [one.label for one in back.prediction_set] == [
        one.label for one in answer.prediction_set
    ]


@pytest.mark.parametrize("grey", [(128, 128, 128), (120, 130, 125)])
def test_an_unknown_one_stays_unknown(
    calibrated_bundle: Bundle, grey: tuple[int, int, int]
) -> None:
    back = decode(encode(load("calibrated").identify(colour(grey)))).prediction
    assert back.in_distribution is False
    assert back.answer is None


def test_every_kind_of_model_has_links(shelf: object, imagenet: Classifier) -> None:
    tiny(shelf, "several", multilabel=True)  # type: ignore[arg-type]
    tiny(shelf, "plain")  # type: ignore[arg-type]
    for classifier in (load("several"), load("plain"), load("plain", "fake"), imagenet):
        for seed in range(5):
            found = classifier.identify(drawn(50, 50, seed))
            back = decode(encode(found)).prediction
            assert back.engine == found.engine
            assert back.multilabel == found.multilabel
            first = {one.label for one in found.top(MOST) if one.probability > 0.0006}
            assert {one.label for one in back.top(len(first))} == first


def test_rounding_changes_no_order(answer: Prediction) -> None:
    """Two labels that are equal once rounded: the first one stays the answer."""
    close = np.array([0.4001, 0.0, 0.4003, 0.1996, 0.0, 0.0], dtype=np.float32)
    found = replace(answer, probabilities=close, in_distribution=True, prediction_set=None)
    assert found.answer == "blue"
    back = decode(encode(found)).prediction
    assert back.answer == "blue"
    assert [one.label for one in back.top(3)] == [one.label for one in found.top(3)]


def test_it_holds_no_text_and_is_short(imagenet: Classifier) -> None:
    token = encode(imagenet.identify(drawn(50, 50)))
    assert len(token) < 200
    assert set(token) <= set(string.ascii_lowercase + string.digits + "~_-.")
    assert token.count("_") == MOST - 1


def test_a_signed_link_is_checked(answer: Prediction, secret: str) -> None:
    token = encode(answer)
    assert "." in token
    shared = decode(token)
    assert shared.checked
    assert shared.prediction.answer == answer.answer


def test_an_unsigned_or_tampered_one_is_shown_as_not_checked(
    answer: Prediction, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = encode(answer)
    body, _, signature = signed.rpartition(".")
    index, permille = body.split("~")[-1].split("_")[0].split("-")
    lowered = body.replace(f"{index}-{permille}", f"{index}-{int(permille) - 1}", 1)
    last = "A" if signature[0] != "A" else "B"
    for token in (
        body,
        body + ".",
        f"{body}.{last}{signature[1:]}",
        f"{lowered}.{signature}",
        f"{body}.{signature[:-4]}",
    ):
        assert not decode(token).checked, token
    other_secret(monkeypatch, "second secret")
    assert not decode(signed).checked
    other_secret(monkeypatch, "")
    assert not decode(signed).checked
    other_secret(monkeypatch, secret)
    assert decode(signed).checked


def test_another_version_is_not_shown(answer: Prediction) -> None:
    other = encode(replace(answer, version="0123456789ab"))
    with pytest.raises(LinkError, match="version 0123456789ab .* Send the photo again"):
        decode(other)


def test_a_model_that_is_not_here_is_not_shown(answer: Prediction) -> None:
    with pytest.raises(LinkError, match=r"a model that is not here \(dogs\)"):
        decode(encode(replace(answer, model="dogs")))


def test_a_damaged_model_is_not_shown(answer: Prediction, calibrated_bundle: Bundle) -> None:
    token = encode(answer)
    (calibrated_bundle.folder / "bundle.json").write_text("{")
    with pytest.raises(LinkError, match="not here"):
        decode(token)


def hostile(good: str) -> list[str]:
    """A hundred tokens that nobody was given."""
    head, pairs = good.rsplit("~", 1)
    model, version, *_ = good.split("~")
    made = [
        "",
        "~",
        "~" * 6,
        ".",
        good + "~",
        "~" + good,
        good + "\n",
        " " + good,
        good.upper(),
        good * 2,
        good[:-1] + "-",
        f"{head}~",
        f"{head}~1",
        f"{head}~-1",
        f"{head}~0-1001",
        f"{head}~0-9999",
        f"{head}~6-10",
        f"{head}~999999-10",
        f"{head}~0-600_0-400",
        f"{head}~0-400_1-600",
        f"{head}~0-600_1-600",
        f"{head}~0--5",
        f"{head}~0-1e3",
        f"{head}~0-0x10",
        f"{head}~0-NaN",
        f"{head}~٠-٥",
        f"{head}~{'_'.join(['0-1'] * 11)}",
        f"../..~{version}~c~x~x~0-1",
        f"/etc/passwd~{version}~c~x~x~0-1",
        f"{model}/../x~{version}~c~x~x~0-1",
        f"{model}~{version[:-1]}~c~x~x~0-1",
        f"{model}~{version}~q~x~x~0-1",
        f"{model}~{version}~c~z~x~0-1",
        f"{model}~{version}~c~x~100~0-1",
        f"{model}~{version}~c~x~-1~0-1",
        f"{model}~{version}~C~x~x~0-1",
        "<script>alert(1)</script>",
        "[click](javascript:alert(1))",
        "%00",
        "\0" * 50,
        "\ud800",
        "💥" * 400,
        "a" * 100_000,
        "9" * 5000,
        "{}",
        "null",
        "'; DROP TABLE corrections; --",
    ]
    noise = random.Random(0)
    alphabet = string.ascii_lowercase + string.digits + "~_-.\x00é"
    while len(made) < 100:
        broken = list(head + "~" + pairs)
        for _ in range(noise.randint(2, 6)):
            broken[noise.randrange(len(head) - 20)] = noise.choice(alphabet)
        made.append("".join(broken))
    return made


@pytest.mark.parametrize("signing", [False, True])
def test_hostile_tokens_are_refused(
    answer: Prediction, monkeypatch: pytest.MonkeyPatch, signing: bool
) -> None:
    tokens = hostile(encode(answer))
    if signing:
        other_secret(monkeypatch, "a secret")
    for token in tokens:
        with pytest.raises(LinkError) as caught:
            decode(token)
        message = str(caught.value)
        assert len(message) < 300
        assert not set(message) & set("<>[]\0"), token


@given_settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.text(max_size=80), st.text(alphabet="tiny~0123456789abcflx_-.", max_size=120)))
def test_any_text_is_an_answer_or_a_refusal(tiny_bundle: Bundle, token: str) -> None:
    try:
        shared = decode(token)
    except LinkError:
        return
    assert isinstance(shared, SharedPrediction)


@given_settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(weights=st.lists(st.floats(0, 1, width=32), min_size=6, max_size=6))
def test_any_answer_comes_back(answer: Prediction, weights: list[float]) -> None:
    total = max(sum(weights), 1e-3)
    probabilities = (np.array(weights) / total).astype(np.float32)
    back = decode(encode(replace(answer, probabilities=probabilities))).prediction
    np.testing.assert_allclose(back.probabilities, probabilities, atol=0.0008)


def test_a_forged_link_can_claim_no_more_than_everything(answer: Prediction) -> None:
    head = encode(answer).rsplit("~", 1)[0]
    shared = decode(f"{head}~0-1000")
    assert not shared.checked
    assert shared.prediction.answer in (None, "red")
