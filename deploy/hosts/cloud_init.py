"""IaaS: a fresh virtual machine on any cloud sets itself up from one file."""

from ..host import Host, Limits, ManifestPaths, Source, StartCommand
from ..options import Budget, Expertise, Kind, Traffic
from ..spec import AppSpec
from ..templates import PROXY_BODY_MB, dump_yaml, format_budget_alert, make_caddyfile, make_unit
from .vps_systemd import CHECKOUT_DIR, MEMORY_MB
from .vps_systemd import HOST as SERVER

__all__ = ["HOST"]

MODULES = "https://cloudinit.readthedocs.io/en/latest/reference/modules.html"
FILE = "cloud-init.yaml"
UNIT = "/etc/systemd/system/loupe.service"
ALERT = (
    "create a budget with an e-mail alert in the cloud's billing page before the machine "
    "(AWS Budgets, Google Cloud Budgets & alerts, Azure Cost Management)."
)


def make_files(app: AppSpec) -> dict[str, str]:
    """Return user data: the files of the server with systemd, and the commands around them."""
    proxy = make_caddyfile(app, "loupe.example.org", f"127.0.0.1:{app.port}")
    contents = {
        UNIT: make_unit(app, CHECKOUT_DIR, MEMORY_MB),
        "/etc/caddy/Caddyfile": proxy.expandtabs(4),
    }
    pip = f"{CHECKOUT_DIR}/.venv/bin/pip"
    requirements = f"{CHECKOUT_DIR}/{app.requirements}"
    document = {
        "package_update": True,
        "package_upgrade": True,
        "packages": ["caddy", "git", "python3-venv"],
        "write_files": [
            # Deferred until the packages are installed, so that Caddy's own file is replaced.
            {"path": path, "content": content, "permissions": "0644", "defer": True}
            for path, content in contents.items()
        ],
        "runcmd": [
            ["useradd", "--system", "--home-dir", f"/var/lib/{app.name}", app.name],
            ["git", "clone", "--depth=1", "https://github.com/YOU/loupe.git", CHECKOUT_DIR],
            ["python3", "-m", "venv", f"{CHECKOUT_DIR}/.venv"],
            [pip, "install", "-r", requirements, app.postgres_driver],
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", app.name],
            ["systemctl", "restart", "caddy"],
        ],
    }
    comments = (
        "User data for Debian 13 or Ubuntu 24.04, on a machine with 2 GB.",
        format_budget_alert(ALERT),
        "Replace YOU, and loupe.example.org with a domain that points at the machine.",
        "One machine: no autoscaling group.",
    )
    return {FILE: "#cloud-config\n" + dump_yaml(document, *comments)}


HOST = Host(
    name="cloud-init",
    title="A virtual machine (cloud-init)",
    kind=Kind.IAAS,
    summary="EC2, Compute Engine, Azure, Hetzner and others: paste one file as user data.",
    price="By the hour for the machine, its disk and its traffic, whether or not anyone visits.",
    budget=Budget.BY_USE,
    traffic=Traffic.THOUSANDS,
    expertise=Expertise.YES,
    own_domain=True,
    gpu=True,
    limits=Limits(memory_mb=MEMORY_MB, body_mb=PROXY_BODY_MB, keeps_files=True),
    sources=(Source(MODULES, "manifest"), *SERVER.sources),
    budget_alert=ALERT,
    steps=f"""
        Budget alert: {ALERT}
        $ python -m deploy write cloud-init
        Replace YOU and loupe.example.org in cloud-init.yaml.
        Create a machine with 2 GB (Debian 13 or Ubuntu 24.04) and the file as its user data.
        Open ports 80 and 443 in its firewall.
        Point the domain at its address. On the machine:
        $ cloud-init status --wait
        $ echo LOUPE_SECRET=$(openssl rand -hex 32) | sudo install -m 600 /dev/stdin /etc/loupe.env
            && sudo systemctl restart loupe
    """,
    make_files=make_files,
    manifest=ManifestPaths(UNIT, environment="Environment", memory="MemoryMax"),
    start=StartCommand(runner="unit"),
    remarks="""
        Limited to one machine: there is no autoscaling.
        It is charged until it is deleted; its disk is charged even when it is off.
    """,
)
