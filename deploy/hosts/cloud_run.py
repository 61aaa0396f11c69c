"""Google Cloud Run: a service that scales to zero, and to no more than one."""

from datetime import date

from ..host import Budget, Expertise, Host, Kind, Limits, ManifestPaths, Source, Traffic
from ..spec import AppSpec
from ..templates import budget_comment, named, probe, yaml_text

__all__ = ["HOST"]

READ = date(2026, 11, 25)
REFERENCE = Source("https://cloud.google.com/run/docs/reference/yaml/v1", READ)
QUOTAS = Source("https://cloud.google.com/run/quotas", READ)
MEMORY_MB = 1024
ALERT = (
    "Billing, Budgets & alerts, Create budget (it warns, it does not stop); maxScale in "
    "service.yaml bounds the bill."
)
FILE = "service.yaml"
SECRET = "loupe-secret"  # noqa: S105 - where it lies, not what it is


def make(app: AppSpec) -> dict[str, str]:
    """The service in Knative's form."""
    container = {
        "image": f"REGION-docker.pkg.dev/PROJECT/{app.name}/{app.name}:{app.serve}",
        "ports": [{"name": "http1", "containerPort": app.port}],
        "env": [
            *named(app.environment(MEMORY_MB)),
            {
                "name": app.secrets[0],
                "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "latest"}},
            },
        ],
        "resources": {"limits": {"cpu": "1", "memory": f"{MEMORY_MB}Mi"}},
        "startupProbe": probe(app, app.ready, period=5, failures=24),
        "livenessProbe": probe(app, app.live, period=30, failures=3),
    }
    document = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": app.name},
        "spec": {
            "template": {
                "metadata": {
                    "annotations": {
                        "autoscaling.knative.dev/minScale": "0",
                        "autoscaling.knative.dev/maxScale": str(app.instances),
                        "run.googleapis.com/sessionAffinity": "true",
                        "run.googleapis.com/startup-cpu-boost": "true",
                    }
                },
                "spec": {
                    # Each open page holds a web socket, which counts as a request.
                    "containerConcurrency": app.visitors,
                    "timeoutSeconds": 3600,
                    "containers": [container],
                },
            }
        },
    }
    return {
        FILE: yaml_text(
            document,
            "Cloud Run: https://cloud.google.com/run/docs/reference/yaml/v1",
            budget_comment(ALERT),
            "Files are memory there: set LOUPE_DATABASE for records that last, and before "
            "raising maxScale.",
        )
    }


HOST = Host(
    name="cloud-run",
    title="Google Cloud Run",
    kind=Kind.PAAS,
    summary="Runs the image while there are requests, and nothing in between.",
    limits=Limits(
        memory_mb=MEMORY_MB,
        cpu=1,
        stops_idle=True,
        start_seconds=240,
        body_mb=32,
        socket_minutes=60,
    ),
    sources={
        "memory_mb": REFERENCE,
        "cpu": REFERENCE,
        "stops_idle": Source(
            "https://docs.cloud.google.com/run/docs/overview/what-is-cloud-run", READ
        ),
        "start_seconds": QUOTAS,
        "body_mb": QUOTAS,
        "socket_minutes": Source("https://cloud.google.com/run/docs/triggering/websockets", READ),
        "price": Source("https://cloud.google.com/run/pricing", READ),
        "manifest": REFERENCE,
    },
    price="By use, to a tenth of a second, with a free allowance a month; an open page counts "
    "as use.",
    budget_alert=ALERT,
    steps=(
        "$ python -m deploy write cloud-run",
        "Replace REGION and PROJECT in service.yaml and below.",
        "$ gcloud artifacts repositories create loupe --repository-format=docker --location=REGION",
        "$ gcloud builds submit --tag REGION-docker.pkg.dev/PROJECT/loupe/loupe:serve",
        f"Budget alert: {ALERT}",
        f"$ openssl rand -hex 32 | gcloud secrets create {SECRET} --data-file=-",
        "$ NUMBER=$(gcloud projects describe PROJECT --format='value(projectNumber)')",
        (
            f"$ gcloud secrets add-iam-policy-binding {SECRET} "
            "--role=roles/secretmanager.secretAccessor "
            "--member=serviceAccount:$NUMBER-compute@developer.gserviceaccount.com"
        ),
        "For records that last, do the same for LOUPE_DATABASE: a secret, and its lines in env.",
        "$ gcloud run services replace service.yaml --region REGION",
        (
            "$ gcloud run services add-iam-policy-binding loupe --region REGION --member=allUsers "
            "--role=roles/run.invoker"
        ),
    ),
    make=make,
    schemas={FILE: "cloud-run"},
    where=ManifestPaths(
        environment=(FILE, "spec", "template", "spec", "containers", 0, "env"),
        port=(FILE, "spec", "template", "spec", "containers", 0, "ports", 0, "containerPort"),
        health=(
            *(FILE, "spec", "template", "spec", "containers", 0),
            *("startupProbe", "httpGet", "path"),
        ),
        memory=(FILE, "spec", "template", "spec", "containers", 0, "resources", "limits", "memory"),
        most=(
            (
                *(FILE, "spec", "template", "metadata", "annotations"),
                "autoscaling.knative.dev/maxScale",
            ),
        ),
        affinity=(
            *(FILE, "spec", "template", "metadata", "annotations"),
            "run.googleapis.com/sessionAffinity",
        ),
    ),
    bounded_by="autoscaling.knative.dev/maxScale",
    affinity_by="run.googleapis.com/sessionAffinity",
    budget=Budget.BY_USE,
    traffic=Traffic.THOUSANDS,
    knows=Expertise.SOME,
    own_domain=True,
    gpu=True,
    remarks=(
        "A page's web socket is cut after an hour; the page connects again by itself.",
        "Affinity is best effort.",
        "A zip of more than 32 MB does not get through.",
    ),
)
