"""The API as an application of Ray Serve: ``serve run serve.yaml`` starts it.

Its routes are those of every other server; Serve adds proxies, replicas and their number.
"""

import os

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray reads it when it is imported

from ray import serve

from api.app import build_application
from api.lifecycle import STORE_SECONDS
from api.problems import RETRY_AFTER_SECONDS
from model import load
from model.model_store import store_follower
from model.settings import settings

SPARE_REQUESTS = 1000
"""Requests that a replica takes beyond what its admission queue holds: uploads that still arrive,
which ``api.body_limits`` bounds, and photos that it refuses in the API's words."""


@serve.ingress(build_application)
class Api:
    """A replica; it is ready once the default model has passed its golden test."""

    def __init__(self) -> None:
        # Serve calls this before the application's lifespan.
        if follower := store_follower():
            follower.compared.wait(STORE_SECONDS)
        load()

    def check_health(self) -> None:
        """Raise an error, so that Serve replaces this replica, if the model can't be loaded."""
        load()


def deployment() -> serve.Deployment:
    """Return the deployment with this process's settings.

    Photos wait in the replica's admission queue alone: Serve's own line would have no deadline.
    """
    capacity = settings().threads + settings().queue + SPARE_REQUESTS
    return serve.deployment(
        Api,
        name="Api",
        max_ongoing_requests=capacity,
        max_queued_requests=capacity,
        backpressure_config={"retry_after_s": RETRY_AFTER_SECONDS},
        ray_actor_options={"num_cpus": settings().threads},
    )


app = deployment().bind()
