"""``model.classifier``: one prediction per photo, whatever its source and however many threads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import Bundle, Classifier, Photo, load
from model.admission import AdmissionCancelled, admission_queue
from model.bundle.bundle import GoldenOutputs
from model.classifier import TOLERANCE
from model.engines import Engine, EngineOutput
from model.errors import (
    Busy,
    DamagedPhoto,
    GoldenMismatch,
    MissingPhoto,
    PhotoTooLarge,
)
from model.photo import MAX_BYTES
from model.preprocess import Pixels, preprocess
from model.samples import samples
from tests.model.slots import enter, held, large_waiting
from tests.model.tiny import COLOURS, colour
from tests.photos import drawn, encoded
from tests.waiting import wait_until

LARGE = (2200, 2000)
"""Size of a photo that is decoded while no other large one is."""


def test_path_bytes_and_image_give_the_same_prediction(
    imagenet: Classifier, tmp_path: Path
) -> None:
    image = drawn(300, 260)
    data = encoded(image, "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    read = imagenet.read_photo(data)
    assert isinstance(read, Photo)
    first, *others = [
        imagenet.identify(source)
        for source in (path, str(path), data, image, Image.open(path), read)
    ]
    assert first.probabilities.dtype == np.float32
    assert abs(float(first.probabilities.sum()) - 1) < 1e-5
    for other in others:
        np.testing.assert_array_equal(other.probabilities, first.probabilities)


def test_built_in_model_identifies_samples(imagenet: Classifier) -> None:
    by_name = {sample.name: imagenet.identify(sample.path) for sample in samples()}
    assert by_name["cat"].top(1)[0].label in {"tabby", "tiger cat", "Egyptian cat"}
    assert by_name["coffee"].top(1)[0].label in {"espresso", "cup", "coffee mug"}


@pytest.mark.parametrize("name", COLOURS)
def test_classifier_identifies_each_colour(colours: Classifier, name: str) -> None:
    prediction = colours.identify(colour(name))
    assert prediction.answer == name
    assert prediction.model == "tiny"
    assert prediction.version == colours.bundle.version
    assert prediction.engine == "compiled"
    assert prediction.in_distribution is None
    assert prediction.prediction_set is None
    assert not prediction.calibrated


def test_calibrated_model_detects_out_of_distribution_photos(calibrated_bundle: Bundle) -> None:
    classifier = load("calibrated")
    red, grey = classifier.identify(colour("red")), classifier.identify(colour((128, 128, 128)))
    assert (red.in_distribution, red.answer) == (True, "red")
    assert red.prediction_set is not None
    assert [candidate.label for candidate in red.prediction_set] == ["red"]
    assert (grey.in_distribution, grey.answer) == (False, None)
    assert grey.ood_score is not None
    assert red.ood_score is not None
    assert grey.ood_score > 0.5 > red.ood_score


def test_identification_holds_photo_and_pixels(colours: Classifier) -> None:
    identification = colours.identify_detailed(encoded(drawn(90, 60), "PNG"))
    assert identification.photo.size == (90, 60)
    assert identification.pixels.shape == (32, 32, 3)
    assert identification.pixels.dtype == np.uint8
    again = colours.engine.run(identification.pixels[None]).probabilities[0]
    np.testing.assert_array_equal(again, identification.prediction.probabilities)
    np.testing.assert_array_equal(
        preprocess(identification.photo.image, colours.bundle.manifest.recipe),
        identification.pixels,
    )


def test_missing_file_is_named(colours: Classifier, tmp_path: Path) -> None:
    with pytest.raises(MissingPhoto, match=r"There is no file .*nowhere\.jpg\. Check its name\."):
        colours.identify(tmp_path / "nowhere.jpg")
    with pytest.raises(DamagedPhoto, match="can't be read"):
        colours.identify(tmp_path)


def test_endless_file_is_rejected(colours: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(PhotoTooLarge, match=r"large\.jpg"):
        colours.identify(path)
    if Path("/dev/zero").exists():
        with pytest.raises(PhotoTooLarge):
            colours.identify("/dev/zero")


def test_batch_waits_for_another_large_photo_past_the_deadline(
    colours: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a batch no photo is rejected because others before it were slow to read."""
    queue = admission_queue()
    monkeypatch.setattr(queue, "slots", 2)
    monkeypatch.setattr(queue, "deadline_seconds", 0.05)
    large = encoded(Image.new("RGB", LARGE, "red"), "PNG")
    with ThreadPoolExecutor(1) as pool:
        with held(queue, large=True):
            with pytest.raises(Busy, match=r"Still busy after 0\.05 s"):
                colours.identify(large)
            patient = pool.submit(colours.identify_detailed, large, timeout=None)
            wait_until(lambda: large_waiting(queue) == 1)
            # A small photo takes the slot meanwhile.
            assert colours.identify(colour("red")).answer == "red"
            assert not patient.done()
        times = patient.result(30).prediction.milliseconds
    assert times is not None
    assert times.total == pytest.approx(times.decode + times.preprocess + times.engine)


def test_large_photo_gives_back_its_permit_once_it_is_made_into_pixels(
    colours: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large photo doesn't wait for another one's inference or explanation."""
    queue, waiting, run = admission_queue(), list[str](), colours.engine.run
    large = encoded(Image.new("RGB", LARGE, "red"), "PNG")

    def run_beside_another(pixels: Pixels, **options: bool) -> EngineOutput:
        with ThreadPoolExecutor(1) as pool:
            waiting.append(pool.submit(enter, queue, 5, large=True).result())
        return run(pixels, **options)

    monkeypatch.setattr(queue, "slots", 2)
    monkeypatch.setattr(colours.engine, "run", run_beside_another)
    identification = colours.identify_detailed(large)
    assert waiting == ["in"]
    assert identification.photo.size == LARGE


def test_cancelled_batch_leaves_the_wait_for_a_large_photo(
    colours: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = admission_queue()
    monkeypatch.setattr(queue, "slots", 2)
    large = encoded(Image.new("RGB", LARGE, "red"), "PNG")
    with held(queue, large=True), pytest.raises(AdmissionCancelled):
        colours.identify_detailed(
            large, timeout=None, is_cancelled=lambda: large_waiting(queue) == 1
        )


class WrongEngine(Engine):
    """An engine that returns the same probabilities for every photo."""

    name = "wrong"

    def __init__(self, bundle: Bundle, probabilities: list[float]) -> None:
        super().__init__(bundle)
        self.probabilities = np.array([probabilities], dtype=np.float32)

    def run(self, pixels: Pixels, *, single_thread: bool = False) -> EngineOutput:
        return EngineOutput(self.probabilities, self.probabilities, self.probabilities)


@pytest.mark.parametrize(
    "probabilities",
    [
        [np.nan] * 6,
        [0.5, np.nan, 0, 0, 0, 0],
        [0.49, 0.51, 0, 0, 0, 0],
        [0.4998, 0.5, 0.0002, 0, 0, 0],
        [np.inf, 0, 0, 0, 0, 0],
    ],
)
def test_wrong_probabilities_fail_the_golden_test(
    tiny_bundle: Bundle, probabilities: list[float]
) -> None:
    expected = np.array([[0.50005, 0.49995, 0, 0, 0, 0]], dtype=np.float32)
    pixels = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    tiny_bundle.__dict__["golden"] = GoldenOutputs(pixels, expected, expected)
    with pytest.raises(GoldenMismatch, match="'wrong' doesn't reproduce .*or import it again"):
        Classifier(tiny_bundle, WrongEngine(tiny_bundle, probabilities)).run_golden_test()
    # Two that tie may change places.
    right = Classifier(tiny_bundle, WrongEngine(tiny_bundle, [0.49998, 0.50002, 0, 0, 0, 0]))
    assert right.run_golden_test() < TOLERANCE


def test_sixteen_threads_agree_with_one(imagenet: Classifier) -> None:
    photos = [encoded(drawn(260 + seed, 256, seed), "PNG") for seed in range(6)]
    serial = [imagenet.identify(photo).probabilities for photo in photos]
    assert len({array.tobytes() for array in serial}) == len(photos)

    def difference(number: int) -> float:
        prediction = imagenet.identify(photos[number % 6], timeout=None)
        return float(np.abs(prediction.probabilities - serial[number % 6]).max())

    with ThreadPoolExecutor(16) as pool:
        assert max(pool.map(difference, range(48))) < 1e-5
