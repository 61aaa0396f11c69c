"""The hosts, one per module."""

from ..host import Host
from . import (
    cloud_init,
    cloud_run,
    community_cloud,
    ray_serve,
    render,
    sagemaker,
    spaces,
    static,
    vertex,
    vps_compose,
)

__all__ = ["HOSTS"]

_IN_ORDER = (
    static.HOST,
    community_cloud.HOST,
    render.HOST,
    spaces.HOST,
    vps_compose.HOST,
    cloud_run.HOST,
    cloud_init.HOST,
    vertex.HOST,
    sagemaker.HOST,
    ray_serve.HOST,
)

HOSTS: dict[str, Host] = {host.name: host for host in _IN_ORDER}
"""All hosts by name. The Deploy page shows them in this order: the least cost and upkeep first."""
