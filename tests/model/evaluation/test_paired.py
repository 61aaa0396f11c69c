"""Two models on the same photos: the test, the interval, the verdict, each photo decoded once."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest, multinomial

from model import load, photo
from model.bundle import ManifestDraft
from model.evaluation import paired
from model.evaluation.metrics import Proportion
from tests.model.tiny import CALIBRATED, colour, tiny, values


def test_figures_equal_published_ones() -> None:
    # Fagerland, Lydersen and Laake, Statistical Analysis of Contingency Tables, 2017, chapter 8:
    # the data of Bentur et al. and of Cavo et al.
    assert paired.tango_interval(7, 1, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)
    assert paired.tango_interval(16, 6, 161) == pytest.approx((-0.1240, -0.0054), abs=5e-5)
    assert paired.mcnemar_exact(16, 6) == pytest.approx(0.052479, abs=5e-7)


@pytest.mark.parametrize(
    ("only_old", "only_new", "photos"),
    [(0, 0, 5), (5, 0, 5), (0, 1, 44), (3, 9, 341), (16, 6, 161), (40, 40, 100)],
)
def test_figures_match_scipy_and_the_score_test(only_old: int, only_new: int, photos: int) -> None:
    count = only_old + only_new
    expected = binomtest(only_old, count, 0.5).pvalue if count else 1
    assert paired.mcnemar_exact(only_old, only_new) == pytest.approx(expected)
    low, high = paired.tango_interval(only_old, only_new, photos)
    assert -1 <= low <= (only_new - only_old) / photos <= high <= 1
    assert paired.tango_interval(only_new, only_old, photos) == pytest.approx((-high, -low))
    if low > -1:  # at which the score test must reject: the likeliest shares, then the score
        share = np.linspace(max(0, -low), (1 - low) / 2, 200_001)[1:-1]
        logs = only_old * np.log(share) + only_new * np.log(share + low)
        logs += (photos - count) * np.log(1 - 2 * share - low)
        variance = photos * (2 * share[logs.argmax()] + low * (1 - low))
        score = (only_new - only_old - photos * low) / math.sqrt(variance)
        assert score == pytest.approx(1.96, abs=0.01)


def test_lower_end_exceeds_the_truth_about_as_rarely_as_stated() -> None:
    tables = [(lost, won) for lost in range(31) for won in range(31 - lost)]
    missed = [item for item in tables if paired.tango_interval(*item, 30)[0] > -0.01]
    for only_old in (0.02, 0.06, 0.2):
        shares = [only_old, only_old - 0.01, 1.01 - 2 * only_old]
        counts = [(*item, 30 - sum(item)) for item in missed]
        assert multinomial.pmf(counts, 30, shares).sum() <= 0.03


def test_verdict_asks_for_the_interval_and_for_each_label() -> None:
    table, none = paired.PairedTable.of(319, 3, 9, 10), paired.PairedTable.of(0, 0, 0, 0)
    words = "right on 6 more of the same 341 photos: +1.8 points (95% CI −0.3 to +4.2)."
    assert paired.describe_difference(table) == f"The new one is {words}"
    verdict = paired.judge_replacement(
        table, {"shirt": paired.PairedTable.of(300, 3, 0, 0), "hat": none}
    )
    assert verdict.may_replace
    assert verdict.reasons == ("The lower limit is above −1, and no label loses more than three.",)
    unseen = "hat has the fewest photos, 0: a loss of 100 points there could go unseen."
    assert verdict.limits == (unseen,)
    verdict = paired.judge_replacement(table, {"hat": paired.PairedTable.of(20, 4, 0, 0)})
    assert not verdict.may_replace
    assert verdict.reasons == ("hat loses 4 photos net. The limit is three.",)


def test_agreement_on_few_photos_is_not_enough() -> None:
    few, enough = (paired.PairedTable.of(photos, 0, 0, 0) for photos in (380, 381))
    assert paired.judge_replacement(enough, {"hat": enough}).may_replace
    verdict = paired.judge_replacement(few, {"hat": few})
    assert not verdict.may_replace
    assert verdict.limits[0].startswith("380 photos can't rule out a loss of 1 point, even if no")


def test_photo_is_decoded_once_and_trained_ones_are_left_out(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (load(tiny(models_dir, name).name) for name in ("old", "new"))
    folder, sides = tmp_path / "photos", list[int]()
    (folder / "red").mkdir(parents=True)
    for name in ("1.png", "2.png"):
        colour("red").save(folder / "red" / name)

    def count_reads(data: bytes, *, resize: int) -> photo.Photo:
        sides.append(resize)
        return photo.read(data, resize=resize)

    monkeypatch.setattr(paired, "read", count_reads)
    assert paired.evaluate_pair(old, new, folder).table.both_right == 2
    assert sides == [32, 32]
    monkeypatch.setattr(paired, "find_trained", lambda _, paths: list(paths)[:1])
    assert paired.evaluate_pair(old, new, folder).trained == 1


GUESSES = "isn't measurably better than guessing (17%)"
LIMIT = "has a temperature at the limit, so its percentages mean nothing"


@pytest.mark.parametrize(
    ("right", "temperature", "reasons"),
    [
        (20, 1.5, ""),
        (10, 1.5, GUESSES),
        (60, 19.9999, LIMIT),
        (60, 0.0501, LIMIT),
        (10, 19.9999, f"{GUESSES}, and {LIMIT}"),
    ],
)
def test_doubts_are_one_sentence(right: int, temperature: float, reasons: str) -> None:
    confidence = {**CALIBRATED, "temperature": temperature}
    manifest = ManifestDraft.model_validate(values("tiny", confidence=confidence))
    doubt = paired.doubt_of_model(manifest, Proportion.of(right, 60))
    assert doubt.partition(": check that each folder ")[0] == (reasons and f"The model {reasons}")


def test_unmeasured_model_or_one_with_one_label_is_not_doubted() -> None:
    manifest = ManifestDraft.model_validate(values("tiny"))
    assert paired.doubt_of_model(manifest, None) == ""
    one = manifest.model_copy(update={"labels": ("red",)})
    assert paired.doubt_of_model(one, Proportion.of(5, 5)) == ""
