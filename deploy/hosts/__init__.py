"""The hosts that have files, and those that docs/deploy.md describes."""

from functools import partial

from ..host import Fit, Host, Limits, Offer
from . import (
    cloud_run,
    community_cloud,
    ray_serve,
    render,
    sagemaker,
    server,
    spaces,
    static,
    vertex,
)

__all__ = ["DOCUMENTED", "HOSTS"]

_IN_ORDER = (
    static.HOST,
    community_cloud.HOST,
    render.HOST,
    spaces.HOST,
    server.COMPOSE,
    cloud_run.HOST,
    server.CLOUD_INIT,
    vertex.HOST,
    sagemaker.HOST,
    ray_serve.HOST,
)

HOSTS: dict[str, Host] = {host.name: host for host in _IN_ORDER}
"""All hosts by name. The Deploy page shows them in this order: the least cost and upkeep first."""

_builds_image = partial(
    Offer,
    kind="managed (PaaS)",
    own_domain=True,
    remarks="Steps: docs/deploy.md, Other hosts that build the image.",
)

DOCUMENTED: tuple[Offer, ...] = (
    _builds_image(
        name="fly",
        title="Fly.io",
        summary="Runs the image in a small virtual machine that stops while there are no visitors.",
        price="Pay as you go; a stopped machine costs only its disk. No permanent free tier.",
        fit=Fit(budget="a few dollars", traffic="hundreds a day", expertise="some"),
        limits=Limits(memory_mb=512, sleeps="when idle", keeps_files=True),
        sources="https://fly.io/docs/about/pricing/ price (cited)\n"
        "https://fly.io/docs/reference/fly-proxy-autostop-autostart sleeps",
    ),
    _builds_image(
        name="railway",
        title="Railway",
        summary="Builds the Dockerfile, and charges for the memory and the cores in use.",
        price="From $5 a month. The free $1 of use a month is less than the app's memory costs.",
        fit=Fit(budget="a few dollars", traffic="hundreds a day"),
        limits=Limits(memory_mb=512, cpu=1, start_seconds=300),
        sources="https://docs.railway.com/pricing/plans memory, cores, price",
    ),
    _builds_image(
        name="heroku",
        title="Heroku",
        summary="Builds the Dockerfile at every push to Heroku's own repository.",
        price="$5 a month for 1,000 hours, sleeping; $7 a month, always on.",
        fit=Fit(budget="a few dollars", traffic="hundreds a day"),
        limits=Limits(memory_mb=512, sleeps="after 30 minutes", start_seconds=60),
        sources="https://devcenter.heroku.com/articles/dyno-types memory\n"
        "https://help.heroku.com/Q8OBM85C/how-do-eco-dyno-hours-work sleeps\n"
        "https://www.heroku.com/dynos price",
    ),
    Offer(
        name="systemd",
        title="A server without Docker",
        kind="server (VPS)",
        summary="Any Debian or Ubuntu server, with systemd and Caddy.",
        price=server.COMPOSE.price,
        fit=Fit(budget="a few dollars", traffic="thousands an hour", expertise="yes"),
        own_domain=True,
        gpu=True,
        limits=server.COMPOSE.limits,
        sources="https://www.freedesktop.org/software/systemd/man/latest/"
        "systemd.resource-control.html memory (cited)",
        remarks="Steps: docs/deploy.md, A server without Docker.",
    ),
)
"""Hosts without a command. They are not recommended, because nothing checks them."""
