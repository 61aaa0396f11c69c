"""Fly.io: one small machine that stops while there are no visitors."""

from ..host import Host, Limits, ManifestPaths, Source
from ..options import Budget, Expertise, Kind, Traffic
from ..spec import AppSpec
from ..templates import dump_toml, format_budget_alert

__all__ = ["HOST"]

IMAGE_SIZE = (
    "https://community.fly.io/t/we-are-going-to-start-collecting-charges-for-stopped-machines-"
    "rootfs-starting-april-25th/17825"
)
REFERENCE = "https://fly.io/docs/reference/configuration/"
FILE = "fly.toml"
NAME = "YOUR-APP-NAME"
MEMORY_MB = 512
ALERT = (
    "Fly.io documents none; pay with prepaid credit (Billing in the dashboard), and keep "
    "`fly scale count 1`."
)


def make_files(app: AppSpec) -> dict[str, str]:
    """Return fly.toml."""
    memory_mb = app.raise_memory(MEMORY_MB)
    check = {
        "grace_period": f"{app.start_seconds}s",
        "interval": "30s",
        "method": "GET",
        "timeout": "5s",
        "path": app.ready_path,
    }
    document = {
        "app": NAME,
        "primary_region": "fra",
        "kill_signal": "SIGTERM",
        "kill_timeout": app.stop_seconds,
        "build": {
            "dockerfile": app.dockerfile,
            "build-target": app.image_stage,
            # The volume belongs to root: the entry point hands it to the app's own user.
            "args": {"RUN_AS": "root"},
        },
        "env": app.environment(memory_mb),
        "http_service": {
            "internal_port": app.port,
            "force_https": True,
            "auto_stop_machines": "stop",
            "auto_start_machines": True,
            "min_machines_running": 0,
            "concurrency": {
                "type": "connections",
                "soft_limit": app.max_visitors,
                "hard_limit": app.max_visitors * 2,
            },
            "checks": [check],
        },
        "mounts": [
            {"source": f"{app.name}_data", "destination": app.data_dir, "initial_size": "1gb"}
        ],
        "vm": [{"size": "shared-cpu-1x", "memory": f"{memory_mb}mb"}],
    }
    comments = (
        f"fly.toml: {REFERENCE}",
        (
            f"At most {app.max_instances} machine: fly deploy --ha=false, fly scale count "
            f"{app.max_instances}. To run more, you need LOUPE_DATABASE and fly-replay."
        ),
        format_budget_alert(ALERT),
    )
    return {FILE: dump_toml(document, *comments)}


HOST = Host(
    name="fly",
    title="Fly.io",
    kind=Kind.PAAS,
    summary="Runs the image in a small virtual machine that stops while there are no visitors.",
    price="Pay as you go; a stopped machine costs only its disk. No permanent free tier.",
    budget=Budget.FEW_DOLLARS,
    traffic=Traffic.HUNDREDS,
    expertise=Expertise.SOME,
    own_domain=True,
    limits=Limits(memory_mb=MEMORY_MB, stops_idle=True, image_mb=8192, keeps_files=True),
    sources=(
        Source(REFERENCE, "memory_mb keeps_files manifest"),
        Source("https://fly.io/docs/reference/fly-proxy-autostop-autostart", "stops_idle"),
        Source(IMAGE_SIZE, "image_mb"),
        Source("https://fly.io/docs/about/pricing/", "price", first_hand=False),
    ),
    budget_alert=ALERT,
    steps=f"""
        Budget alert: {ALERT}
        $ WRITE
        $ fly auth login && fly apps create {NAME}
        $ fly secrets set LOUPE_SECRET=$(openssl rand -hex 32)
        $ fly deploy --ha=false
        $ fly scale count 1
        $ fly apps open
    """,
    update="fly deploy --ha=false",
    full_install=True,
    placeholders={NAME: "a name that no other app on Fly.io has"},
    make_files=make_files,
    manifest=ManifestPaths(
        FILE,
        environment="env",
        port="http_service.internal_port",
        health="http_service.checks.0.path",
        memory="vm.0.memory",
    ),
    max_instances_via="fly scale count 1",
    sticky_sessions_via="fly-replay",
    remarks="""
        `fly scale count` sets the number of machines; fly.toml has no key for it.
        primary_region is Frankfurt; `fly platform regions` lists the others.
        Sticky sessions need fly-replay, which Loupe doesn't send: keep it at one machine.
        The machine's volume holds the corrections.
    """,
)
