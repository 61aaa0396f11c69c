"""Fly.io: one small machine that stops when nobody is there."""

from datetime import date

from ..host import Budget, Expertise, Host, Kind, Limits, ManifestPaths, Source, Traffic
from ..spec import AppSpec
from ..templates import budget_comment, toml_text

__all__ = ["HOST"]

READ = date(2026, 11, 25)
REFERENCE = Source("https://fly.io/docs/reference/configuration/", READ)
PRICING = Source("https://fly.io/docs/about/pricing/", READ, itself=False)
MEMORY_MB = 512
ALERT = (
    "Fly.io has none that is documented; pay with prepaid credit (Billing in the dashboard), and "
    "keep `fly scale count 1`."
)


def make(app: AppSpec) -> dict[str, str]:
    """fly.toml."""
    document = {
        "app": f"{app.name}-CHANGE-ME",
        "primary_region": "fra",
        "kill_signal": "SIGTERM",
        "kill_timeout": app.stop_seconds,
        "build": {
            "dockerfile": app.dockerfile,
            "build-target": app.serve,
            # The volume belongs to root: the entry point hands it to the app's own user.
            "args": {"RUN_AS": "root"},
        },
        "env": app.environment(MEMORY_MB),
        "http_service": {
            "internal_port": app.port,
            "force_https": True,
            "auto_stop_machines": "stop",
            "auto_start_machines": True,
            "min_machines_running": 0,
            "concurrency": {
                "type": "connections",
                "soft_limit": app.visitors,
                "hard_limit": app.visitors * 2,
            },
            "checks": [
                {
                    "grace_period": f"{app.start_seconds}s",
                    "interval": "30s",
                    "method": "GET",
                    "timeout": "5s",
                    "path": app.ready,
                }
            ],
        },
        "mounts": [{"source": f"{app.name}_data", "destination": app.data, "initial_size": "1gb"}],
        "vm": [{"size": "shared-cpu-1x", "memory": f"{MEMORY_MB}mb"}],
    }
    return {
        "fly.toml": toml_text(
            document,
            "fly.toml: https://fly.io/docs/reference/configuration/",
            f"At most {app.instances} machine: fly deploy --ha=false, fly scale count "
            f"{app.instances}. More need LOUPE_DATABASE and fly-replay.",
            budget_comment(ALERT),
        )
    }


HOST = Host(
    name="fly",
    title="Fly.io",
    kind=Kind.PAAS,
    summary="Runs the image in a small virtual machine that stops while nobody visits.",
    limits=Limits(memory_mb=MEMORY_MB, stops_idle=True, image_mb=8192, keeps_files=True),
    sources={
        "memory_mb": REFERENCE,
        "stops_idle": Source("https://fly.io/docs/reference/fly-proxy-autostop-autostart", READ),
        "image_mb": Source(
            "https://community.fly.io/t/we-are-going-to-start-collecting-charges-for-stopped-"
            "machines-rootfs-starting-april-25th/17825",
            READ,
        ),
        "keeps_files": REFERENCE,
        "price": PRICING,
        "manifest": REFERENCE,
    },
    price="By use; a stopped machine costs only its disk. No permanent free tier.",
    budget_alert=ALERT,
    steps=(
        "$ python -m deploy write fly",
        "Change app and primary_region in fly.toml.",
        "$ fly apps create YOUR-NAME",
        "$ fly secrets set LOUPE_SECRET=$(openssl rand -hex 32)",
        "$ fly deploy --ha=false",
        "$ fly scale count 1",
        f"Budget alert: {ALERT}",
    ),
    make=make,
    schemas={"fly.toml": "fly"},
    where=ManifestPaths(
        environment=("fly.toml", "env"),
        port=("fly.toml", "http_service", "internal_port"),
        health=("fly.toml", "http_service", "checks", 0, "path"),
        memory=("fly.toml", "vm", 0, "memory"),
        data=("fly.toml", "mounts", 0, "destination"),
    ),
    port_variable=None,
    bounded_by="fly scale count 1",
    affinity_by="fly-replay",
    budget=Budget.FEW_DOLLARS,
    traffic=Traffic.HUNDREDS,
    knows=Expertise.SOME,
    own_domain=True,
    remarks=(
        "How many machines there are is no key of fly.toml but `fly scale count`.",
        (
            "Visitors are kept with one machine by fly-replay, which Loupe does not send: stay "
            "with one machine, whose volume keeps the records."
        ),
    ),
)
