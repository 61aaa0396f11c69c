"""The configuration of a training run, saved so that the run can be resumed."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..bundle.manifest import NAME_RULE, Name
from ..errors import DataError
from ..settings import settings
from ..storage.disk import replace_atomically
from ..storage.labelled_photos import name_folders

DEFAULT_EPOCHS, MIN_TRAINING_PHOTOS = 8, 2
CONFIG_FILE, COPIES_DIR, FEATURES_FILE = "plan.json", "copies", "features.npz"
CACHES = (COPIES_DIR, FEATURES_FILE)
"""Caches that a new run keeps, since their entries do not depend on the split."""


class Hyperparameters(BaseModel):
    """Hyperparameters that ``--search`` tunes; the defaults come from trials on clothes.

    If ``lr`` is None, fastai's ``lr_find`` finds it; ``magnitude`` is RandAugment's (of 10);
    ``min_scale`` is the smallest part of a photo's area that a crop shows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lr: Annotated[float, Field(gt=0, lt=1)] | None = None
    magnitude: Annotated[int, Field(ge=0, le=10)] = 6
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.1
    min_scale: Annotated[float, Field(gt=0, le=1)] = 0.4
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.02


class TrainingConfig(BaseModel):
    """Options of a training run.

    ``image_size`` is in pixels per side; ``minutes`` limits the whole run (None: no limit);
    ``search`` is in minutes, and ``hyperparameters`` are what it found. If ``epochs`` is None, the
    photos decide whether the network is fine-tuned. ``also`` is a folder of more photos to train
    on, none of which is held out; ``photo_set`` is a set's name, and ``changes`` the file of its
    changed labels. ``unknown`` are folders of photos of none of
    the labels, by a name that visitors read; with ``samples``, visitors see some of the
    held-out photos. With ``keep``, visitors don't see the new model first; with ``candidate``, the
    version in use stays. ``run`` is the number of the run's record, 0 until it has one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    folder: Path
    name: Name
    arch: str = "lite0"
    image_size: Annotated[int | None, Field(ge=32, le=1024, validation_alias="size")] = None
    epochs: Annotated[int, Field(ge=0, le=1000)] | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None
    search: Annotated[float, Field(ge=0)] = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    also: Path | None = None
    changes: Path | None = None
    photo_set: str = ""
    unknown: Annotated[dict[str, Path], BeforeValidator(name_folders)] = {}
    title: Annotated[str, Field(max_length=200)] = ""
    description: Annotated[str, Field(max_length=4000)] = ""
    licence: Annotated[str, Field(min_length=1, max_length=200)] = "not stated"
    source: Annotated[str, Field(max_length=4000)] = ""
    samples: bool = False
    command: str = ""
    models_dir: Path | None = None
    keep: bool = False
    candidate: bool = False
    run: int = 0
    hyperparameters: Hyperparameters | None = None

    @classmethod
    def create(cls, **values: Any) -> Self:
        """Return a configuration with absolute paths.

        Raises:
            DataError: a value is invalid; the message names it.
        """
        try:
            config = cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(step) for step in first["loc"])
            message = NAME_RULE if field == "name" else f"{first['msg']}."
            raise DataError(f"{field}: {message}") from None
        if config.minutes is not None and config.search >= config.minutes:
            raise DataError(
                f"A search of {config.search:g} minutes leaves no time for training within "
                f"{config.minutes:g}. Increase --minutes or reduce --search."
            )
        # Paths are absolute, because --resume may be called from another folder.
        return config.with_paths(Path.resolve)

    def with_paths(self, change: Callable[[Path], Path]) -> Self:
        """Return the configuration with all its paths changed."""
        paths = {name: change(value) for name, value in self if isinstance(value, Path)}
        unknown = {name: change(folder) for name, folder in self.unknown.items()}
        return self.model_copy(update={**paths, "unknown": unknown})

    def save(self, run_dir: Path) -> None:
        """Write the configuration into the folder of its run."""
        data = settings().data.resolve()
        # Paths in the data folder are relative: a backup may be restored to another place.
        config = self.with_paths(
            lambda path: path.relative_to(data) if path.is_relative_to(data) else path
        )
        with replace_atomically(run_dir / CONFIG_FILE) as temporary:
            temporary.write_text(config.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def load(cls, run_dir: Path) -> Self | None:
        """Return the configuration that a run saved, None if there is no valid one."""
        try:
            config = cls.model_validate_json((run_dir / CONFIG_FILE).read_bytes())
            return config.with_paths(settings().data.resolve().joinpath)
        except (OSError, ValueError):
            return None
