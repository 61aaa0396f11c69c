"""A server of one's own without Docker: a hardened systemd unit, and Caddy for https."""

from datetime import date

from ..host import Budget, Expertise, Host, Kind, Limits, ManifestPaths, Source, Traffic
from ..spec import APP, AppSpec
from ..templates import (
    FIXED_BY_THE_MONTH,
    PROXY_BODY,
    PROXY_BODY_MB,
    budget_comment,
    caddyfile,
    unit,
)

__all__ = ["HOST"]

READ = date(2026, 11, 25)
UNIT = Source(
    "https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html", READ, itself=False
)
MEMORY = Source(
    "https://www.freedesktop.org/software/systemd/man/latest/systemd.resource-control.html",
    READ,
    itself=False,
)
FOLDER = "/opt/loupe"
MEMORY_MB = 1024
FILE = "systemd/loupe.service"


def make(app: AppSpec) -> dict[str, str]:
    """The unit and Caddy's file."""
    notes = (f"Copy to /etc/systemd/system/{app.name}.service", budget_comment(FIXED_BY_THE_MONTH))
    return {
        FILE: unit(app, FOLDER, MEMORY_MB, *notes),
        "systemd/Caddyfile": caddyfile(
            app,
            "loupe.example.org",
            f"127.0.0.1:{app.port}",
            "Copy to /etc/caddy/Caddyfile and put your domain in place of loupe.example.org.",
        ),
    }


HOST = Host(
    name="vps-systemd",
    title="A server with systemd",
    kind=Kind.VPS,
    summary="Linux with Python 3.11 to 3.13, without Docker; the steps are Debian's and Ubuntu's.",
    limits=Limits(memory_mb=MEMORY_MB, body_mb=PROXY_BODY_MB, keeps_files=True),
    sources={
        "memory_mb": MEMORY,
        "body_mb": PROXY_BODY,
        "keeps_files": UNIT,
        "manifest": UNIT,
    },
    price="Whatever the server costs a month; the software is free.",
    budget_alert=FIXED_BY_THE_MONTH,
    steps=(
        f"Budget alert: {FIXED_BY_THE_MONTH}",
        "Point a domain at the server and open the ports 80 and 443.",
        "$ sudo apt install git python3-venv caddy",
        "$ sudo git clone https://github.com/YOU/loupe.git /opt/loupe && cd /opt/loupe",
        (
            "$ sudo python3 -m venv .venv && sudo .venv/bin/pip install -r requirements-serve.txt "
            f"'{APP.postgresql}'"
        ),
        "$ sudo useradd --system --home-dir /var/lib/loupe loupe",
        "$ sudo .venv/bin/python -m deploy write vps-systemd",
        (
            "$ sudo cp systemd/loupe.service /etc/systemd/system/ && sudo cp systemd/Caddyfile "
            "/etc/caddy/"
        ),
        "$ sudo sed -i s/loupe.example.org/YOUR.DOMAIN/ /etc/caddy/Caddyfile",
        (
            "$ echo LOUPE_SECRET=$(openssl rand -hex 32) | sudo install -m 600 /dev/stdin "
            "/etc/loupe.env"
        ),
        "$ sudo systemctl enable --now loupe && sudo systemctl reload caddy",
        "$ systemctl status loupe",
    ),
    make=make,
    schemas={FILE: "unit"},
    where=ManifestPaths(
        environment=(FILE, "Service", "Environment"),
        port=(FILE, "Service", "Environment", "PORT"),
        memory=(FILE, "Service", "MemoryMax"),
        data=(FILE, "Service", "StateDirectory"),
    ),
    starts="unit",
    own_server=True,
    budget=Budget.FEW_DOLLARS,
    traffic=Traffic.THOUSANDS,
    knows=Expertise.YES,
    own_domain=True,
    gpu=True,
    remarks=(
        "It is one process on one server: nothing grows by itself.",
        "Updates of the system, firewall and copies of /var/lib/loupe are yours to make.",
    ),
)
