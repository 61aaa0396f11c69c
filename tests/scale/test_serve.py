"""The API on Ray Serve, through its proxy: the files of ``deploy write``, and the only line."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.hosts import HOSTS
from deploy.hosts.ray_serve import FILE
from deploy.spec import APP
from model import Bundle
from model.model_store.publications import publish_version
from model.samples import samples
from tests.api.raw import file_part, form
from tests.api.test_slow_clients import run_middleware
from tests.model.tiny import tiny
from tests.operating.parts import ask
from tests.waiting import wait_until

from .conftest import encode
from .serve_cluster import serve_cluster

QUEUE = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the cluster's database, model store and data."""
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[str]:
    """The address of the API on a cluster of one machine, with one replica of one core."""
    settings = {"DATABASE": f"sqlite:///{folder}/records.sqlite", "STORE": f"{folder}/store"}
    replica = {"LOUPE_QUEUE": str(QUEUE), "LOUPE_MODEL": "imagenet"}
    with serve_cluster(folder, 1, replica, DATA=f"{folder}/data", **settings) as started:
        yield started.url


def test_busy_replies_are_the_apis_own(cluster: str) -> None:
    photo = samples()[0].read()
    url = f"{cluster}/api/v1/identify?model=imagenet&top=1&explain=true"
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: ask(url, photo), range(20)))
    answers = [json.loads(body) for status, _, body in replies if status == 200]
    refusals = [reply for reply in replies if reply[0] != 200]
    assert len(answers) >= 1 + QUEUE
    assert len({answer["answer"] for answer in answers}) == 1
    assert refusals
    for status, headers, body in refusals:
        assert (status, headers["content-type"]) == (503, "application/problem+json"), body
        assert int(headers["retry-after"]) >= 1
        assert json.loads(body)["code"] == "busy"


def test_batch_of_a_form_is_answered_in_lines(cluster: str) -> None:
    names = ["red.png", "blue.png"]
    body = form(*(file_part("photos", name, encode(name.removesuffix(".png"))) for name in names))
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Accept": "application/x-ndjson"}
    status, _, lines = ask(f"{cluster}/api/v1/identify/batch?top=1", body, headers)
    assert status == 200
    assert [json.loads(line)["photo"] for line in lines.splitlines()] == names


def test_replica_follows_the_model_store(cluster: str, folder: Path, data_folder: Path) -> None:
    for title in ("First", "Second"):
        bundle = tiny(folder / "publisher", title=title)
        publish_version(bundle)

        def has_it(version: str = bundle.version) -> bool:
            _, _, body = ask(f"{cluster}/api/v1/identify?model=tiny", encode("red"))
            return json.loads(body).get("version") == version

        wait_until(has_it, 5)


def test_written_file_is_a_valid_serve_config(tiny_bundle: Bundle, tmp_path: Path) -> None:
    from ray.serve.config import AutoscalingConfig
    from ray.serve.schema import ServeDeploySchema

    from scale.serve_deployment import deployment

    values = {"MIN_REPLICAS": "2", "MAX_REPLICAS": "3"}
    text = HOSTS["ray-serve"].make_files(APP, values)[FILE]
    config = ServeDeploySchema.model_validate(yaml.safe_load(text))
    (application,) = config.applications
    assert application.import_path == "scale.serve_deployment:app"
    (options,) = application.deployments
    assert options.name == deployment().name
    autoscaling = AutoscalingConfig.model_validate(options.autoscaling_config)
    assert (autoscaling.min_replicas, autoscaling.max_replicas) == (2, 3)
    assert options.autoscaling_config.keys() <= AutoscalingConfig.model_fields.keys()


def exchange(app: ASGIApp) -> tuple[int, Headers, bytes]:
    """Send a large body through the middleware; return the status, headers and body it gets."""
    from scale.serve_proxy import ProxyMiddleware

    sent, _ = run_middleware(ProxyMiddleware(app), [bytes(2**20)] * 130)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], Headers(raw=sent[0]["headers"]), body


async def send_nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Do as Serve does when the replica is lost."""


async def read_everything(_scope: Scope, receive: Receive, _send: Send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.mark.parametrize(
    ("app", "status", "code"),
    [
        (send_nothing, 503, "busy"),
        (PlainTextResponse("Backpressure", 503), 503, "busy"),
        (read_everything, 413, "too-large"),
    ],
)
def test_proxy_errors_become_api_errors(app: ASGIApp, status: int, code: str) -> None:
    reply = exchange(app)
    assert (reply[0], json.loads(reply[2])["code"]) == (status, code)
    assert ("retry-after" in reply[1]) is (status == 503)


def test_other_responses_pass_the_proxy() -> None:
    for response in (PlainTextResponse("metrics"), JSONResponse({"status": "not ready"}, 503)):
        status, headers, body = exchange(response)
        expected = response.status_code, response.headers["content-type"], response.body
        assert (status, headers["content-type"], body) == expected
