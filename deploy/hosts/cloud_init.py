"""IaaS: a fresh virtual machine on any cloud sets itself up from one file."""

from ..host import Host, Limits, ManifestPaths, Source, StartCommand
from ..options import Budget, Expertise, Kind, Traffic
from ..spec import AppSpec
from ..templates import (
    OWN_REPOSITORY,
    PROXY_BODY_MB,
    PUSH,
    SERVER_DIR,
    dump_yaml,
    format_budget_alert,
    make_caddyfile,
    make_unit,
)
from .vps_systemd import HOST as SERVER
from .vps_systemd import MEMORY_MB

__all__ = ["HOST"]

MODULES = "https://cloudinit.readthedocs.io/en/latest/reference/modules.html"
FILE = "cloud-init.yaml"
REPOSITORY = "YOUR-REPOSITORY"
UNIT = "/etc/systemd/system/loupe.service"
ALERT = (
    "create a budget with an e-mail alert in the cloud's billing page before the machine "
    "(AWS Budgets, Google Cloud Budgets & alerts, Azure Cost Management)."
)


def make_files(app: AppSpec) -> dict[str, str]:
    """Return user data: the files of the server with systemd, and the commands around them."""
    proxy = make_caddyfile(app, "YOUR.DOMAIN", f"127.0.0.1:{app.port}")
    contents = {
        UNIT: make_unit(app, SERVER_DIR, app.raise_memory(MEMORY_MB)),
        "/etc/caddy/Caddyfile": proxy.expandtabs(4),
    }
    pip = f"{SERVER_DIR}/.venv/bin/pip"
    requirements = f"{SERVER_DIR}/{app.requirements}"
    secret = f"umask 077; echo LOUPE_SECRET=$(openssl rand -hex 32) > /etc/{app.name}.env"
    document = {
        "package_update": True,
        "package_upgrade": True,
        "packages": [
            "caddy",
            "git",
            *(["git-lfs"] if app.git_lfs else []),
            "openssl",
            "python3-venv",
        ],
        "write_files": [
            # Deferred until the packages are installed, so that Caddy's own file is replaced.
            {"path": path, "content": content, "permissions": "0644", "defer": True}
            for path, content in contents.items()
        ],
        "runcmd": [
            ["useradd", "--system", "--home-dir", f"/var/lib/{app.name}", app.name],
            ["git", "clone", "--depth=1", REPOSITORY, SERVER_DIR],
            ["sh", "-c", secret],
            ["python3", "-m", "venv", f"{SERVER_DIR}/.venv"],
            [pip, "install", "-r", requirements, app.postgres_driver, app.npm],
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", app.name],
            ["systemctl", "restart", "caddy"],
        ],
    }
    comments = (
        "User data for Debian 13 or Ubuntu 24.04, on a machine with 2 GB.",
        format_budget_alert(ALERT),
        "One machine: no autoscaling group.",
    )
    return {FILE: "#cloud-config\n" + dump_yaml(document, *comments)}


HOST = Host(
    name="cloud-init",
    title="A virtual machine on any cloud",
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
        {OWN_REPOSITORY.replace("--private", "--public")}
        Budget alert: {ALERT}
        $ WRITE
        $ {PUSH}
        Create a machine with 2 GB, or 4 for the learner engine (Debian 13 or Ubuntu 24.04),
            and cloud-init.yaml as its user data.
        Open ports 80 and 443 in its firewall, and point YOUR.DOMAIN at its address.
        Open https://YOUR.DOMAIN. If it doesn't answer, on the machine:
        $ cloud-init status --wait && systemctl status loupe
    """,
    update=f"{PUSH} && ssh SERVER 'sudo git -C {SERVER_DIR} pull && sudo systemctl restart loupe'",
    full_install=True,
    github=True,
    placeholders={
        REPOSITORY: "the address of your repository, which the machine clones",
        "YOUR.DOMAIN": "the domain of the app",
        "SERVER": "what you type after ssh: debian@203.0.113.5, say",
    },
    make_files=make_files,
    manifest=ManifestPaths(UNIT, environment="Environment", memory="MemoryMax"),
    start=StartCommand(runner="unit"),
    remarks="""
        Limited to one machine: there is no autoscaling.
        It is charged until it is deleted; its disk is charged even when it is off.
    """,
)
