"""Your own server with Docker Compose, and Caddy for HTTPS."""

from ..host import Budget, Expertise, Host, Kind, Limits, Plan, Traffic
from ..spec import APP, AppSpec
from ..templates import SERVER_DIR, dump_yaml

FILE = "compose.yaml"
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


def make_plan(app: AppSpec) -> Plan:
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
        {
            FILE: dump_yaml(document, comment),
            "Caddyfile": CADDYFILE,
        },
        f"""\
Point a domain at the server and open ports 80 and 443.
Install rsync, and Docker with the Compose plugin, on it: https://docs.docker.com/engine/install/
$ {SYNC}
$ ssh SERVER 'cd {SERVER_DIR} && echo SITE=YOUR.DOMAIN > .env && umask 077 && echo \
LOUPE_SECRET=$(openssl rand -hex 32) > .env.loupe && {UP}'
Open https://YOUR.DOMAIN.
""",
        f"{SYNC} && ssh SERVER 'cd {SERVER_DIR} && {UP}'",
    )


HOST = Host(
    name="vps-compose",
    title="A server with Docker Compose",
    kind=Kind.VPS,
    summary="Any Linux server with Docker, rented or your own; Caddy gets the certificate.",
    price="The server's monthly price; the software is free.",
    budget=Budget.FEW_DOLLARS,
    traffic=Traffic.THOUSANDS,
    expertise=Expertise.SOME,
    own_domain=True,
    gpu=True,
    limits=Limits(memory_mb=MEMORY_MB, keeps_files=True),
    sources="""\
https://docs.docker.com/reference/compose-file/services/ memory, disk, files
""",
    budget_alert=(
        "a server has a fixed monthly price; ask the provider for an alert on traffic, which may "
        "be charged beyond what is included."
    ),
    remarks="""\
Limited to one instance. System updates, the firewall and backups are up to you.
compose.yaml limits the memory: raise mem_limit and LOUPE_MEMORY_MB together.
""",
    make_plan=make_plan,
    placeholders={
        "SERVER": "what you type after ssh, as root: root@203.0.113.5, say",
        "YOUR.DOMAIN": "the domain of the app",
    },
)
