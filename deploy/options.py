"""The ways to bring a model to people: the hosts, and two that need none."""

from collections.abc import Mapping
from dataclasses import dataclass

from .host import Budget, Expertise, Host, Kind, Traffic
from .hosts import hosts

__all__ = ["DeploymentOption", "deployment_options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentOption:
    """What a ranking must know of a way; for a host it is taken from its description."""

    name: str
    title: str
    kind: Kind
    price: str
    host: Host | None = None
    """The host, whose files can be written; None for a way that needs none."""
    private: bool = False
    """Photos stay on the device, or on a server that only its owner administers."""
    offline: bool = False
    own_model: bool = True
    page: bool = True
    """Whether people can open Loupe's own page there."""
    budget: Budget
    traffic: Traffic
    knows: Expertise
    own_domain: bool = False
    gpu: bool = False
    sleeps: bool = False
    keeps_files: bool = True


DEVICE = DeploymentOption(
    name="device",
    title="On the device",
    kind=Kind.DEVICE,
    price="Nothing beyond the device: make run on a laptop, or graph.onnx in an app of your own.",
    private=True,
    offline=True,
    budget=Budget.NOTHING,
    traffic=Traffic.FEW,
    knows=Expertise.NO,
    gpu=True,
)

READY_MADE = DeploymentOption(
    name="ready-made",
    title="A ready-made model",
    kind=Kind.READY_MADE,
    price="By the request, as with Google Cloud Vision, Amazon Rekognition or Azure AI Vision.",
    own_model=False,
    page=False,
    budget=Budget.BY_USE,
    traffic=Traffic.THOUSANDS,
    knows=Expertise.NO,
    gpu=True,
)


def deployment_options() -> Mapping[str, DeploymentOption]:
    """All ways by name."""
    found = [DEVICE, *map(_of, hosts().values()), READY_MADE]
    return {way.name: way for way in found}


def _of(host: Host) -> DeploymentOption:
    return DeploymentOption(
        name=host.name,
        title=host.title,
        kind=host.kind,
        price=host.price,
        host=host,
        private=host.own_server,
        page=host.asks == "api",
        budget=host.budget,
        traffic=host.traffic,
        knows=host.knows,
        own_domain=host.own_domain,
        gpu=host.gpu,
        sleeps=host.limits.sleeps,
        keeps_files=host.limits.keeps_files,
    )
