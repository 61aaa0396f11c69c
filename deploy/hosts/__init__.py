"""The hosts, one a module; ``HOST`` in it is found by itself."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ..errors import UnknownHost
from ..host import Host

__all__ = ["find", "hosts"]


@cache
def hosts() -> dict[str, Host]:
    """All hosts by name, in the order of their kinds and names."""
    found: list[Host] = [
        import_module(f"{__name__}.{module.name}").HOST for module in iter_modules(__path__)
    ]
    order = {"PaaS": 0, "VPS": 1, "IaaS": 2, "ML PaaS": 3}
    return {host.name: host for host in sorted(found, key=lambda one: (order[one.kind], one.title))}


def find(name: str) -> Host:
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
