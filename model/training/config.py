"""What is to be trained, and how: enough to go on after a kill."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..bundle import NAME_RULE, Name
from ..errors import DataError

__all__ = ["PLAN", "Hyperparameters", "TrainingConfig"]

PLAN = "plan.json"
HYPER = "hyper.json"


class Hyperparameters(BaseModel):
    """What ``--search`` looks for; the defaults come from trials on clothes.

    ``lr`` None is found by fastai's ``lr_find``; ``magnitude`` is RandAugment's
    (of 10); ``min_scale`` the smallest part of a photo's area that is shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lr: Annotated[float, Field(gt=0, lt=1)] | None = None
    magnitude: Annotated[int, Field(ge=0, le=10)] = 6
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.1
    min_scale: Annotated[float, Field(gt=0, le=1)] = 0.4
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.02

    def keep(self, state: Path) -> None:
        """Write it into the folder of an unfinished training."""
        (state / HYPER).write_text(self.model_dump_json(), encoding="utf-8")

    @classmethod
    def kept(cls, state: Path) -> Self | None:
        """What an unfinished training has chosen already, if it has."""
        try:
            return cls.model_validate_json((state / HYPER).read_bytes())
        except (OSError, ValueError):
            return None


class TrainingConfig(BaseModel):
    """One training. ``side`` in pixels; ``minutes`` for all of it, None without a limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    name: Name
    arch: str = "lite0"
    side: Annotated[int, Field(ge=32, le=1024)] | None = None
    epochs: Annotated[int, Field(ge=0, le=1000)] = 8
    minutes: Annotated[float, Field(gt=0)] | None = None
    search: Annotated[float, Field(ge=0)] = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    unknown: tuple[Path, ...] = ()
    title: Annotated[str, Field(max_length=200)] = ""
    description: Annotated[str, Field(max_length=4000)] = ""
    licence: Annotated[str, Field(min_length=1, max_length=200)] = "not stated"
    source: Annotated[str, Field(max_length=4000)] = ""
    command: str = ""
    shelf: Path | None = None

    @classmethod
    def of(cls, **values: Any) -> Self:
        """A plan of these values.

        Raises:
            DataError: one will not do; the message names it.
        """
        try:
            plan = cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"])
            said = NAME_RULE if where == "name" else f"{first['msg']}."
            raise DataError(f"{where}: {said}") from None
        if plan.minutes is not None and plan.search >= plan.minutes:
            raise DataError(
                f"A search of {plan.search:g} minutes leaves none of {plan.minutes:g} for the "
                "training. Give --minutes more, or --search less."
            )
        # Whoever goes on may stand in another folder.
        where_from = {
            "folder": plan.folder.resolve(),
            "unknown": tuple(one.resolve() for one in plan.unknown),
            "shelf": plan.shelf and plan.shelf.resolve(),
        }
        return plan.model_copy(update=where_from)

    def keep(self, state: Path) -> None:
        """Write it into the folder of an unfinished training."""
        state.mkdir(parents=True, exist_ok=True)
        new = state / f".{PLAN}"
        new.write_text(self.model_dump_json(indent=1), encoding="utf-8")
        new.replace(state / PLAN)

    @classmethod
    def kept(cls, state: Path) -> Self:
        """The plan of an unfinished training.

        Raises:
            DataError: there is none.
        """
        try:
            return cls.model_validate_json((state / PLAN).read_bytes())
        except (OSError, ValueError):
            raise DataError(
                f"There is no unfinished training of {state.name!r} to go on with. Start one "
                f"without --resume: python -m model train FOLDER --name {state.name}"
            ) from None
