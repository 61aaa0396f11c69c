"""Fixtures of several test files: a data folder of their own, and models."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from model import Bundle, Classifier, load, loading
from model import settings as settings_module
from model.admission import admission_queue
from model.admission.place import local_cores
from model.browser.runtime import runtime_dir
from model.corrections.page_sessions import page_sessions
from model.settings import settings
from tests.browser.server import Server, serving
from tests.model.tiny import CALIBRATED, tiny
from tests.tools import require_tool

LONGEST = ("browser", "device", "operating", "model/training")
"""Folders whose tests start first, one folder after the other.

So no worker is left with a long file at the end, and each starts Chromium and the servers that the
tests of a folder share only once.
"""

# The same examples in every run, and none kept in a folder. Tests share two cores, so how long one
# example takes says little; fixtures of a function are folders, which examples overwrite.
hypothesis_settings.register_profile(
    "loupe",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
hypothesis_settings.load_profile("loupe")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folders = [f"tests/{name}/" for name in LONGEST]
    items.sort(key=lambda item: [not item.nodeid.startswith(folder) for folder in folders])


@pytest.fixture(scope="session", autouse=True)
def _away_from_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither the owner's settings nor the owner's models reach a test."""
    home = tmp_path_factory.mktemp("home")
    # A shell starts background jobs with SIGINT ignored, and programs under test inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LOUPE_")]:
            # What names a database for tests is meant for them.
            if not name.startswith("LOUPE_TEST_"):
                patch.delenv(name)
        patch.setenv("LOUPE_DATA", str(home / "data"))
        patch.setenv("LOUPE_BUNDLES", str(home / "bundles"))
        # No server fetches anything at its start.
        patch.setenv("LOUPE_NPM", "false")
        patch.setattr(settings_module, "SECRETS", home / "secrets.toml")
        _forget()
        yield
    _forget()


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty data folder, and settings that are read anew."""
    folder = tmp_path / "data"
    monkeypatch.setenv("LOUPE_DATA", str(folder))
    monkeypatch.setattr(settings_module, "SECRETS", tmp_path / "secrets.toml")
    monkeypatch.setattr(loading, "_loaded", {})
    monkeypatch.setattr(loading, "_by_fingerprint", {})
    monkeypatch.setattr(loading, "_skipped", {})
    _forget()
    yield folder
    _forget()


@pytest.fixture
def models_dir(data_folder: Path) -> Path:
    """The data folder's models."""
    return data_folder / "models"


@pytest.fixture
def tiny_bundle(models_dir: Path) -> Bundle:
    """The model of colours in the data folder, by the name ``tiny``."""
    return tiny(models_dir)


@pytest.fixture
def calibrated_bundle(models_dir: Path) -> Bundle:
    """The same with calibration: it can say that it does not know."""
    return tiny(models_dir, "calibrated", confidence=CALIBRATED)


@pytest.fixture
def colours(tiny_bundle: Bundle) -> Classifier:
    """The model of colours, loaded."""
    return load(tiny_bundle.name)


@pytest.fixture
def own_corrections(data_folder: Path) -> Iterator[None]:
    """An empty store of corrections in the data folder of this test."""
    from model.corrections import correction_store

    correction_store.cache_clear()
    yield
    if correction_store.cache_info().currsize:
        correction_store().close()
    correction_store.cache_clear()


@pytest.fixture
def token() -> Iterator[str]:
    """The token of an open session, as a page holds it."""
    opened = page_sessions.open_session()
    yield opened
    page_sessions.close_session(opened)


@pytest.fixture(scope="session")
def imagenet(_away_from_home: None) -> Classifier:
    """The model that ships, loaded."""
    return load("imagenet", "compiled")


@pytest.fixture(scope="session")
def built_dir(_away_from_home: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an image's build leaves: onnxruntime-web, fetched once per run by the real npm."""
    require_tool("npm")
    base = tmp_path_factory.getbasetemp()
    # That of a worker is in the run's.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built"
    with FileLock(f"{folder}.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOUPE_DATA", str(folder))
        patch.setenv("LOUPE_NPM", "true")
        _forget()
        runtime_dir()
    _forget()
    return folder / "derived"


@pytest.fixture(scope="session")
def app_server(_away_from_home: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app as people start it: one for all tests, which save more corrections than people."""
    folder = tmp_path_factory.mktemp("server")
    with serving(folder, LOUPE_CORRECTIONS_PER_MINUTE="1000") as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL to write to: the one in ``LOUPE_TEST_POSTGRES``, else one of our own."""
    if named := os.environ.get("LOUPE_TEST_POSTGRES"):
        yield named
        return
    from tests.operating.parts import postgresql

    with postgresql() as server:
        yield server.url


@pytest.fixture
def empty_postgres(postgres: str) -> str:
    """The same, without corrections and sign-ins."""
    from model import sign_ins
    from model.corrections import store
    from model.corrections.database import connect, parse_url

    engine = connect(parse_url(postgres))
    for table in (store.TABLE, sign_ins.TABLE):
        table.drop(engine, checkfirst=True)
    engine.dispose()
    return postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind, not in the data folder."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'records.sqlite'}"
    url: str = request.getfixturevalue("empty_postgres")
    return url


def _forget() -> None:
    settings.cache_clear()
    admission_queue.cache_clear()
    local_cores.cache_clear()
