"""A server of one's own with Docker Compose, and Caddy for https."""

from datetime import date

from ..host import Budget, Expertise, Host, Kind, Limits, ManifestPaths, Source, Traffic
from ..spec import AppSpec
from ..templates import (
    FIXED_BY_THE_MONTH,
    PROXY_BODY,
    PROXY_BODY_MB,
    budget_comment,
    caddyfile,
    yaml_text,
)

__all__ = ["HOST"]

READ = date(2026, 11, 25)
COMPOSE = Source("https://docs.docker.com/reference/compose-file/services/", READ)
MEMORY_MB = 1024


def make(app: AppSpec) -> dict[str, str]:
    """Two containers: the app, which only Caddy reaches, and Caddy."""
    health = {"test": ["CMD", "python", "-m", "deploy.health"], "interval": "30s", "timeout": "5s"}
    loupe = {
        "build": {"context": ".", "target": app.serve},
        "image": f"{app.name}:{app.serve}",
        "restart": "unless-stopped",
        "init": True,
        "stop_grace_period": f"{app.stop_seconds}s",
        "expose": [str(app.port)],
        "environment": app.environment(MEMORY_MB),
        # Secrets, one NAME=value a line; the file need not be there and is not committed.
        "env_file": [{"path": f".env.{app.name}", "required": False}],
        "volumes": [f"data:{app.data}"],
        "mem_limit": f"{MEMORY_MB}m",
        "pids_limit": 256,
        "scale": app.instances,
        "read_only": True,
        "tmpfs": ["/tmp", "/home/loupe"],  # noqa: S108 - inside the container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "healthcheck": {**health, "retries": 3, "start_period": f"{app.start_seconds}s"},
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
    return {
        "compose.yaml": yaml_text(
            {
                "services": {app.name: loupe, "caddy": caddy},
                "volumes": {"data": None, "caddy": None},
            },
            "echo SITE=loupe.example.org > .env, then docker compose up --detach --build",
            budget_comment(FIXED_BY_THE_MONTH),
            "Keep the volume 'data': records and your own models are in it.",
        ),
        "Caddyfile": caddyfile(
            app,
            "{$SITE}",
            f"{app.name}:{app.port}",
            "https for the site that .env names.",
        ),
    }


HOST = Host(
    name="vps-compose",
    title="A server with Docker Compose",
    kind=Kind.VPS,
    summary="Any rented or own Linux server with Docker; Caddy gets the certificate.",
    limits=Limits(memory_mb=MEMORY_MB, body_mb=PROXY_BODY_MB, keeps_files=True),
    sources={
        "memory_mb": COMPOSE,
        "body_mb": PROXY_BODY,
        "keeps_files": COMPOSE,
        "manifest": COMPOSE,
    },
    price="Whatever the server costs a month; the software is free.",
    budget_alert=FIXED_BY_THE_MONTH,
    steps=(
        "On your own machine: $ python -m deploy write vps-compose, then commit and push.",
        f"Budget alert: {FIXED_BY_THE_MONTH}",
        "Point a domain at the server and open the ports 80 and 443.",
        "Install Docker with the Compose plugin: https://docs.docker.com/engine/install/",
        "$ git clone https://github.com/YOU/loupe.git && cd loupe",
        "$ echo LOUPE_SECRET=$(openssl rand -hex 32) > .env.loupe && chmod 600 .env.loupe",
        "$ echo SITE=YOUR.DOMAIN > .env",
        "$ docker compose up --detach --build",
        "$ docker compose ps",
    ),
    make=make,
    schemas={"compose.yaml": "compose"},
    where=ManifestPaths(
        environment=("compose.yaml", "services", "loupe", "environment"),
        port=("compose.yaml", "services", "loupe", "expose", 0),
        memory=("compose.yaml", "services", "loupe", "mem_limit"),
        most=(("compose.yaml", "services", "loupe", "scale"),),
        data=("compose.yaml", "services", "loupe", "volumes"),
    ),
    port_variable=None,
    own_server=True,
    bounded_by="scale: 1",
    budget=Budget.FEW_DOLLARS,
    traffic=Traffic.THOUSANDS,
    knows=Expertise.SOME,
    own_domain=True,
    gpu=True,
    remarks=(
        "Updates of the system, firewall and copies of the data folder are yours to make.",
        "The memory is what compose.yaml grants; raise mem_limit and LOUPE_MEMORY_MB together.",
    ),
)
