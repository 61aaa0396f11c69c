"""Your own server with Docker Compose, and Caddy for HTTPS."""

from ..host import Host, Limits, ManifestPaths, Source
from ..options import Budget, Expertise, Kind, Traffic
from ..spec import AppSpec
from ..templates import (
    FIXED_MONTHLY_PRICE,
    PROXY_BODY,
    PROXY_BODY_MB,
    SERVER_DIR,
    SERVER_WORDS,
    SYNC,
    dump_yaml,
    format_budget_alert,
    make_caddyfile,
)

__all__ = ["HOST"]

SERVICES = "https://docs.docker.com/reference/compose-file/services/"
FILE = "compose.yaml"
MEMORY_MB = 1024


UP = "docker compose up --detach --build"


def make_files(app: AppSpec) -> dict[str, str]:
    """Return two containers: the app, which only Caddy can reach, and Caddy."""
    memory_mb = app.raise_memory(MEMORY_MB)
    loupe = {
        "build": {"context": ".", "target": app.image_stage},
        "image": f"{app.name}:{app.image_stage}",
        "restart": "unless-stopped",
        "init": True,
        "stop_grace_period": f"{app.stop_seconds}s",
        "expose": [str(app.port)],
        "environment": app.environment(memory_mb),
        # Secrets, one NAME=value per line; the file is optional and not committed.
        "env_file": [{"path": f".env.{app.name}", "required": False}],
        "volumes": [f"data:{app.data_dir}"],
        "mem_limit": f"{memory_mb}m",
        "pids_limit": 256,
        "scale": app.max_instances,
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
        "depends_on": {app.name: {"condition": "service_healthy"}},
    }
    document = {
        "services": {app.name: loupe, "caddy": caddy},
        "volumes": {"data": None, "caddy": None},
    }
    comments = (
        f"SITE in .env is the domain, such as SITE=loupe.example.com; then {UP}",
        format_budget_alert(FIXED_MONTHLY_PRICE),
        "Keep the volume 'data': it holds corrections and your own models.",
    )
    upstream = f"{app.name}:{app.port}"
    return {
        FILE: dump_yaml(document, *comments),
        "Caddyfile": make_caddyfile(
            app, "{$SITE}", upstream, "HTTPS for the site that .env names."
        ),
    }


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
    limits=Limits(memory_mb=MEMORY_MB, body_mb=PROXY_BODY_MB, keeps_files=True),
    sources=(
        Source(SERVICES, "memory_mb keeps_files manifest"),
        PROXY_BODY,
    ),
    budget_alert=FIXED_MONTHLY_PRICE,
    steps=f"""
        Budget alert: {FIXED_MONTHLY_PRICE}
        Point a domain at the server and open ports 80 and 443.
        Install Docker with the Compose plugin on it: https://docs.docker.com/engine/install/
        $ WRITE
        $ {SYNC}
        $ ssh SERVER 'cd {SERVER_DIR} && echo SITE=YOUR.DOMAIN > .env && umask 077 &&
            echo LOUPE_SECRET=$(openssl rand -hex 32) > .env.loupe && {UP}'
        Open https://YOUR.DOMAIN.
    """,
    update=f"{SYNC} && ssh SERVER 'cd {SERVER_DIR} && {UP}'",
    full_install=True,
    placeholders=SERVER_WORDS,
    make_files=make_files,
    manifest=ManifestPaths(
        FILE,
        environment="services.loupe.environment",
        port="services.loupe.expose.0",
        memory="services.loupe.mem_limit",
    ),
    max_instances_via="scale: 1",
    remarks="""
        System updates, the firewall and backups are up to you.
        compose.yaml limits the memory: raise mem_limit and LOUPE_MEMORY_MB together.
    """,
)
