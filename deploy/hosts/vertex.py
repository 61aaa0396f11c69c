"""Google Vertex AI: the image behind a prediction endpoint."""

from datetime import date

from ..host import Budget, Expertise, Host, Kind, Limits, ManifestPaths, Source, Traffic
from ..spec import AppSpec
from ..templates import json_text, named

__all__ = ["HOST"]

READ = date(2026, 11, 25)
USE = Source("https://cloud.google.com/vertex-ai/docs/predictions/use-custom-container", READ)
DEDICATED = Source(
    "https://cloud.google.com/vertex-ai/docs/predictions/using-dedicated-endpoints", READ
)
MACHINES = Source("https://cloud.google.com/vertex-ai/docs/predictions/configure-compute", READ)
MEMORY_MB = 7680
PORT = 8080
HEALTH, PREDICT = "/vertex/health", "/vertex/predict"
ALERT = (
    "Billing, Budgets & alerts, Create budget (it warns, it does not stop); maxReplicaCount in "
    "vertex/deploy.json bounds the bill."
)
MODEL, ENDPOINT, DEPLOY = (f"vertex/{name}.json" for name in ("model", "endpoint", "deploy"))


def make(app: AppSpec) -> dict[str, str]:
    """The bodies of three REST requests."""
    return {
        MODEL: json_text(
            {
                "model": {
                    "displayName": app.name,
                    "containerSpec": {
                        "imageUri": f"REGION-docker.pkg.dev/PROJECT/{app.name}/{app.name}:"
                        f"{app.serve}",
                        "env": named(app.environment(MEMORY_MB)),
                        "ports": [{"containerPort": PORT}],
                        "healthRoute": HEALTH,
                        "predictRoute": PREDICT,
                    },
                }
            }
        ),
        ENDPOINT: json_text({"displayName": app.name, "dedicatedEndpointEnabled": True}),
        DEPLOY: json_text(
            {
                "deployedModel": {
                    "model": "projects/PROJECT/locations/REGION/models/MODEL",
                    "displayName": app.name,
                    "dedicatedResources": {
                        "machineSpec": {"machineType": "n1-standard-2"},
                        "minReplicaCount": 1,
                        "maxReplicaCount": app.instances,
                    },
                },
                "trafficSplit": {"0": 100},
            }
        ),
    }


def _request(what: str, file: str) -> str:
    return (
        '$ curl --fail -H "Authorization: Bearer $(gcloud auth print-access-token)" '
        f"-H 'Content-Type: application/json' -d @{file} "
        f"https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/{what}"
    )


HOST = Host(
    name="vertex",
    title="Google Vertex AI",
    kind=Kind.ML_PAAS,
    summary="Answers photos for other programs behind Google's sign-in; the page is not shown.",
    limits=Limits(memory_mb=MEMORY_MB, cpu=2, body_mb=10),
    sources={
        "memory_mb": MACHINES,
        "cpu": MACHINES,
        "body_mb": DEDICATED,
        "price": Source("https://cloud.google.com/vertex-ai/pricing", READ),
        "manifest": USE,
    },
    price="By the hour of the node, day and night, until the model is undeployed.",
    budget_alert=ALERT,
    steps=(
        "$ python -m deploy write vertex",
        f"Budget alert: {ALERT}",
        "Replace REGION and PROJECT in vertex/*.json and below.",
        "$ gcloud artifacts repositories create loupe --repository-format=docker --location=REGION",
        "$ gcloud builds submit --tag REGION-docker.pkg.dev/PROJECT/loupe/loupe:serve",
        _request("models:upload", MODEL),
        _request("endpoints", ENDPOINT),
        "Put the model's number into vertex/deploy.json, the endpoint's in place of ENDPOINT:",
        _request("endpoints/ENDPOINT:deployModel", DEPLOY),
        "Its address, in place of DNS below (the shared address takes no predictions for it):",
        (
            "$ gcloud ai endpoints describe ENDPOINT --region=REGION "
            "--format='value(dedicatedEndpointDns)'"
        ),
        (
            """$ printf '{"instances":[{"image_bytes":{"b64":"%s"}}],"parameters":{"top":5}}' """
            "\"$(base64 < photo.jpg | tr -d '\\n')\" | "
            'curl --fail -H "Authorization: Bearer $(gcloud auth print-access-token)" '
            "-H 'Content-Type: application/json' -d @- "
            "https://DNS/v1/projects/PROJECT/locations/REGION/endpoints/ENDPOINT:predict"
        ),
        (
            "Undeploy it when it is not needed: $ gcloud ai endpoints undeploy-model ENDPOINT "
            "--deployed-model-id=ID --region=REGION"
        ),
    ),
    make=make,
    schemas={MODEL: "vertex-model", ENDPOINT: "vertex-endpoint", DEPLOY: "vertex-deploy"},
    where=ManifestPaths(
        environment=(MODEL, "model", "containerSpec", "env"),
        port=(MODEL, "model", "containerSpec", "ports", 0, "containerPort"),
        health=(MODEL, "model", "containerSpec", "healthRoute"),
        most=tuple(
            (DEPLOY, "deployedModel", "dedicatedResources", f"{end}ReplicaCount")
            for end in ("min", "max")
        ),
    ),
    port_variable="AIP_HTTP_PORT",
    given={"AIP_HEALTH_ROUTE": HEALTH, "AIP_PREDICT_ROUTE": PREDICT},
    asks="vertex",
    bounded_by='"maxReplicaCount": 1',
    budget=Budget.BY_USE,
    traffic=Traffic.THOUSANDS,
    knows=Expertise.YES,
    gpu=True,
    remarks=(
        "No page and no address for the public: programs ask it with Google credentials.",
        "Photos travel as base64, a third larger: of 10 MB, 7.5 MB of photos remain.",
    ),
)
