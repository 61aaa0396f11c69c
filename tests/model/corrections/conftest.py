"""A store of corrections in each kind of database, and a prediction to correct."""

from collections.abc import Iterator

import pytest

from model import Classifier, Photo, Prediction
from model.corrections import CorrectionStore
from tests.model.tiny import colour

JPEG = Photo.from_image(colour("red")).to_jpeg()


@pytest.fixture
def store(database_url: str) -> Iterator[CorrectionStore]:
    """An empty store."""
    opened = CorrectionStore(database_url)
    yield opened
    opened.close()


@pytest.fixture
def red(colours: Classifier) -> Prediction:
    """The prediction for a red photo."""
    return colours.identify(colour("red"))
