"""Google Vertex AI: the image behind a prediction endpoint."""

from ..host import Host, Limits, ManifestPaths, Source, StartCommand
from ..options import Budget, Expertise, Kind, Traffic
from ..spec import AppSpec
from ..templates import dump_json, to_name_value_list

__all__ = ["HOST"]

DOCS = "https://cloud.google.com/vertex-ai"
MEMORY_MB = 7680
HEALTH, PREDICT = "/vertex/health", "/vertex/predict"
MODEL, ENDPOINT, DEPLOY = (f"vertex/{name}.json" for name in ("model", "endpoint", "deploy"))
ALERT = (
    "Billing, Budgets & alerts, Create budget (it warns, it does not stop); maxReplicaCount in "
    "vertex/deploy.json limits the bill."
)


def make_files(app: AppSpec) -> dict[str, str]:
    """Return the bodies of three REST requests."""
    container = {
        "imageUri": f"REGION-docker.pkg.dev/PROJECT/{app.name}/{app.name}:{app.image_stage}",
        "env": to_name_value_list(app.environment(MEMORY_MB)),
        "ports": [{"containerPort": 8080}],
        "healthRoute": HEALTH,
        "predictRoute": PREDICT,
    }
    deployment = {
        "model": "projects/PROJECT/locations/REGION/models/MODEL",
        "displayName": app.name,
        "dedicatedResources": {
            "machineSpec": {"machineType": "n1-standard-2"},
            "minReplicaCount": 1,
            "maxReplicaCount": app.max_instances,
        },
    }
    return {
        MODEL: dump_json({"model": {"displayName": app.name, "containerSpec": container}}),
        ENDPOINT: dump_json({"displayName": app.name, "dedicatedEndpointEnabled": True}),
        DEPLOY: dump_json({"deployedModel": deployment, "trafficSplit": {"0": 100}}),
    }


CURL = (
    'curl --fail -H "Authorization: Bearer $(gcloud auth print-access-token)" '
    "-H 'Content-Type: application/json'"
)
LOCATION = "projects/PROJECT/locations/REGION"
REST = f"https://REGION-aiplatform.googleapis.com/v1/{LOCATION}"

HOST = Host(
    name="vertex",
    title="Google Vertex AI",
    kind=Kind.ML_PAAS,
    summary="Identifies photos for other programs behind Google's sign-in; it shows no page.",
    price="By the hour of the node, around the clock, until the model is undeployed.",
    budget=Budget.BY_USE,
    traffic=Traffic.THOUSANDS,
    expertise=Expertise.YES,
    gpu=True,
    limits=Limits(memory_mb=MEMORY_MB, cpu=2, body_mb=10),
    sources=(
        Source(f"{DOCS}/docs/predictions/configure-compute", "memory_mb cpu"),
        Source(f"{DOCS}/docs/predictions/using-dedicated-endpoints", "body_mb"),
        Source(f"{DOCS}/pricing", "price"),
        Source(f"{DOCS}/docs/predictions/use-custom-container", "manifest"),
    ),
    budget_alert=ALERT,
    steps=f"""
        $ python -m deploy write vertex
        Budget alert: {ALERT}
        Replace REGION and PROJECT in vertex/*.json and below.
        $ gcloud artifacts repositories create loupe --repository-format=docker --location=REGION
        $ gcloud builds submit --tag REGION-docker.pkg.dev/PROJECT/loupe/loupe:serve
        $ {CURL} -d @{MODEL} {REST}/models:upload
        $ {CURL} -d @{ENDPOINT} {REST}/endpoints
        Put the model's number into vertex/deploy.json, and the endpoint's in place of ENDPOINT:
        $ {CURL} -d @{DEPLOY} {REST}/endpoints/ENDPOINT:deployModel
        Put its address in place of DNS below (the shared address doesn't serve this endpoint):
        $ gcloud ai endpoints describe ENDPOINT --region=REGION
            --format='value(dedicatedEndpointDns)'
        $ printf '{{"instances":[{{"image_bytes":{{"b64":"%s"}}}}],"parameters":{{"top":5}}}}'
            "$(base64 < photo.jpg | tr -d '\\n')" |
            {CURL} -d @- https://DNS/v1/{LOCATION}/endpoints/ENDPOINT:predict
        When you no longer need it, undeploy it:
        $ gcloud ai endpoints undeploy-model ENDPOINT --deployed-model-id=ID --region=REGION
    """,
    make_files=make_files,
    manifest=ManifestPaths(
        MODEL, environment="model.containerSpec.env", health="model.containerSpec.healthRoute"
    ),
    start=StartCommand(
        port_variable="AIP_HTTP_PORT",
        provided_env={"AIP_HEALTH_ROUTE": HEALTH, "AIP_PREDICT_ROUTE": PREDICT},
        protocol="vertex",
    ),
    max_instances_via='"maxReplicaCount": 1',
    remarks="""
        No public page: programs call it with Google credentials.
        Photos are sent as base64, a third larger: a request of 10 MB holds 7.5 MB of photos.
    """,
)
