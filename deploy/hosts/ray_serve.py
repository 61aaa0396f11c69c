"""Ray Serve: the API alone, on a cluster of your own machines."""

from ..host import Fit, Host, Limits, Plan, Start
from ..spec import AppSpec
from ..templates import dump_yaml

DOCS = "https://docs.ray.io/en/latest"
FILE, ENVIRONMENT_FILE = "serve.yaml", "ray.env"
MEMORY_MB = 1024
PORT = 8000
LOAD = f"set -a && . ./{ENVIRONMENT_FILE} && set +a"
RAY = "build/scale/bin/ray start"
STORE = "--object-store-memory 200000000"
RUN = f"build/scale/bin/serve run --address auto --app-dir . --non-blocking {FILE}"

ENVIRONMENT = {
    "PYTHONPATH": "$PWD",
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray also reports once that its reports are off; this port leads nowhere.
    "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "scale.serve_proxy.prepare_proxy",
    # Otherwise a proxy sends photos to its own machine's replicas, until they have 1,000 of them.
    "RAY_SERVE_PROXY_PREFER_LOCAL_NODE_ROUTING": "0",
}
"""Variables of every process of the cluster, which must be set before it starts."""

AUTOSCALING = {
    # Photos and uploads under way per replica, which needs some 12 ms of a core for small photos.
    "target_ongoing_requests": 2,
    # How often proxies report, and the time that is averaged: Serve's 10 s and 30 s are too slow
    # for ten times the traffic within a minute.
    "metrics_interval_s": 1,
    "look_back_period_s": 5,
    "upscale_delay_s": 3,
    "downscale_delay_s": 300,
}
"""When Serve starts and stops replicas."""

REPLICA_CHECKS = {
    "health_check_period_s": 5,
    "health_check_timeout_s": 10,
    # For photos under way when a replica is stopped.
    "graceful_shutdown_timeout_s": 30,
}


def make_plan(app: AppSpec) -> Plan:
    """Return Serve's config: one application, with a replica per core; and Ray's variables."""
    settings = {**app.environment(MEMORY_MB), "LOUPE_THREADS": "1", "LOUPE_NPM": "false"}
    replicas = {"min_replicas": "MIN_REPLICAS", "max_replicas": "MAX_REPLICAS"}
    application = {
        "name": app.name,
        "route_prefix": "/",
        "import_path": "scale.serve_deployment:app",
        "runtime_env": {"env_vars": settings},
        "deployments": [
            {"name": "Api", "autoscaling_config": {**replicas, **AUTOSCALING}, **REPLICA_CHECKS}
        ],
    }
    document = {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": PORT},  # noqa: S104 - the app is elsewhere
        "applications": [application],
    }
    variables = "".join(f"{name}={value}\n" for name, value in ENVIRONMENT.items())
    return Plan(
        {
            FILE: dump_yaml(document, f"Ray Serve: {DOCS}/serve/production-guide/config.html"),
            ENVIRONMENT_FILE: f"# For every machine, before Ray starts there: {LOAD}\n{variables}",
        },
        f"""\
Copy this folder to each machine, and install there what Ray needs:
$ make scale
On the first machine, which makes the token that Ray's ports ask for:
$ {LOAD}
$ build/scale/bin/ray get-auth-token --generate > /dev/null
$ {RAY} --head --port 6379 --include-dashboard=false {STORE}
On each other machine, with a copy of the first one's ~/.ray/auth_token, and its address for HEAD:
$ {LOAD}
$ {RAY} --address HEAD:6379 {STORE}
On the first one again:
$ {RUN}
$ curl --retry 60 --retry-delay 1 --retry-all-errors --fail http://HEAD:{PORT}{app.ready_path}
Set LOUPE_API=http://HEAD:{PORT} where the app runs: docs/scale.md.""",
        f"{LOAD} && {RUN}",
    )


HOST = Host(
    name="ray-serve",
    title="Ray Serve",
    kind="cluster (API only)",
    summary="Runs the API on several machines of your own; the app's pages run elsewhere.",
    price="The machines' price; the software is free.",
    fit=Fit(budget="by use", traffic="thousands an hour", expertise="yes"),
    limits=Limits(memory_mb=MEMORY_MB, cpu=1),
    sources=f"""\
{DOCS}/serve/configure-serve-deployment.html memory, cores
{DOCS}/serve/production-guide/config.html files""",
    budget_alert="the number of machines limits the bill; ask their provider for an alert.",
    remarks=f"""\
Try several containers first: a core answers 40 to 70 photos of 60 kB per second. Ray Serve \
answers up to a quarter fewer and needs 0.7 GB more. Use it if you have a cluster, or if replicas \
must follow the load within seconds (docs/scale.md).
Each replica uses one core and loads its own copy of the model.
Keep the machines on a private network: anyone who can reach port {PORT} can send photos, and \
anyone who can reach Ray's ports and has the token controls the machines.
Set LOUPE_DATABASE and LOUPE_SECRET on every machine before `ray start` if clients send \
corrections.""",
    make_plan=make_plan,
    placeholders={
        "MIN_REPLICAS": "the number of replicas that always run",
        "MAX_REPLICAS": "the largest number of replicas, at most the cluster's cores",
        "HEAD": "the first machine's address on the private network",
    },
    numbers=("MIN_REPLICAS", "MAX_REPLICAS"),
    start=Start(command=()),
)
