"""Settings: read from the environment, then from secrets.toml; secrets are masked."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.client import free_port
from model import resources
from model import settings as settings_module
from model.engine_info import ENGINES
from model.errors import SettingRefused
from model.settings import settings
from tests.python import run_python

SECRET = "correct-horse-battery-staple"


@pytest.fixture
def secrets_file(data_folder: Path) -> Path:
    return Path(settings_module.SECRETS)


def test_defaults_suit_a_laptop(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOUPE_DATA")
    config = settings()
    assert config.data.name == "loupe"
    assert config.model == ""
    assert config.builtin
    assert config.engine == "compiled"
    assert config.threads == resources.cores()
    assert config.memory_mb == resources.memory_mb()
    assert config.secret.get_secret_value() == ""
    assert config.database_url == f"sqlite:///{config.data.resolve() / 'records.sqlite'}"


def test_environment_sets_settings(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LOUPE_THREADS": "7",
        "LOUPE_QUEUE": "0",
        "LOUPE_DEADLINE": "2.5",
        "LOUPE_MODEL": "birds",
        "LOUPE_BATCH": "12",
        "LOUPE_MEMORY_MB": "512",
        "LOUPE_DATABASE": f"postgresql://user:{SECRET}@host/loupe",
    }.items():
        monkeypatch.setenv(name, value)
    config = settings()
    assert config.data == data_folder
    assert (config.threads, config.queue, config.deadline) == (7, 0, 2.5)
    assert (config.model, config.batch, config.memory_mb) == ("birds", 12, 512)
    assert config.database_url == f"postgresql://user:{SECRET}@host/loupe"


def test_secrets_toml_sets_settings_by_the_same_names(secrets_file: Path) -> None:
    secrets_file.write_text(
        f'LOUPE_SECRET = "{SECRET}"\nLOUPE_THREADS = 3\nthreads = 9\nMODEL = "other"\n'
        '[auth]\nclient_secret = "of another"\n'
    )
    config = settings()
    assert config.secret.get_secret_value() == SECRET
    assert config.threads == 3
    assert config.model == ""
    assert config.builtin


def test_environment_wins_over_the_file(
    secrets_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets_file.write_text("LOUPE_THREADS = 3\nLOUPE_QUEUE = 4\n")
    monkeypatch.setenv("LOUPE_THREADS", "5")
    assert (settings().threads, settings().queue) == (5, 4)


def test_secrets_are_masked(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_SECRET", SECRET)
    monkeypatch.setenv("LOUPE_DATABASE", f"postgresql://user:{SECRET}@host/loupe")
    config = settings()
    for text in (repr(config), str(config), str(config.model_dump()), config.model_dump_json()):
        assert "horse" not in text
    assert config.secret.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threads", "0"),
        ("memory_mb", "64"),
        ("queue", "-1"),
        ("deadline", "0"),
        ("deadline", "nan"),
        ("engine", "fake"),
        ("url", "example.org"),
        ("url", "javascript:alert(1)"),
        ("url", "https://user:word@example.org"),
        ("url", "https://example.org/?page=1"),
    ],
)
def test_invalid_value_is_named(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"LOUPE_{name.upper()}", value)
    monkeypatch.setenv("LOUPE_SECRET", SECRET)
    with pytest.raises(SettingRefused) as caught:
        settings()
    assert str(caught.value).startswith(f"LOUPE_{name.upper()}: ")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("line", ["LOUPE_SECRET = 8151623427", 'LOUPE_SECRET = ["8151623427"]'])
def test_invalid_secret_is_not_printed(secrets_file: Path, line: str) -> None:
    secrets_file.write_text(line)
    with pytest.raises(SettingRefused) as caught:
        settings()
    assert str(caught.value).startswith("LOUPE_SECRET: ")
    assert "8151623427" not in str(caught.value)


def test_invalid_secrets_file_is_named(secrets_file: Path) -> None:
    secrets_file.write_text("LOUPE_SECRET = ")
    with pytest.raises(SettingRefused, match="is not valid TOML"):
        settings()


def test_app_with_an_invalid_setting_stops_with_one_line(data_folder: Path) -> None:
    environment = {**os.environ, "LOUPE_LOG": "yaml", "LOUPE_METRICS": "metrics"}
    words = ("-m", "streamlit", "run", "streamlit_app.py", "--server.headless=true")
    done = run_python(*words, f"--server.port={free_port()}", env=environment, check=False)
    assert done.returncode
    assert "setting-refused: LOUPE_METRICS: " in done.stderr
    assert "LOUPE_LOG: Input should be 'text' or 'json'" in done.stderr
    assert "Traceback" not in done.stderr


def test_engine_that_cannot_run_is_refused(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_ENGINE", "learner")
    monkeypatch.setitem(ENGINES, "learner", replace(ENGINES["learner"], packages=()))
    monkeypatch.setenv("LOUPE_MEMORY_MB", "690")
    with pytest.raises(SettingRefused) as refused:
        settings()
    assert str(refused.value) == (
        "LOUPE_ENGINE: learner needs 1,024 MB of memory and this app may use 690 MB. "
        "Raise LOUPE_MEMORY_MB, or set LOUPE_ENGINE=compiled."
    )
    monkeypatch.setenv("LOUPE_MEMORY_MB", "1024")
    assert settings().engine == "learner"
    settings.cache_clear()
    missing = replace(ENGINES["learner"], packages=("no_such_package",))
    monkeypatch.setitem(ENGINES, "learner", missing)
    with pytest.raises(SettingRefused, match=r"needs no_such_package, which isn't installed\. Run"):
        settings()
