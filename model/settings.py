"""Settings: one frozen object, read from the environment, then from ``secrets.toml``."""

from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    SecretStr,
    ValidationError,
    ValidationInfo,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from . import resources
from .engine_info import DEFAULT_ENGINE, ENGINES, ServerEngine
from .errors import SettingRefused

ROOT = Path(__file__).resolve().parent.parent
SECRETS = ROOT / ".streamlit" / "secrets.toml"

WEAK_KEY = (
    "LOUPE_OWNER_KEY is easy to guess: it repeats itself. `python -m model owner --new-key` prints "
    "a better one."
)

MIN_KEY_VARIETY = 8
"""Fewest different characters of a key that isn't weak."""


def _require_plain_url(url: HttpUrl | None) -> HttpUrl | None:
    if url and (url.username or url.password or url.query or url.fragment):
        raise ValueError("Give scheme, host and path only, such as https://example.org/loupe")
    return url


def is_local_name(name: str) -> bool:
    """Return whether a host is an IP address, or a name that nobody can register."""
    last = name.rpartition(".")[2]
    return (
        "." not in name
        or last in ("home", "internal", "lan", "local", "localdomain", "localhost")
        or last.isdecimal()
        or name.endswith(".home.arpa")
    )


def is_private_host(host: str) -> bool:
    """Return whether a host is a private IP address, or a name that nobody can register."""
    try:
        return ip_address(host.strip("[]")).is_private
    except ValueError:
        return is_local_name(host)


def _check_api(address: str) -> str:
    """Return an API's address without a slash at its end; photos cross the internet over https."""
    if not address:
        return ""
    url = HttpUrl(address)
    _require_plain_url(url)
    if url.scheme == "http" and not is_private_host(url.host or ""):
        raise ValueError("Give an https address, or a private one such as http://10.0.0.5:8000")
    return str(url).rstrip("/")


def _check_store(address: str, info: ValidationInfo) -> str:
    """Return a model store's address; a folder's or bucket's is checked when it is opened."""
    database: SecretStr = info.data.get("database", SecretStr(""))
    if address and not database.get_secret_value():
        raise ValueError("A model store also needs LOUPE_DATABASE. Set it to a database's URL")
    return _check_api(address) if address.startswith(("http:", "https:")) else address


EmptyIsNone = BeforeValidator(lambda value: value or None)


class Settings(BaseSettings):
    """The owner's settings, as ``LOUPE_NAME`` or in ``.streamlit/secrets.toml``.

    The defaults suit a laptop. Secrets are masked in ``repr``.
    """

    model_config = SettingsConfigDict(
        env_prefix="LOUPE_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    data: Path = Field(default_factory=lambda: user_data_path("loupe"))
    """The only folder that Loupe writes to: corrections, the owner's models, the signing key."""

    database: SecretStr = SecretStr("")
    """SQLAlchemy URL for corrections and publications; empty means SQLite in the data folder."""

    corrections_max: Annotated[int, Field(ge=0)] = 10_000
    """Number of corrections that are kept; more are refused. 0 saves none."""

    corrections_mb: Annotated[int, Field(ge=0)] = 500
    """Megabytes of photos that are kept with corrections. 0 keeps no photos."""

    corrections_per_minute: Annotated[int, Field(ge=1)] = 60
    """Number of corrections that are saved in a minute."""

    secret: SecretStr = SecretStr("")
    """Key that signs share links; empty means one that is kept in the data folder."""

    model: str = ""
    """The model that the app opens first; empty means the owner's newest, else imagenet."""

    builtin: bool = True
    """True to offer the built-in models beside the owner's."""

    bundles: Path = ROOT / "bundles"
    """A folder with models that are deployed with the app; it is only read."""

    photos: Annotated[Path | None, EmptyIsNone] = None
    """A folder with folders of photos to train on, one per model; it is only read."""

    title: str = ""
    """The app's title; empty means the title of the model that opens first."""

    description: str = ""
    """One sentence about the app; empty means the model's own description."""

    url: Annotated[HttpUrl | None, EmptyIsNone, AfterValidator(_require_plain_url)] = None
    """The app's public address, for link previews; requests for other names are then refused."""

    hosts: Annotated[str, Field(pattern=r"^[A-Za-z0-9.*, _-]*$")] = ""
    """Further names of the app, separated by commas; ``*.example.org`` for all below it, ``*`` for
    any."""

    api: Annotated[str, AfterValidator(_check_api)] = ""
    """Address of another Loupe that identifies the photos; empty means this process."""

    store: Annotated[str, AfterValidator(_check_store)] = ""
    """Folder, bucket or other Loupe with published versions; empty means the data folder only."""

    engine: ServerEngine = DEFAULT_ENGINE
    """The engine that the app uses first."""

    threads: int = Field(default_factory=resources.cores, ge=1, le=256)
    """Number of cores to use; by default the cgroup's quota."""

    memory_mb: int = Field(default_factory=resources.memory_mb, ge=128)
    """Memory for the process in MB; by default the cgroup's limit. Larger photos are refused."""

    queue: Annotated[int, Field(ge=0, le=1000)] = 8
    """Number of photos that may wait while all cores are busy: this many from pages, and as many
    from the API. Batches don't count."""

    deadline: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Seconds that a photo may wait before the answer is 'busy'."""

    batch: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Number of photos in one batch."""

    cors: str = ""
    """Sites whose pages may call the API from a browser, separated by commas."""

    downloads: bool = True
    """True to give the owner's models away: by the API, on the Deploy page, to browsers that run
    them. Built-in models are public."""

    run: Literal["auto", "device", "server"] = "auto"
    """Place where the viewfinder's photos are identified unless a visitor chooses: the device
    once it has the model, the device alone, or the server."""

    recent: Literal["session", "day"] = "session"
    """Time that a visitor's browser keeps its recent photos: while the tab is open, or a day."""

    npm: bool = True
    """Whether npm may fetch onnxruntime-web, which some models need in browsers."""

    metrics: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)*$")] = ""
    """Path of the Prometheus metrics, such as /metrics; empty means none."""

    log: Literal["text", "json"] = "text"
    """Format of the log; json is one object per line."""

    owner_key: Annotated[SecretStr, Field(min_length=20), EmptyIsNone] | None = None
    """Key that signs the owner in on hosts without a terminal; empty means by link alone."""

    sagemaker: bool = False
    """True to add SageMaker's routes, /ping and /invocations."""

    @property
    def api_host(self) -> str | None:
        """The host in ``api``, None without one."""
        return urlsplit(self.api).hostname

    @property
    def has_weak_key(self) -> bool:
        """True if the owner's key has few different characters, or repeats its beginning."""
        key = self.owner_key.get_secret_value().casefold() if self.owner_key else ""
        starts = (key[:length] for length in range(1, (len(key) + 3) // 2))
        repeats = any((start * len(key)).startswith(key) for start in starts)
        return bool(key) and (len({*key}) < MIN_KEY_VARIETY or repeats)

    @property
    def upload_mb(self) -> int:
        """Largest upload, and memory for all large ones together, in MB."""
        return max(100, self.memory_mb * 3 // 16)

    @property
    def origins(self) -> list[str]:
        """The sites in ``cors``, as ``https://example.org``."""
        return [site.strip().rstrip("/") for site in self.cors.split(",") if site.strip()]

    @property
    def host_names(self) -> list[str]:
        """The names in ``hosts`` and ``url``, in lower case; empty if any name may be the app's."""
        public = (self.url and self.url.host) or ""
        return [name.strip().lower() for name in [*self.hosts.split(","), public] if name.strip()]

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL for corrections and publications."""
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
        """Return the sources in order: the environment wins over the file."""
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
    """Return the settings of this process, read once.

    Raises:
        SettingRefused: a value is invalid, or names an engine that can't run on this machine;
            the message names the setting.
    """
    values = _read_settings()
    problem = ENGINES[values.engine].shortfall(values.memory_mb)
    if problem and values.engine != DEFAULT_ENGINE:
        reason, remedy = problem
        raise SettingRefused(
            f"LOUPE_ENGINE: {values.engine} {reason}. {remedy}, or set LOUPE_ENGINE=compiled."
        )
    return values


def _read_settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        # The message leaves the value out, because it may be a secret.
        problems = "; ".join(
            f"LOUPE_{'_'.join(map(str, problem['loc'])).upper()}: "
            + problem["msg"].removeprefix("Value error, ")
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise SettingRefused(f"{problems}. See the table in docs/settings.md.") from None
    except TOMLDecodeError as error:
        raise SettingRefused(f"{SECRETS} is not valid TOML: {error}.") from None
