"""The one settings object: read from the environment, then from secrets.toml."""

from functools import lru_cache
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from . import resources
from .errors import SettingRefused

__all__ = ["ROOT", "Settings", "settings"]

ROOT = Path(__file__).resolve().parent.parent
SECRETS = ROOT / ".streamlit" / "secrets.toml"


class Settings(BaseSettings):
    """All that an owner can set, as ``LOUPE_NAME`` or in ``.streamlit/secrets.toml``.

    The defaults serve a laptop with nothing set. Secrets are masked in ``repr``.
    """

    model_config = SettingsConfigDict(
        env_prefix="LOUPE_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    data: Path = Field(
        default_factory=lambda: user_data_path("loupe"),
        description="The one folder that is written to: records, models that are not shipped.",
    )
    database: SecretStr = Field(
        default=SecretStr(""),
        description="SQLAlchemy URL of the records; empty means SQLite in the data folder.",
    )
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="Signs result links, so that they can be shown as checked.",
    )
    model: str = Field(default="imagenet", description="The model that the first screen opens.")
    engine: Literal["compiled", "learner"] = Field(
        default="compiled", description="The engine that the first screen opens."
    )
    threads: int = Field(
        default_factory=resources.cores,
        ge=1,
        le=256,
        description="Cores to use; by default the cgroup's quota.",
    )
    memory_mb: int = Field(
        default_factory=resources.memory_mb,
        ge=128,
        description="Memory of this process in MB; by default the cgroup's limit. "
        "Photos that would not fit are refused.",
    )
    queue: int = Field(
        default=8, ge=0, le=1000, description="Photos that may wait while all cores are at work."
    )
    deadline: float = Field(
        default=10.0, gt=0, le=300, description="Seconds that a photo may wait before 'busy'."
    )
    batch: int = Field(
        default=1000, ge=1, le=100_000, description="Photos that one batch may hold."
    )
    photos: Annotated[Path | None, BeforeValidator(lambda value: value or None)] = Field(
        default=None,
        description="Folder with held-out photos; set, visitors see those that a model got wrong.",
    )
    cors: str = Field(
        default="",
        description="Other sites that may call the API from a browser, separated by commas.",
    )
    downloads: bool = Field(
        default=True, description="Whether the API hands out the files of models."
    )
    metrics: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="Path of the Prometheus metrics, as /metrics; empty means none.",
    )
    log: Literal["text", "json"] = Field(
        default="text", description="How the log is written; json is one object a line."
    )
    sagemaker: bool = Field(
        default=False, description="Adds SageMaker's routes, /ping and /invocations."
    )

    @property
    def origins(self) -> list[str]:
        """The sites in ``cors``, as ``https://example.org``."""
        return [site.strip().rstrip("/") for site in self.cors.split(",") if site.strip()]

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the records."""
        return (
            self.database.get_secret_value()
            or f"sqlite:///{self.data.resolve() / 'records.sqlite'}"
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file: a host's own settings win."""
        return init_settings, env_settings, SecretsFile(settings_cls, SECRETS)


class SecretsFile(TomlConfigSettingsSource):
    """``secrets.toml``, whose keys carry the same ``LOUPE_`` prefix as the environment's."""

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        values = super()._read_file(file_path)
        prefix = "LOUPE_"
        return {
            key.removeprefix(prefix).lower(): value
            for key, value in values.items()
            if key.startswith(prefix)
        }


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingRefused: a value is not usable; the message names the setting.
    """
    try:
        return Settings()
    except ValidationError as error:
        # The value is not said back: it may be a secret.
        said = "; ".join(
            f"LOUPE_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False)
        )
        raise SettingRefused(
            f"{said}. The README's table, Settings, has what each takes."
        ) from None
    except TOMLDecodeError as error:
        raise SettingRefused(f"{SECRETS} is not whole TOML: {error}.") from None
