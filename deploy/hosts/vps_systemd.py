"""Your own server without Docker: a hardened systemd unit, and Caddy for HTTPS."""

from ..host import Host, Limits, ManifestPaths, Source, StartCommand
from ..options import Budget, Expertise, Kind, Traffic
from ..spec import APP, AppSpec
from ..templates import (
    FIXED_MONTHLY_PRICE,
    PROXY_BODY,
    PROXY_BODY_MB,
    format_budget_alert,
    make_caddyfile,
    make_unit,
)

__all__ = ["CHECKOUT_DIR", "HOST", "MEMORY_MB"]

MANUAL = "https://www.freedesktop.org/software/systemd/man/latest"
CHECKOUT_DIR = "/opt/loupe"
MEMORY_MB = 1024
FILE = "systemd/loupe.service"


def make_files(app: AppSpec) -> dict[str, str]:
    """Return the unit and Caddy's configuration."""
    unit_comments = (
        f"Copy to /etc/systemd/system/{app.name}.service",
        format_budget_alert(FIXED_MONTHLY_PRICE),
    )
    proxy_comment = "Copy to /etc/caddy/Caddyfile and replace loupe.example.org with your domain."
    upstream = f"127.0.0.1:{app.port}"
    return {
        FILE: make_unit(app, CHECKOUT_DIR, MEMORY_MB, *unit_comments),
        "systemd/Caddyfile": make_caddyfile(app, "loupe.example.org", upstream, proxy_comment),
    }


HOST = Host(
    name="vps-systemd",
    title="A server with systemd",
    kind=Kind.VPS,
    summary="Linux with Python 3.11 to 3.13, without Docker; the steps are for Debian and Ubuntu.",
    price="The server's monthly price; the software is free.",
    budget=Budget.FEW_DOLLARS,
    traffic=Traffic.THOUSANDS,
    expertise=Expertise.YES,
    own_domain=True,
    gpu=True,
    limits=Limits(memory_mb=MEMORY_MB, body_mb=PROXY_BODY_MB, keeps_files=True),
    sources=(
        Source(f"{MANUAL}/systemd.resource-control.html", "memory_mb", first_hand=False),
        PROXY_BODY,
        Source(f"{MANUAL}/systemd.exec.html", "keeps_files manifest", first_hand=False),
    ),
    budget_alert=FIXED_MONTHLY_PRICE,
    steps=f"""
        Budget alert: {FIXED_MONTHLY_PRICE}
        Point a domain at the server and open ports 80 and 443.
        $ sudo apt install git python3-venv caddy
        $ sudo git clone https://github.com/YOU/loupe.git /opt/loupe && cd /opt/loupe
        $ sudo python3 -m venv .venv && sudo .venv/bin/pip install -r requirements-serve.txt
            '{APP.postgres_driver}'
        $ sudo useradd --system --home-dir /var/lib/loupe loupe
        $ sudo .venv/bin/python -m deploy write vps-systemd
        $ sudo cp systemd/loupe.service /etc/systemd/system/
        $ sudo cp systemd/Caddyfile /etc/caddy/
        $ sudo sed -i s/loupe.example.org/YOUR.DOMAIN/ /etc/caddy/Caddyfile
        $ echo LOUPE_SECRET=$(openssl rand -hex 32) | sudo install -m 600 /dev/stdin /etc/loupe.env
        $ sudo systemctl enable --now loupe && sudo systemctl reload caddy
        $ systemctl status loupe
    """,
    make_files=make_files,
    manifest=ManifestPaths(FILE, environment="Environment", memory="MemoryMax"),
    start=StartCommand(runner="unit"),
    remarks="""
        Limited to one process on one server.
        System updates, the firewall and backups of /var/lib/loupe are up to you.
    """,
)
