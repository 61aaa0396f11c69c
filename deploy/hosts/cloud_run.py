"""Google Cloud Run: a service that scales to zero, and to no more than one instance."""

from typing import Any

from ..host import Fit, Host, Limits, Plan
from ..spec import APP, AppSpec
from ..templates import dump_yaml, to_name_value_list

DOCS = "https://cloud.google.com/run"
REFERENCE = f"{DOCS}/docs/reference/yaml/v1"
IMAGE = "REGION-docker.pkg.dev/PROJECT/loupe/loupe:serve"
APIS = " ".join(
    f"{name}.googleapis.com" for name in ("run", "artifactregistry", "cloudbuild", "secretmanager")
)
PLACEHOLDERS = {"REGION": "a region such as europe-west1", "PROJECT": "the project's ID"}
MEMORY_MB = 1024
SECRET = "loupe-secret"  # noqa: S105 - the secret's name, not its value


def make_probe(path: str, *, period_seconds: int, failures: int) -> dict[str, Any]:
    """Return a probe that fails after so many failures in a row."""
    return {
        "httpGet": {"path": path, "port": APP.port},
        "periodSeconds": period_seconds,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def make_plan(app: AppSpec) -> Plan:
    """Return the service in Knative's form."""
    secret = {"name": SECRET, "key": "latest"}
    container = {
        "image": IMAGE,
        "ports": [{"name": "http1", "containerPort": app.port}],
        "env": [
            *to_name_value_list(app.environment(MEMORY_MB)),
            {"name": "LOUPE_SECRET", "valueFrom": {"secretKeyRef": secret}},
        ],
        "resources": {"limits": {"cpu": "1", "memory": f"{MEMORY_MB}Mi"}},
        "startupProbe": make_probe(app.ready_path, period_seconds=5, failures=24),
        "livenessProbe": make_probe("/api/live", period_seconds=30, failures=3),
    }
    annotations = {
        "autoscaling.knative.dev/minScale": "0",
        "autoscaling.knative.dev/maxScale": "1",
        "run.googleapis.com/sessionAffinity": "true",
        "run.googleapis.com/startup-cpu-boost": "true",
    }
    revision = {
        # Each open page holds a web socket, which counts as a request.
        "containerConcurrency": 40,
        "timeoutSeconds": 3600,
        "containers": [container],
    }
    document = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": app.name},
        "spec": {"template": {"metadata": {"annotations": annotations}, "spec": revision}},
    }
    return Plan(
        {"service.yaml": dump_yaml(document, f"Cloud Run: {REFERENCE}")},
        f"""\
$ gcloud config set project PROJECT && gcloud services enable {APIS}
$ gcloud artifacts repositories create loupe --repository-format=docker --location=REGION
$ gcloud builds submit --tag {IMAGE}
$ openssl rand -hex 32 | gcloud secrets create {SECRET} --data-file=-
$ NUMBER=$(gcloud projects describe PROJECT --format='value(projectNumber)')
$ gcloud secrets add-iam-policy-binding {SECRET} --role=roles/secretmanager.secretAccessor \
--member=serviceAccount:$NUMBER-compute@developer.gserviceaccount.com
To keep corrections, do the same for LOUPE_DATABASE: a secret and its env entry.
$ gcloud run services replace service.yaml --region REGION
$ gcloud run services add-iam-policy-binding loupe --region REGION --member=allUsers \
--role=roles/run.invoker
$ gcloud run services describe loupe --region REGION --format='value(status.url)'
Open that address.""",
        f"gcloud builds submit --tag {IMAGE} && gcloud run deploy loupe --image {IMAGE} "
        "--region REGION",
    )


HOST = Host(
    name="cloud-run",
    title="Google Cloud Run",
    kind="managed (PaaS)",
    summary="Runs the image only while there are requests.",
    price="Pay as you go, to a tenth of a second, with a free monthly allowance. An open page "
    "counts as use.",
    fit=Fit(budget="by use", traffic="thousands an hour", expertise="some"),
    own_domain=True,
    gpu=True,
    limits=Limits(memory_mb=MEMORY_MB, cpu=1, sleeps="when idle", start_seconds=240),
    sources=f"""\
{REFERENCE} memory, cores, files
https://docs.cloud.google.com/run/docs/overview/what-is-cloud-run sleeps
{DOCS}/quotas start
{DOCS}/pricing price""",
    budget_alert="Billing, Budgets & alerts, Create budget (it warns, it does not stop); maxScale "
    "in service.yaml limits the bill.",
    remarks="""\
maxScale keeps it at one instance, enough for 40 to 70 photos of 60 kB per second. Before raising \
it, set LOUPE_DATABASE: instances share corrections there.
A page's web socket is cut after an hour; the page reconnects automatically.
Session affinity is best effort.
A zip larger than 32 MB is rejected.""",
    make_plan=make_plan,
    placeholders=PLACEHOLDERS,
)
