"""Ray Serve: the API alone, on a cluster of your own machines."""

from ..host import Budget, Expertise, Host, Kind, Limits, Plan, Start, Traffic
from ..spec import AppSpec
from ..templates import dump_yaml

DOCS = "https://docs.ray.io/en/latest"
FILE = "serve.yaml"
MEMORY_MB = 1024
PORT = 8000
SETTINGS = "PYTHONPATH=$PWD RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0"
RAY = f"{SETTINGS} build/scale/bin/ray start --disable-usage-stats"
STORE = "--object-store-memory 200000000"
RUN = f"{SETTINGS} build/scale/bin/serve run --address auto --app-dir . --non-blocking {FILE}"


def make_plan(app: AppSpec) -> Plan:
    """Return Serve's config: one application, with a replica on each core."""
    settings = {**app.environment(MEMORY_MB), "LOUPE_THREADS": "1", "LOUPE_NPM": "false"}
    application = {
        "name": app.name,
        "route_prefix": "/",
        "import_path": "scale.serve_deployment:app",
        "runtime_env": {"env_vars": settings},
        "deployments": [{"name": "Api", "num_replicas": "REPLICAS"}],
    }
    document = {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": PORT},  # noqa: S104 - the app is elsewhere
        "applications": [application],
    }
    return Plan(
        {FILE: dump_yaml(document, f"Ray Serve: {DOCS}/serve/production-guide/config.html")},
        f"""\
Copy this folder to each machine, and install there what Ray needs:
$ make scale
On the first machine, which makes the token that Ray's ports ask for:
$ build/scale/bin/ray get-auth-token --generate > /dev/null
$ {RAY} --head --port 6379 --include-dashboard=false {STORE}
On each other one, with the first one's ~/.ray/auth_token and its address in place of HEAD:
$ {RAY} --address HEAD:6379 {STORE}
On the first one again:
$ {RUN}
$ curl --fail http://HEAD:{PORT}{app.ready_path}
Set LOUPE_API=http://HEAD:{PORT} where the app runs: docs/scale.md.
""",
        RUN,
    )


HOST = Host(
    name="ray-serve",
    title="Ray Serve",
    kind=Kind.CLUSTER,
    summary="Answers the API on several machines of your own; the app's pages run elsewhere.",
    price="The machines' price; the software is free.",
    budget=Budget.BY_USE,
    traffic=Traffic.THOUSANDS,
    expertise=Expertise.YES,
    gpu=False,
    limits=Limits(memory_mb=MEMORY_MB, cpu=1),
    sources=f"""\
{DOCS}/serve/configure-serve-deployment.html memory, cores
{DOCS}/serve/production-guide/config.html files
""",
    budget_alert="the number of machines limits the bill; ask their provider for an alert.",
    remarks=f"""\
Each replica has one core and loads the model by itself.
Keep the machines in a private network: whoever reaches port {PORT} may send photos, and whoever \
reaches Ray's ports controls the machines.
Set LOUPE_DATABASE and LOUPE_SECRET on every machine before `ray start` if clients send corrections.
""",
    make_plan=make_plan,
    placeholders={
        "REPLICAS": "the number of replicas, at most the cluster's cores",
        "HEAD": "the first machine's address in the private network",
    },
    start=Start(command=()),
)
