"""A site with two tiny models, from which real browsers load them."""

from collections.abc import Iterator

import pytest

from model.bundle.registry import get_bundle
from model.errors import EngineUnavailable
from tests.device.site import Site, site
from tests.model.tiny import CALIBRATED, tiny


@pytest.fixture(scope="package")
def web(_away_from_home: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with the models of colours (``tiny``, ``calibrated``) and ``imagenet``."""
    folder = tmp_path_factory.mktemp("models")
    try:
        with site() as running:
            running.add_model(tiny(folder))
            running.add_model(tiny(folder, "calibrated", confidence=CALIBRATED))
            running.add_model(get_bundle("imagenet"))
            yield running
    except EngineUnavailable as reason:
        pytest.skip(str(reason))
