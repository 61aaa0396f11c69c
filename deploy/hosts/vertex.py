"""Google Vertex AI: the image behind a prediction endpoint."""

from ..host import Host, Limits, ManifestPaths, Source, StartCommand
from ..options import Budget, Expertise, Kind, Traffic
from ..spec import AppSpec
from ..templates import dump_json, to_name_value_list
from .cloud_run import IMAGE, PLACEHOLDERS

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
        "imageUri": IMAGE,
        "env": to_name_value_list(app.environment(MEMORY_MB)),
        "ports": [{"containerPort": 8080}],
        "healthRoute": HEALTH,
        "predictRoute": PREDICT,
    }
    deployment = {
        "model": f"projects/PROJECT/locations/REGION/models/{app.name}",
        "displayName": app.name,
        "dedicatedResources": {
            "machineSpec": {"machineType": "n1-standard-2"},
            "minReplicaCount": 1,
            "maxReplicaCount": app.max_instances,
        },
    }
    return {
        MODEL: dump_json(
            {
                "modelId": app.name,
                "model": {"displayName": app.name, "containerSpec": container},
            }
        ),
        ENDPOINT: dump_json({"displayName": app.name, "dedicatedEndpointEnabled": True}),
        DEPLOY: dump_json({"deployedModel": deployment, "trafficSplit": {"0": 100}}),
    }


APIS = "aiplatform.googleapis.com artifactregistry.googleapis.com cloudbuild.googleapis.com"
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
        Budget alert: {ALERT}
        $ WRITE
        $ gcloud config set project PROJECT && gcloud services enable {APIS}
        $ gcloud artifacts repositories create loupe --repository-format=docker --location=REGION
        $ gcloud builds submit --tag {IMAGE}
        $ {CURL} -d @{MODEL} {REST}/models:upload
        $ {CURL} -d @{ENDPOINT} {REST}/endpoints
        ENDPOINT is the number in the answer; wait until `gcloud ai models list` shows loupe:
        $ {CURL} -d @{DEPLOY} {REST}/endpoints/ENDPOINT:deployModel
        DNS is the address that this prints (the shared address doesn't serve this endpoint):
        $ gcloud ai endpoints describe ENDPOINT --region=REGION
            --format='value(dedicatedEndpointDns)'
        $ printf '{{"instances":[{{"image_bytes":{{"b64":"%s"}}}}],"parameters":{{"top":5}}}}'
            "$(base64 < photo.jpg | tr -d '\\n')" |
            {CURL} -d @- https://DNS/v1/{LOCATION}/endpoints/ENDPOINT:predict
        When you no longer need it, undeploy it; DEPLOYED is the deployed model's number:
        $ gcloud ai endpoints undeploy-model ENDPOINT --deployed-model-id=DEPLOYED --region=REGION
    """,
    update=f"gcloud builds submit --tag {IMAGE} && gcloud ai models upload --region=REGION "
    f"--parent-model=loupe --display-name=loupe --container-image-uri={IMAGE} "
    f"--container-env-vars=SETTINGS --container-health-route={HEALTH} "
    f"--container-predict-route={PREDICT} && "
    "gcloud ai endpoints deploy-model ENDPOINT --region=REGION --model=loupe "
    "--display-name=loupe --machine-type=n1-standard-2 --traffic-split=0=100",
    settings_separator=",",
    placeholders=PLACEHOLDERS
    | {
        "ENDPOINT": "the number that creating the endpoint printed",
        "DNS": "the endpoint's address",
        "DEPLOYED": "the deployed model's number",
    },
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
        The models are part of the image: a container gets only the address of files in a bucket.
        No public page: programs call it with Google credentials.
        Photos are sent as base64, a third larger: a request of 10 MB holds 7.5 MB of photos.
    """,
)
