"""Amazon SageMaker: the image behind an endpoint that answers signed requests."""

from ..host import Fit, Host, Limits, Plan, Start
from ..spec import AppSpec
from ..templates import dump_json

DOCS = "https://docs.aws.amazon.com/sagemaker/latest"
REGISTRY = "ACCOUNT.dkr.ecr.REGION.amazonaws.com"
MEMORY_MB = 8192
FILE = "sagemaker/model.json"


def make_plan(app: AppSpec) -> Plan:
    """Return the request that creates the model; the other requests fit into commands."""
    image = f"{REGISTRY}/{app.name}:{app.image_stage}"
    request = {
        "ModelName": app.name,
        "PrimaryContainer": {"Image": image, "Environment": app.environment(MEMORY_MB)},
        "ExecutionRoleArn": "arn:aws:iam::ACCOUNT:role/ROLE",
    }
    # SageMaker requires root, and rejects OCI's format (aws/amazon-sagemaker-feedback issue 180).
    push = (
        "export AWS_DEFAULT_REGION=REGION && aws ecr get-login-password | "
        f"docker login --username AWS --password-stdin {REGISTRY} && "
        "docker buildx build --platform=linux/amd64 --provenance=false "
        "--output=type=registry,oci-mediatypes=false "
        f"--target {app.image_stage} --build-arg RUN_AS=root -t {image} ."
    )
    create_model = f"aws sagemaker create-model --cli-input-json file://{FILE}"
    # Not T2: burstable instances can't be scaling targets, so have no maximum.
    create_config = (
        "aws sagemaker create-endpoint-config --endpoint-config-name $NEW --production-variants "
        "VariantName=all,ModelName=$NEW,InstanceType=ml.m5.large,InitialInstanceCount=1,"
        "ContainerStartupHealthCheckTimeoutInSeconds=300"
    )
    return Plan(
        {FILE: dump_json(request)},
        f"""\
$ aws budgets create-budget --account-id ACCOUNT --budget \
'BudgetName=loupe,BudgetType=COST,TimeUnit=MONTHLY,BudgetLimit={{Amount=50,Unit=USD}}' \
--notifications-with-subscribers 'Notification={{NotificationType=ACTUAL,\
ComparisonOperator=GREATER_THAN,Threshold=80}},\
Subscribers=[{{SubscriptionType=EMAIL,Address=YOUR-ADDRESS}}]'
$ aws ecr create-repository --repository-name loupe --region REGION
$ {push}
$ {create_model}
$ {create_config.replace("$NEW", app.name)}
$ aws sagemaker create-endpoint --endpoint-name loupe --endpoint-config-name loupe
$ aws sagemaker wait endpoint-in-service --endpoint-name loupe
$ aws application-autoscaling register-scalable-target --service-namespace sagemaker \
--resource-id endpoint/loupe/variant/all \
--scalable-dimension sagemaker:variant:DesiredInstanceCount --min-capacity 1 --max-capacity 1
$ aws sagemaker-runtime invoke-endpoint --endpoint-name loupe --body fileb://photo.jpg \
--content-type image/jpeg answer.json
When you no longer need it, delete it:
$ aws sagemaker delete-endpoint --endpoint-name loupe""",
        f"{push} && NEW=loupe-$(date +%s) && {create_model} --model-name $NEW && {create_config} "
        "&& aws sagemaker update-endpoint --endpoint-name loupe --endpoint-config-name $NEW",
    )


HOST = Host(
    name="sagemaker",
    title="Amazon SageMaker",
    kind="API only (ML)",
    summary="Identifies photos for other programs behind AWS's sign-in; it shows no page.",
    price="By the hour of the instance, around the clock, until the endpoint is deleted.",
    fit=Fit(budget="by use", traffic="thousands an hour", expertise="yes"),
    gpu=True,
    limits=Limits(memory_mb=MEMORY_MB, cpu=2, start_seconds=300),
    sources=f"""\
https://aws.amazon.com/sagemaker/pricing/ memory, cores, price (cited)
{DOCS}/APIReference/API_CreateEndpointConfig.html start, files (cited)""",
    budget_alert="`aws budgets` sends an e-mail at 80% of 50 dollars a month (it warns, it does "
    "not stop); --max-capacity limits the bill.",
    remarks="""\
--max-capacity keeps it at one instance.
The models are part of the image.
No public page: programs call it with AWS credentials.
A photo larger than 6 MB is rejected.""",
    make_plan=make_plan,
    placeholders={
        "ACCOUNT": "the number of the AWS account",
        "REGION": "a region such as eu-central-1",
        "ROLE": "a role that SageMaker may assume, with access to the image",
        "YOUR-ADDRESS": "the address for the budget alert",
    },
    start=Start(
        command=("deploy/entrypoint.sh", "serve"),
        port_variable="SAGEMAKER_BIND_TO_PORT",
        protocol="sagemaker",
        ready_path="/ping",
    ),
)
