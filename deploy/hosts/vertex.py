"""Google Vertex AI: the image behind a prediction endpoint."""

from ..host import Fit, Host, Limits, Plan, Start
from ..spec import AppSpec
from ..templates import dump_json, to_name_value_list
from .cloud_run import IMAGE, PLACEHOLDERS

DOCS = "https://cloud.google.com/vertex-ai"
MEMORY_MB = 7680
HEALTH, PREDICT = "/vertex/health", "/vertex/predict"
MODEL = "vertex/model.json"
APIS = "aiplatform.googleapis.com artifactregistry.googleapis.com cloudbuild.googleapis.com"
CURL = (
    'curl --fail -H "Authorization: Bearer $(gcloud auth print-access-token)" '
    "-H 'Content-Type: application/json'"
)
LOCATION = "projects/PROJECT/locations/REGION"
REST = f"https://REGION-aiplatform.googleapis.com/v1/{LOCATION}"
DEPLOY = (
    "gcloud ai endpoints deploy-model ENDPOINT --region=REGION --model=loupe --display-name=loupe "
    "--machine-type=n1-standard-2 --min-replica-count=1 --max-replica-count=1 --traffic-split=0=100"
)
DESCRIBE = "gcloud ai endpoints describe ENDPOINT --region=REGION --format"
FIND_OLD = f"OLD=$({DESCRIBE}='value(deployedModels.id)')"
UNDEPLOY = "gcloud ai endpoints undeploy-model ENDPOINT --deployed-model-id=$OLD --region=REGION"


def make_plan(app: AppSpec) -> Plan:
    """Return the request that uploads the model; the other requests fit into commands."""
    container = {
        "imageUri": IMAGE,
        "env": to_name_value_list(app.environment(MEMORY_MB)),
        "ports": [{"containerPort": 8080}],
        "healthRoute": HEALTH,
        "predictRoute": PREDICT,
    }
    model = {"displayName": app.name, "containerSpec": container}
    settings = ",".join(f"{name}={value}" for name, value in app.environment(MEMORY_MB).items())
    return Plan(
        {MODEL: dump_json({"modelId": app.name, "model": model})},
        f"""\
$ gcloud config set project PROJECT && gcloud services enable {APIS}
$ gcloud artifacts repositories create loupe --repository-format=docker --location=REGION
$ gcloud builds submit --tag {IMAGE}
$ {CURL} -d @{MODEL} {REST}/models:upload
$ {CURL} -d '{{"displayName":"loupe","dedicatedEndpointEnabled":true}}' {REST}/endpoints
ENDPOINT is the number in the answer; wait for loupe in `gcloud ai models list --region=REGION`:
$ {DEPLOY}
DNS is the address that this prints (the shared address doesn't serve this endpoint):
$ {DESCRIBE}='value(dedicatedEndpointDns)'
$ printf '{{"instances":[{{"image_bytes":{{"b64":"%s"}}}}],"parameters":{{"top":5}}}}' \
"$(base64 < photo.jpg | tr -d '\\n')" | \
{CURL} -d @- https://DNS/v1/{LOCATION}/endpoints/ENDPOINT:predict
When you no longer need it, undeploy it:
$ {FIND_OLD} && {UNDEPLOY}""",
        # The alias makes it the version that is deployed; the old one costs until it is undeployed.
        f"{FIND_OLD} && gcloud builds submit --tag {IMAGE} && gcloud ai models upload "
        f"--region=REGION --parent-model={LOCATION}/models/loupe --version-aliases=default "
        f"--display-name=loupe --container-image-uri={IMAGE} "
        f"--container-env-vars={settings} --container-health-route={HEALTH} "
        f"--container-predict-route={PREDICT} && {DEPLOY} && {UNDEPLOY}",
    )


HOST = Host(
    name="vertex",
    title="Google Vertex AI",
    kind="API only (ML)",
    summary="Identifies photos for other programs behind Google's sign-in; it shows no page.",
    price="By the hour of the node, around the clock, until the model is undeployed.",
    fit=Fit(budget="by use", traffic="thousands an hour", expertise="yes"),
    gpu=True,
    limits=Limits(memory_mb=MEMORY_MB, cpu=2),
    sources=f"""\
{DOCS}/docs/predictions/configure-compute memory, cores
{DOCS}/pricing price
{DOCS}/docs/predictions/use-custom-container files""",
    budget_alert="Billing, Budgets & alerts, Create budget (it warns, it does not stop); "
    "--max-replica-count limits the bill.",
    remarks="""\
--max-replica-count keeps it at one instance.
The models are part of the image.
No public page: programs call it with Google credentials.
Photos are sent as base64, a third larger: a request of 10 MB holds 7.5 MB of photos.""",
    make_plan=make_plan,
    placeholders=PLACEHOLDERS
    | {
        "ENDPOINT": "the number that creating the endpoint printed",
        "DNS": "the endpoint's address",
    },
    start=Start(
        port_variable="AIP_HTTP_PORT",
        environment={"AIP_HEALTH_ROUTE": HEALTH, "AIP_PREDICT_ROUTE": PREDICT},
        protocol="vertex",
        ready_path=HEALTH,
    ),
)
