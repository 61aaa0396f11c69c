"""Amazon SageMaker: the image behind an endpoint that answers signed requests."""

from typing import Any

from ..host import Host, Limits, ManifestPaths, Source, StartCommand
from ..options import Budget, Expertise, Kind, Traffic
from ..spec import AppSpec
from ..templates import dump_json

__all__ = ["HOST"]

DOCS = "https://docs.aws.amazon.com/sagemaker/latest"
API = f"{DOCS}/APIReference/API_CreateEndpointConfig.html"
PRICING = "https://aws.amazon.com/sagemaker/pricing/"
FOLDER = "sagemaker"
REGISTRY = "ACCOUNT.dkr.ecr.REGION.amazonaws.com"
BUCKET = "s3://YOUR-BUCKET/loupe/model.tar.gz"
UPLOAD = f"aws s3 cp {FOLDER}/model.tar.gz {BUCKET}"
MODELS_DIR = "/opt/ml/model"
"""Where SageMaker unpacks the archive."""
VARIANT = "all"
MEMORY_MB = 8192
ALERT = (
    "AWS Budgets with sagemaker/budget.json (it warns, it does not stop); MaxCapacity in "
    "sagemaker/scaling.json limits the bill."
)


def make_files(app: AppSpec) -> dict[str, str]:
    """Return the requests as ``--cli-input-json`` takes them."""
    container: dict[str, Any] = {
        "Image": f"{REGISTRY}/{app.name}:{app.image_stage}",
        "Environment": app.environment(MEMORY_MB),
    }
    if app.own:
        container["ModelDataUrl"] = BUCKET
        container["Environment"]["LOUPE_BUNDLES"] = MODELS_DIR
    requests = {
        "model": {
            "ModelName": app.name,
            "PrimaryContainer": container,
            "ExecutionRoleArn": "arn:aws:iam::ACCOUNT:role/ROLE",
        },
        "endpoint-config": {
            "EndpointConfigName": app.name,
            "ProductionVariants": [
                {
                    "VariantName": VARIANT,
                    "ModelName": app.name,
                    # Not T2: burstable instances can't be scaling targets, so have no maximum.
                    "InstanceType": "ml.m5.large",
                    "InitialInstanceCount": app.max_instances,
                    "ContainerStartupHealthCheckTimeoutInSeconds": 300,
                }
            ],
        },
        "endpoint": {"EndpointName": app.name, "EndpointConfigName": app.name},
        "scaling": {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{app.name}/variant/{VARIANT}",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
            "MinCapacity": 1,
            "MaxCapacity": app.max_instances,
        },
        "budget": {
            "BudgetName": app.name,
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": "50", "Unit": "USD"},
        },
    }
    return {f"{FOLDER}/{name}.json": dump_json(request) for name, request in requests.items()}


HOST = Host(
    name="sagemaker",
    title="Amazon SageMaker",
    kind=Kind.ML_PAAS,
    summary="Identifies photos for other programs behind AWS's sign-in; it shows no page.",
    price="By the hour of the instance, around the clock, until the endpoint is deleted.",
    budget=Budget.BY_USE,
    traffic=Traffic.THOUSANDS,
    expertise=Expertise.YES,
    gpu=True,
    limits=Limits(memory_mb=MEMORY_MB, cpu=2, start_seconds=300, body_mb=6, request_seconds=60),
    sources=(
        Source(PRICING, "memory_mb cpu price", first_hand=False),
        Source(API, "start_seconds manifest", first_hand=False),
        Source(f"{DOCS}/dg/hosting-faqs.html", "body_mb request_seconds"),
    ),
    budget_alert=ALERT,
    steps=f"""
        $ WRITE
        Budget alert: the next command sends an e-mail at 80% of 50 dollars a month.
        $ aws budgets create-budget --account-id ACCOUNT --budget file://sagemaker/budget.json
            --notifications-with-subscribers
            'Notification={{NotificationType=ACTUAL,ComparisonOperator=GREATER_THAN,Threshold=80}},Subscribers=[{{SubscriptionType=EMAIL,Address=YOUR-ADDRESS}}]'
        $ {UPLOAD}
        Build the image to run as root, as SageMaker requires:
        $ docker build --target STAGE --build-arg RUN_AS=root
            -t {REGISTRY}/loupe:STAGE .
        $ aws ecr create-repository --repository-name loupe --region REGION
        $ aws ecr get-login-password --region REGION | docker login --username AWS
            --password-stdin {REGISTRY}
        $ docker push {REGISTRY}/loupe:STAGE
        $ aws sagemaker create-model --cli-input-json file://sagemaker/model.json
        $ aws sagemaker create-endpoint-config
            --cli-input-json file://sagemaker/endpoint-config.json
        $ aws sagemaker create-endpoint --cli-input-json file://sagemaker/endpoint.json
        $ aws sagemaker wait endpoint-in-service --endpoint-name loupe
        $ aws application-autoscaling register-scalable-target
            --cli-input-json file://sagemaker/scaling.json
        $ aws sagemaker-runtime invoke-endpoint --endpoint-name loupe
            --body fileb://photo.jpg --content-type image/jpeg answer.json
        When you no longer need it, delete it:
        $ aws sagemaker delete-endpoint --endpoint-name loupe
    """,
    update=f"{UPLOAD} && NEW=loupe-$(date +%s) && "
    "aws sagemaker create-endpoint-config --cli-input-json "
    f"file://{FOLDER}/endpoint-config.json --endpoint-config-name $NEW && aws sagemaker "
    "update-endpoint --endpoint-name loupe --endpoint-config-name $NEW",
    package="archive",
    full_install=True,
    placeholders={
        "ACCOUNT": "the number of the AWS account",
        "REGION": "a region such as eu-central-1",
        "ROLE": "a role that SageMaker may assume, with access to the bucket and the image",
        "YOUR-BUCKET": "a bucket in S3 for the models",
        "YOUR-ADDRESS": "the address for the budget alert",
    },
    make_files=make_files,
    manifest=ManifestPaths(f"{FOLDER}/model.json", environment="PrimaryContainer.Environment"),
    start=StartCommand(
        arguments=("serve",), port_variable="SAGEMAKER_BIND_TO_PORT", protocol="sagemaker"
    ),
    max_instances_via='"MaxCapacity": 1',
    remarks="""
        No public page: programs call it with AWS credentials.
        A photo larger than 6 MB is rejected.
    """,
)
