"""The hosts that docs/deploy.md describes, for which there is no command.

They are not recommended, because nothing checks them.
"""

from functools import partial

from .host import Budget, Expertise, Kind, Limits, Offer, Traffic
from .hosts import vps_compose

_builds_image = partial(
    Offer,
    kind=Kind.PAAS,
    budget=Budget.FEW_DOLLARS,
    traffic=Traffic.HUNDREDS,
    own_domain=True,
    remarks="Steps: docs/deploy.md, Other hosts that build the image.",
)

DOCUMENTED = (
    _builds_image(
        name="fly",
        title="Fly.io",
        summary="Runs the image in a small virtual machine that stops while there are no visitors.",
        price="Pay as you go; a stopped machine costs only its disk. No permanent free tier.",
        expertise=Expertise.SOME,
        limits=Limits(memory_mb=512, sleeps="when idle", keeps_files=True),
        sources="https://fly.io/docs/about/pricing/ price (cited)\n"
        "https://fly.io/docs/reference/fly-proxy-autostop-autostart sleeps",
    ),
    _builds_image(
        name="railway",
        title="Railway",
        summary="Builds the Dockerfile, and charges for the memory and the cores in use.",
        price="From $5 a month. The free $1 of use a month is less than the app's memory costs.",
        limits=Limits(memory_mb=512, cpu=1, start_seconds=300),
        sources="https://docs.railway.com/pricing/plans memory, cores, price",
    ),
    _builds_image(
        name="heroku",
        title="Heroku",
        summary="Builds the Dockerfile at every push to Heroku's own repository.",
        price="$5 a month for 1,000 hours, sleeping; $7 a month, always on.",
        limits=Limits(memory_mb=512, sleeps="after 30 minutes", start_seconds=60),
        sources="https://devcenter.heroku.com/articles/dyno-types memory\n"
        "https://help.heroku.com/Q8OBM85C/how-do-eco-dyno-hours-work sleeps\n"
        "https://www.heroku.com/dynos price",
    ),
    Offer(
        name="systemd",
        title="A server without Docker",
        kind=Kind.VPS,
        summary="Any Debian or Ubuntu server, with systemd and Caddy.",
        price=vps_compose.HOST.price,
        budget=Budget.FEW_DOLLARS,
        traffic=Traffic.THOUSANDS,
        expertise=Expertise.YES,
        own_domain=True,
        gpu=True,
        limits=vps_compose.HOST.limits,
        sources="https://www.freedesktop.org/software/systemd/man/latest/"
        "systemd.resource-control.html memory (cited)",
        remarks="Steps: docs/deploy.md, A server without Docker.",
    ),
)
