"""Your own server: Docker Compose, and Caddy for HTTPS.

A fresh virtual machine on any cloud sets itself up from one more file.
"""

from ..host import Fit, Host, Limits, Plan
from ..spec import APP, AppSpec
from ..templates import SERVER_DIR, dump_yaml, push, use_own_repository

MEMORY_MB = 1024
UP = "docker compose up --detach --build"
SYNC = f"rsync -rlptz --delete --exclude-from=deploy/rsync.rules ./ SERVER:{SERVER_DIR}/"
"""Command that copies the app and its models to the server; excluded files stay there."""
PROXY_BODY_MB = 201
"""Largest request body that Caddy accepts: maxUploadSize of .streamlit/config.toml, and a form."""
LOG = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
"""Limits of Docker's log, which has none by default."""
CADDYFILE = f"""\
{{$SITE}} {{
	encode zstd gzip
	request_body {{
		max_size {PROXY_BODY_MB}MiB
	}}
	reverse_proxy {APP.name}:{APP.port} {{
		lb_try_duration {APP.start_seconds}s
	}}
}}
"""
"""HTTPS with an automatic certificate in front of the app.

While the app restarts, Caddy retries requests without a body: pages, not photos. With only one app
behind it, health checks would only prolong the outage.
"""


def make_compose_plan(app: AppSpec) -> Plan:
    """Return two containers: the app, which only Caddy can reach, and Caddy."""
    loupe = {
        "build": {"context": ".", "target": app.image_stage},
        "image": f"{app.name}:{app.image_stage}",
        "restart": "unless-stopped",
        "init": True,
        "stop_grace_period": f"{app.stop_seconds}s",
        "expose": [str(app.port)],
        "environment": app.environment(MEMORY_MB),
        # Secrets, one NAME=value per line; the file is optional and not committed.
        "env_file": [{"path": f".env.{app.name}", "required": False}],
        "volumes": [f"data:{app.data_dir}"],
        "mem_limit": f"{MEMORY_MB}m",
        "pids_limit": 256,
        # Each open page takes four file descriptors.
        "ulimits": {"nofile": 65_536},
        "logging": LOG,
        "scale": 1,
        "read_only": True,
        "tmpfs": ["/tmp", "/home/loupe"],  # noqa: S108 - inside the container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "healthcheck": {
            "test": ["CMD", "python", "-m", "deploy.health"],
            "interval": "30s",
            "timeout": "5s",
            "retries": 3,
            "start_period": f"{app.start_seconds}s",
        },
    }
    caddy = {
        "image": "caddy:2",
        "restart": "unless-stopped",
        "ports": ["80:80", "443:443", "443:443/udp"],
        "environment": {"SITE": "${SITE:?Put SITE=your.domain into .env}"},
        "volumes": ["./Caddyfile:/etc/caddy/Caddyfile:ro", "caddy:/data"],
        "mem_limit": "256m",
        "logging": LOG,
        "depends_on": {app.name: {"condition": "service_healthy"}},
    }
    document = {
        "services": {app.name: loupe, "caddy": caddy},
        "volumes": {"data": None, "caddy": None},
    }
    comment = "Keep the volume 'data': it holds corrections and your own models."
    return Plan(
        {"compose.yaml": dump_yaml(document, comment), "Caddyfile": CADDYFILE},
        f"""\
Point a domain at the server and open ports 80 and 443.
Install rsync, and Docker with the Compose plugin, on it: https://docs.docker.com/engine/install/
$ {SYNC}
$ ssh SERVER 'cd {SERVER_DIR} && echo SITE=YOUR.DOMAIN > .env && umask 077 && echo \
LOUPE_SECRET=$(openssl rand -hex 32) > .env.loupe && {UP}'
Open https://YOUR.DOMAIN.""",
        f"{SYNC} && ssh SERVER 'cd {SERVER_DIR} && {UP}'",
    )


COMPOSE = Host(
    name="vps-compose",
    title="A server with Docker Compose",
    kind="server (VPS)",
    summary="Any Linux server with Docker, rented or your own; Caddy gets the certificate.",
    price="The server's monthly price; the software is free.",
    fit=Fit(budget="a few dollars", traffic="thousands an hour", expertise="some"),
    own_domain=True,
    gpu=True,
    limits=Limits(memory_mb=MEMORY_MB, keeps_files=True),
    sources="https://docs.docker.com/reference/compose-file/services/ memory, disk, files",
    budget_alert="a server has a fixed monthly price; ask the provider for an alert on traffic, "
    "which may be charged beyond what is included.",
    remarks="""\
Limited to one instance. System updates, the firewall and backups are up to you.
compose.yaml limits the memory: raise mem_limit and LOUPE_MEMORY_MB together.""",
    make_plan=make_compose_plan,
    placeholders={
        "SERVER": "what you type after ssh, as root: root@203.0.113.5, say",
        "YOUR.DOMAIN": "the domain of the app",
    },
)


def make_cloud_plan(app: AppSpec) -> Plan:
    """Return user data that clones the repository and starts its compose.yaml."""
    commands = (
        "curl -fsSL https://get.docker.com | sh",
        f"git clone --depth=1 YOUR-REPOSITORY {SERVER_DIR}",
        f"cd {SERVER_DIR} && echo SITE=YOUR.DOMAIN > .env",
        "(umask 077; echo LOUPE_SECRET=$(openssl rand -hex 32) > .env.loupe)",
        UP,
    )
    document = {
        "package_update": True,
        "package_upgrade": True,
        "packages": ["curl", "git", *(["git-lfs"] if app.git_lfs else []), "openssl"],
        "runcmd": [" && ".join(commands)],
    }
    comment = "User data for Debian 13 or Ubuntu 24.04, on one machine with 2 GB."
    files = make_compose_plan(app).files
    return Plan(
        {"cloud-init.yaml": "#cloud-config\n" + dump_yaml(document, comment), **files},
        f"""\
{use_own_repository("public")}
$ {push(*files)}
Create a machine with 2 GB (Debian 13 or Ubuntu 24.04), and cloud-init.yaml as its user data.
Open ports 80 and 443 in its firewall, and point YOUR.DOMAIN at its address.
Open https://YOUR.DOMAIN. If it doesn't answer, on the machine:
$ cloud-init status --wait; sudo tail /var/log/cloud-init-output.log
$ sudo docker compose --project-directory {SERVER_DIR} logs""",
        f"{push(*files)} && ssh SERVER 'cd {SERVER_DIR} && sudo git pull && sudo {UP}'",
    )


CLOUD_INIT = Host(
    name="cloud-init",
    title="A virtual machine on any cloud",
    kind="machine (IaaS)",
    summary="EC2, Compute Engine, Azure, Hetzner and others: paste one file as user data.",
    price="By the hour for machine, disk and traffic, whether or not anyone visits.",
    fit=Fit(budget="by use", traffic="thousands an hour", expertise="yes"),
    own_domain=True,
    gpu=True,
    limits=COMPOSE.limits,
    sources="https://cloudinit.readthedocs.io/en/latest/reference/modules.html files\n"
    + COMPOSE.sources,
    budget_alert="create a budget with an e-mail alert in the cloud's billing page before the "
    "machine (AWS Budgets, Google Cloud Budgets & alerts, Azure Cost Management).",
    remarks="""\
Limited to one machine: there is no autoscaling.
It is charged until it is deleted; its disk is charged even when it is off.""",
    make_plan=make_cloud_plan,
    placeholders={
        "YOUR-REPOSITORY": "the https address of your repository, which the machine clones",
        "YOUR.DOMAIN": "the domain of the app",
        "SERVER": "what you type after ssh: debian@203.0.113.5, say",
    },
    github=True,
)
