"""IaaS: a fresh virtual machine of any cloud sets itself up from one file."""

from datetime import date

from ..host import Budget, Expertise, Host, Kind, Limits, ManifestPaths, Source, Traffic
from ..spec import AppSpec
from ..templates import PROXY_BODY_MB, budget_comment, caddyfile, unit, yaml_text
from .vps_systemd import FOLDER, MEMORY_MB
from .vps_systemd import HOST as SERVER

__all__ = ["HOST"]

READ = date(2026, 11, 25)
REFERENCE = Source("https://cloudinit.readthedocs.io/en/latest/reference/modules.html", READ)
ALERT = (
    "create a budget with an e-mail alert in the cloud's billing page before the machine "
    "(AWS Budgets, Google Cloud Budgets & alerts, Azure Cost Management)."
)
FILE = "cloud-init.yaml"
UNIT = "/etc/systemd/system/loupe.service"


def make(app: AppSpec) -> dict[str, str]:
    """User data: the files of the server with systemd, and the commands around them."""
    proxy = caddyfile(app, "loupe.example.org", f"127.0.0.1:{app.port}")
    written = {
        UNIT: unit(app, FOLDER, MEMORY_MB),
        "/etc/caddy/Caddyfile": proxy.expandtabs(4),
    }
    document = {
        "package_update": True,
        "package_upgrade": True,
        "packages": ["caddy", "git", "python3-venv"],
        "write_files": [
            # After the packages, so that Caddy's own file is replaced.
            {"path": path, "content": content, "permissions": "0644", "defer": True}
            for path, content in written.items()
        ],
        "runcmd": [
            ["useradd", "--system", "--home-dir", f"/var/lib/{app.name}", app.name],
            ["git", "clone", "--depth=1", "https://github.com/YOU/loupe.git", FOLDER],
            ["python3", "-m", "venv", f"{FOLDER}/.venv"],
            [
                *(f"{FOLDER}/.venv/bin/pip", "install", "-r", f"{FOLDER}/{app.light}"),
                app.postgresql,
            ],
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", app.name],
            ["systemctl", "restart", "caddy"],
        ],
    }
    return {
        FILE: "#cloud-config\n"
        + yaml_text(
            document,
            "User data for Debian 13 or Ubuntu 24.04, on a machine with 2 GB.",
            budget_comment(ALERT),
            "Replace YOU, and loupe.example.org by a domain that points at the machine.",
            "One machine: no group that grows by itself.",
        )
    }


HOST = Host(
    name="cloud-init",
    title="A virtual machine (cloud-init)",
    kind=Kind.IAAS,
    summary="EC2, Compute Engine, Azure, Hetzner and others: paste one file as user data.",
    limits=Limits(memory_mb=MEMORY_MB, body_mb=PROXY_BODY_MB, keeps_files=True),
    sources={
        "memory_mb": SERVER.sources["memory_mb"],
        "body_mb": SERVER.sources["body_mb"],
        "keeps_files": SERVER.sources["keeps_files"],
        "manifest": REFERENCE,
    },
    price="By the hour of the machine, its disk and its traffic, whether anybody visits or not.",
    budget_alert=ALERT,
    steps=(
        f"Budget alert: {ALERT}",
        "$ python -m deploy write cloud-init",
        "Replace YOU and loupe.example.org in cloud-init.yaml.",
        (
            "Create a machine with 2 GB (Debian 13 or Ubuntu 24.04), the ports 80 and 443 open, "
            "and the file as its user data."
        ),
        "Point the domain at its address. $ cloud-init status --wait tells when it is done.",
        (
            "There: $ echo LOUPE_SECRET=$(openssl rand -hex 32) | sudo install -m 600 /dev/stdin "
            "/etc/loupe.env && sudo systemctl restart loupe"
        ),
    ),
    make=make,
    schemas={FILE: "cloud-init"},
    where=ManifestPaths(
        environment=(UNIT, "Service", "Environment"),
        port=(UNIT, "Service", "Environment", "PORT"),
        memory=(UNIT, "Service", "MemoryMax"),
        data=(UNIT, "Service", "StateDirectory"),
    ),
    starts="unit",
    own_server=True,
    budget=Budget.BY_USE,
    traffic=Traffic.THOUSANDS,
    knows=Expertise.YES,
    own_domain=True,
    gpu=True,
    remarks=(
        "It is one machine; nothing grows by itself.",
        "It is charged until it is deleted; switched off, its disk still is.",
    ),
)
