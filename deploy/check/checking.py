"""Whether a host's files are what the host takes, and whether the app fits the host.

Nothing is started here; ``starting.py`` does that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..errors import DeployError
from ..files import files
from ..host import Host
from ..schemas import faults
from ..spec import APP, AppSpec
from .caddy import caddy_faults
from .dockerfile import read
from .parsing import megabytes, parse_all, variables, written

__all__ = ["CheckResult", "State", "check_files", "check_limits", "duration", "settings_known"]


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was checked; ``todo`` says what to do when it failed."""

    what: str
    state: State
    said: str
    todo: str = ""


def check_files(
    host: Host, made: Mapping[str, str] | None = None, app: AppSpec = APP
) -> list[CheckResult]:
    """The files against their schemas and against the app's description.

    Args:
        host: whose files.
        made: the files by path; by default as they would be written.
        app: the description.
    """
    texts = files(host) if made is None else made
    return list(_checked(host, texts, app))


def _checked(host: Host, texts: Mapping[str, str], app: AppSpec) -> Iterator[CheckResult]:
    try:
        documents = parse_all(texts)
        yield from _schemas(host, documents)
        yield from _proxies(texts)
        yield from _contents(host, documents, app)
    except DeployError as error:
        todo = f"Mend it, or write it again: python -m deploy write {host.name} --force"
        yield CheckResult("files", State.FAILED, str(error), todo)


def _schemas(host: Host, documents: Mapping[str, Any]) -> Iterator[CheckResult]:
    for path, name in host.schemas.items():
        found = faults(name, documents.get(path))
        todo = f"Compare with {host.sources['manifest'].url}."
        if found:
            yield CheckResult(path, State.FAILED, "; ".join(found), todo)
        else:
            yield CheckResult(path, State.OK, "only documented keys and values")


def _proxies(texts: Mapping[str, str]) -> Iterator[CheckResult]:
    """Caddy's files, which have no schema, by Caddy itself."""
    inner = [written(text) for text in texts.values() if text.startswith("#cloud-config")]
    for path, text in [pair for some in (texts, *inner) for pair in some.items()]:
        if not path.endswith("Caddyfile"):
            continue
        fault = caddy_faults(text)
        if fault is None:
            yield CheckResult(path, State.NOTE, "not read: caddy is not installed here")
        elif fault:
            yield CheckResult(
                path, State.FAILED, fault, "Compare with https://caddyserver.com/docs."
            )
        else:
            yield CheckResult(path, State.OK, "caddy takes it")


def _contents(host: Host, documents: Mapping[str, Any], app: AppSpec) -> Iterator[CheckResult]:
    """Port, health path, memory, instances and settings, where the files say them."""
    port = host.at(documents, host.where.port)
    environment = variables(host.at(documents, host.where.environment))
    if port is not None and host.port_variable is None:
        # Nobody tells the app another port, so it must be the one it takes by itself.
        wanted = environment.get("PORT", str(app.port))
        yield _same("port", str(port), wanted, "the app listens there")
    health = host.at(documents, host.where.health)
    if health is not None:
        wanted = host.given.get("AIP_HEALTH_ROUTE", app.ready)
        yield _same("health path", str(health), wanted, "the app answers it when its model is")
    yield from _memory(host, documents, environment, app)
    for place in host.where.most:
        what = f"instances ({place[-1]})"
        yield _same(what, str(host.at(documents, place)), str(app.instances), "no more are charged")
    if host.where.data is not None:
        yield _kept(host.at(documents, host.where.data), environment.get("LOUPE_DATA"), app)
    unknown = settings_known(environment)
    todo = "Use the names in the README's table, Settings."
    if unknown:
        yield CheckResult("settings", State.FAILED, f"no settings: {', '.join(unknown)}", todo)
    elif environment:
        yield CheckResult("settings", State.OK, ", ".join(sorted(environment)))
    if host.starts == "image":
        last = list(read())[-1]
        yield _same("image", last, app.serve, "the Dockerfile's last stage, built by default")


def _memory(
    host: Host, documents: Mapping[str, Any], environment: Mapping[str, str], app: AppSpec
) -> Iterator[CheckResult]:
    """What the files grant, and what they tell the app that it has."""
    granted = host.limits.memory_mb
    if host.where.memory is not None:
        granted = megabytes(host.at(documents, host.where.memory))
        yield _enough("memory in the files", granted, app.memory_mb, "raise it there")
    told = environment.get("LOUPE_MEMORY_MB")
    if told is None or granted is None:
        return
    if megabytes(told) > granted:
        said = f"LOUPE_MEMORY_MB says {told}, there are {granted} MB"
        yield CheckResult(
            "memory told", State.FAILED, said, "The app would be killed: make them the same."
        )
    else:
        yield CheckResult(
            "memory told", State.OK, f"{told} MB: photos that would not fit are refused"
        )


def _kept(there: Any, told: str | None, app: AppSpec) -> CheckResult:
    """Whether what is kept is where the app writes: one mount of several, or StateDirectory=."""
    what, mounts = "data folder", there if isinstance(there, list) else [there]
    state = f"/var/lib/{app.name}"
    kept = [state if one == app.name else str(one).rpartition(":")[2] for one in mounts]
    wanted = told or app.data
    if wanted in kept:
        return CheckResult(what, State.OK, f"{wanted}: outlives a restart")
    todo = f"Corrections would be lost: mount {wanted}, as `write` does."
    return CheckResult(
        what, State.FAILED, f"{', '.join(kept)}: not {wanted}, where the app writes", todo
    )


def settings_known(environment: Mapping[str, str]) -> list[str]:
    """Variables named ``LOUPE_`` that are no settings."""
    from model.settings import Settings

    known = {f"LOUPE_{name.upper()}" for name in Settings.model_fields}
    return [name for name in environment if name.startswith("LOUPE_") and name not in known]


def check_limits(host: Host, app: AppSpec = APP) -> list[CheckResult]:
    """The app's needs against what the host documents."""
    return list(_limits(host, app))


def _limits(host: Host, app: AppSpec) -> Iterator[CheckResult]:
    limits = host.limits
    if limits.memory_mb is not None:
        yield _enough("memory", limits.memory_mb, app.memory_mb, "choose a larger plan")
        if limits.memory_mb < app.learner_mb:
            said = f"takes {app.learner_mb} MB, too much here: the compiled engine answers"
            yield CheckResult("learner engine", State.NOTE, said)
    if limits.start_seconds is not None:
        yield _enough(
            *("seconds to start", limits.start_seconds, app.start_seconds),
            "choose more CPU, or a host that waits longer",
            unit="s",
        )
    if limits.body_mb is not None:
        yield _body(limits.body_mb, app)
    if limits.socket_minutes is not None:
        said = f"a page's web socket is cut after {limits.socket_minutes} minutes and comes back"
        yield CheckResult("web socket", State.NOTE, said)
    if limits.stops_idle:
        yield CheckResult("sleep", State.NOTE, "stops when nobody visits; the next visitor waits")
    if limits.sleeps_minutes is not None:
        said = f"sleeps after {duration(limits.sleeps_minutes)} without a visitor"
        yield CheckResult("sleep", State.NOTE, said)
    if not limits.keeps_files:
        said = f"files do not outlive a restart: give {app.secrets[1]} for corrections that last"
        yield CheckResult("files", State.NOTE, said)


def _body(body_mb: float, app: AppSpec) -> CheckResult:
    what, said = "body of a request", f"{body_mb:g} MB"
    if body_mb < app.phone_photo_mb:
        needed = f"{said}, a phone's photo may have {app.phone_photo_mb} MB"
        return CheckResult(what, State.FAILED, needed, "Choose a host that takes larger requests.")
    if body_mb < app.photo_mb:
        return CheckResult(
            what, State.NOTE, f"{said}: photos up to that; the app takes {app.photo_mb} MB"
        )
    return CheckResult(what, State.OK, f"{said}, photos have at most {app.photo_mb} MB")


def _enough(what: str, there: float, needed: float, todo: str, unit: str = "MB") -> CheckResult:
    said = f"{there:g} {unit}, the app needs {needed:g} {unit}"
    if there < needed:
        return CheckResult(what, State.FAILED, said, f"It does not fit: {todo}.")
    return CheckResult(what, State.OK, said)


def _same(what: str, there: str, wanted: str, why: str) -> CheckResult:
    if there != wanted:
        said = f"'{there}' in the files, '{wanted}' in the app"
        return CheckResult(
            what, State.FAILED, said, "Make both the same: deploy/spec.py is the source."
        )
    return CheckResult(what, State.OK, f"{there}: {why}")


def duration(minutes: int) -> str:
    """Minutes in words; hours from two on."""
    return f"{minutes // 60} hours" if minutes >= 120 else f"{minutes} minutes"
