"""A site from which real browsers load two tiny models and ``imagenet``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.browser import cache
from model.bundle.registry import get_bundle
from tests.device.site import Site, site
from tests.model.tiny import CALIBRATED, tiny


@pytest.fixture(scope="package")
def web(built_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with ``tiny`` and ``calibrated``, which recognise colours, and ``imagenet``."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "BUILT_DIR", built_dir)
        with site() as running:
            running.add_model(tiny(folder))
            running.add_model(tiny(folder, "calibrated", confidence=CALIBRATED))
            running.add_model(get_bundle("imagenet"))
            yield running
