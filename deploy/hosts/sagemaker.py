"""Amazon SageMaker: the image behind an endpoint that answers signed requests."""

from datetime import date

from ..host import Budget, Expertise, Host, Kind, Limits, ManifestPaths, Source, Traffic
from ..spec import AppSpec
from ..templates import json_text

__all__ = ["HOST"]

READ = date(2026, 11, 25)
HOSTING = Source("https://docs.aws.amazon.com/sagemaker/latest/dg/hosting-faqs.html", READ)
API = Source(
    "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html",
    READ,
    itself=False,
)
PRICING = Source("https://aws.amazon.com/sagemaker/pricing/", READ, itself=False)
MEMORY_MB = 8192
ALERT = (
    "AWS Budgets with sagemaker/budget.json (it warns, it does not stop); MaxCapacity in "
    "sagemaker/scaling.json bounds the bill."
)
MODEL, CONFIG, ENDPOINT = (
    f"sagemaker/{name}.json" for name in ("model", "endpoint-config", "endpoint")
)
SCALING, BUDGET = "sagemaker/scaling.json", "sagemaker/budget.json"
VARIANT = "all"


def make(app: AppSpec) -> dict[str, str]:
    """The requests, as ``--cli-input-json`` takes them."""
    return {
        MODEL: json_text(
            {
                "ModelName": app.name,
                "PrimaryContainer": {
                    "Image": f"ACCOUNT.dkr.ecr.REGION.amazonaws.com/{app.name}:{app.serve}",
                    "Environment": app.environment(MEMORY_MB),
                },
                "ExecutionRoleArn": "arn:aws:iam::ACCOUNT:role/ROLE",
            }
        ),
        CONFIG: json_text(
            {
                "EndpointConfigName": app.name,
                "ProductionVariants": [
                    {
                        "VariantName": VARIANT,
                        "ModelName": app.name,
                        # No T2: burstable instances take no scalable target, so no maximum.
                        "InstanceType": "ml.m5.large",
                        "InitialInstanceCount": app.instances,
                        "ContainerStartupHealthCheckTimeoutInSeconds": 300,
                    }
                ],
            }
        ),
        ENDPOINT: json_text({"EndpointName": app.name, "EndpointConfigName": app.name}),
        SCALING: json_text(
            {
                "ServiceNamespace": "sagemaker",
                "ResourceId": f"endpoint/{app.name}/variant/{VARIANT}",
                "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
                "MinCapacity": 1,
                "MaxCapacity": app.instances,
            }
        ),
        BUDGET: json_text(
            {
                "BudgetName": app.name,
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": "50", "Unit": "USD"},
            }
        ),
    }


HOST = Host(
    name="sagemaker",
    title="Amazon SageMaker",
    kind=Kind.ML_PAAS,
    summary="Answers photos for other programs behind AWS's own sign-in; the page is not shown.",
    limits=Limits(memory_mb=MEMORY_MB, cpu=2, start_seconds=300, body_mb=6, request_seconds=60),
    sources={
        "memory_mb": PRICING,
        "cpu": PRICING,
        "start_seconds": API,
        "body_mb": HOSTING,
        "request_seconds": HOSTING,
        "price": PRICING,
        "manifest": API,
    },
    price="By the hour of the instance, day and night, until the endpoint is deleted.",
    budget_alert=ALERT,
    steps=(
        "$ python -m deploy write sagemaker",
        "Replace ACCOUNT, REGION and ROLE in sagemaker/model.json and below.",
        "Budget alert: the next command sends a mail at 80 % of 50 dollars a month.",
        (
            "$ aws budgets create-budget --account-id ACCOUNT "
            "--budget file://sagemaker/budget.json --notifications-with-subscribers "
            "'Notification={NotificationType=ACTUAL,"
            "ComparisonOperator=GREATER_THAN,Threshold=80},Subscribers=[{SubscriptionType=EMAIL,"
            "Address=YOU@example.org}]'"
        ),
        "The image, with root in the container as SageMaker wants it:",
        (
            "$ docker build --build-arg RUN_AS=root "
            "-t ACCOUNT.dkr.ecr.REGION.amazonaws.com/loupe:serve ."
        ),
        "$ aws ecr create-repository --repository-name loupe",
        (
            "$ aws ecr get-login-password | docker login --username AWS --password-stdin "
            "ACCOUNT.dkr.ecr.REGION.amazonaws.com"
        ),
        "$ docker push ACCOUNT.dkr.ecr.REGION.amazonaws.com/loupe:serve",
        "$ aws sagemaker create-model --cli-input-json file://sagemaker/model.json",
        (
            "$ aws sagemaker create-endpoint-config "
            "--cli-input-json file://sagemaker/endpoint-config.json"
        ),
        "$ aws sagemaker create-endpoint --cli-input-json file://sagemaker/endpoint.json",
        "$ aws sagemaker wait endpoint-in-service --endpoint-name loupe",
        (
            "$ aws application-autoscaling register-scalable-target "
            "--cli-input-json file://sagemaker/scaling.json"
        ),
        (
            "$ aws sagemaker-runtime invoke-endpoint --endpoint-name loupe "
            "--body fileb://photo.jpg --content-type image/jpeg answer.json"
        ),
        "Delete it when it is not needed: $ aws sagemaker delete-endpoint --endpoint-name loupe",
    ),
    make=make,
    schemas={
        MODEL: "sagemaker-model",
        CONFIG: "sagemaker-endpoint-config",
        ENDPOINT: "sagemaker-endpoint",
        SCALING: "sagemaker-scaling",
        BUDGET: "sagemaker-budget",
    },
    where=ManifestPaths(
        environment=(MODEL, "PrimaryContainer", "Environment"),
        most=((SCALING, "MaxCapacity"), (CONFIG, "ProductionVariants", 0, "InitialInstanceCount")),
    ),
    arguments=("serve",),
    port_variable="SAGEMAKER_BIND_TO_PORT",
    asks="sagemaker",
    bounded_by='"MaxCapacity": 1',
    budget=Budget.BY_USE,
    traffic=Traffic.THOUSANDS,
    knows=Expertise.YES,
    gpu=True,
    remarks=(
        "No page and no address for the public: programs ask it with AWS credentials.",
        "A photo of more than 6 MB does not get through.",
    ),
)
