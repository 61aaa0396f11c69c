"""The hosts, one a module; ``HOST`` in it is found by itself."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ..errors import UnknownHost
from ..host import Host, Kind

__all__ = ["get_host", "hosts"]


@cache
def hosts() -> dict[str, Host]:
    """All hosts by name, in the order of their kinds and names."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    # A module without HOST helps the others.
    found: list[Host] = [module.HOST for module in modules if hasattr(module, "HOST")]
    order = [Kind.PAAS, Kind.VPS, Kind.IAAS, Kind.ML_PAAS, Kind.READY_MADE, Kind.DEVICE]
    found.sort(key=lambda host: (order.index(host.kind), host.title))
    return {host.name: host for host in found}


def get_host(name: str) -> Host:
    """The host of that name.

    Raises:
        UnknownHost: there is none; the message lists those that are there.
    """
    try:
        return hosts()[name]
    except KeyError:
        raise UnknownHost(
            f"There is no host '{name}'. Those known here: {', '.join(hosts())}."
        ) from None
