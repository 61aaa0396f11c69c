"""Your own server without Docker: a hardened systemd unit, and Caddy for HTTPS."""

from ..host import Host, Limits, ManifestPaths, Source, StartCommand
from ..options import Budget, Expertise, Kind, Traffic
from ..spec import AppSpec
from ..templates import (
    FIXED_MONTHLY_PRICE,
    PROXY_BODY,
    PROXY_BODY_MB,
    SERVER_DIR,
    SERVER_WORDS,
    SYNC,
    format_budget_alert,
    make_caddyfile,
    make_unit,
)

__all__ = ["HOST", "MEMORY_MB"]

MANUAL = "https://www.freedesktop.org/software/systemd/man/latest"
MEMORY_MB = 1024
FILE = "systemd/loupe.service"
SCRIPT = "systemd/install.sh"
INSTALL = f"ssh SERVER sh {SERVER_DIR}/{SCRIPT}"


def make_files(app: AppSpec) -> dict[str, str]:
    """Return the unit and Caddy's configuration."""
    unit_comments = (
        f"Copy to /etc/systemd/system/{app.name}.service",
        format_budget_alert(FIXED_MONTHLY_PRICE),
    )
    proxy_comment = "Copy to /etc/caddy/Caddyfile."
    upstream = f"127.0.0.1:{app.port}"
    return {
        FILE: make_unit(app, SERVER_DIR, app.raise_memory(MEMORY_MB), *unit_comments),
        "systemd/Caddyfile": make_caddyfile(app, "YOUR.DOMAIN", upstream, proxy_comment),
        SCRIPT: _make_install_script(app),
    }


def _make_install_script(app: AppSpec) -> str:
    """Return the script that installs the app on the server, and updates it there."""
    return f"""#!/bin/sh
# Run on the server as root. Running it again updates the app.
# {format_budget_alert(FIXED_MONTHLY_PRICE)}
set -eu
cd {SERVER_DIR}
apt-get update -q
apt-get install -qy caddy openssl python3-venv
test -d .venv || python3 -m venv .venv
.venv/bin/pip install -qr {app.requirements} '{app.postgres_driver}' '{app.npm}'
id {app.name} >/dev/null 2>&1 || useradd --system --home-dir /var/lib/{app.name} {app.name}
test -f /etc/{app.name}.env ||
  (umask 077 && echo LOUPE_SECRET=$(openssl rand -hex 32) > /etc/{app.name}.env)
cp {FILE} /etc/systemd/system/
cp systemd/Caddyfile /etc/caddy/
systemctl daemon-reload
systemctl enable {app.name}
systemctl restart {app.name}
systemctl reload-or-restart caddy
"""


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
        $ WRITE
        $ {SYNC}
        $ {INSTALL}
        Open https://YOUR.DOMAIN. If it doesn't answer: ssh SERVER systemctl status loupe
    """,
    update=f"{SYNC} && {INSTALL}",
    full_install=True,
    placeholders=SERVER_WORDS,
    make_files=make_files,
    manifest=ManifestPaths(FILE, environment="Environment", memory="MemoryMax"),
    start=StartCommand(runner="unit"),
    remarks="""
        Limited to one process on one server.
        System updates, the firewall and backups of /var/lib/loupe are up to you.
    """,
)
