"""The hosts, one per module; a module that defines ``HOST`` is found automatically."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ..errors import UnknownHost
from ..host import Host
from ..options import Kind

__all__ = ["get_host", "hosts"]

ORDER = (Kind.STATIC, Kind.PAAS, Kind.VPS, Kind.IAAS, Kind.ML_PAAS)


@cache
def hosts() -> dict[str, Host]:
    """Return all hosts by name, sorted by kind and title."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    unsorted: list[Host] = [module.HOST for module in modules]
    ordered = sorted(unsorted, key=lambda host: (ORDER.index(host.kind), host.title))
    return {host.name: host for host in ordered}


def get_host(name: str) -> Host:
    """Return the host of that name.

    Raises:
        UnknownHost: there is none; the message lists all hosts.
    """
    try:
        return hosts()[name]
    except KeyError:
        raise UnknownHost(f"No host named '{name}'. Available: {', '.join(hosts())}.") from None
