"""Ways to share a model, as the ranking sees them, and the two that need no host."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["DEVICE", "READY_MADE", "Budget", "DeploymentOption", "Expertise", "Kind", "Traffic"]


class Kind(StrEnum):
    """Form of hosting, from the most control to the least."""

    DEVICE = "on the device"
    STATIC = "static"
    IAAS = "IaaS"
    VPS = "VPS"
    PAAS = "PaaS"
    ML_PAAS = "ML PaaS"
    READY_MADE = "ready-made"

    @property
    def label(self) -> str:
        """The kind in plain words."""
        return LABELS[self]


LABELS = {
    Kind.DEVICE: "your own device",
    Kind.STATIC: "files only (static)",
    Kind.IAAS: "a rented machine (IaaS)",
    Kind.VPS: "a rented server (VPS)",
    Kind.PAAS: "managed for you (PaaS)",
    Kind.ML_PAAS: "API only (ML platform)",
    Kind.READY_MADE: "someone else's model",
}


class Budget(StrEnum):
    """Cost of a month, from least to most."""

    NOTHING = "nothing"
    FEW_DOLLARS = "a few dollars"
    BY_USE = "by use"


class Traffic(StrEnum):
    """Number of visitors, from fewest to most."""

    FEW = "a few people"
    HUNDREDS = "hundreds a day"
    THOUSANDS = "thousands an hour"


class Expertise(StrEnum):
    """Knowledge of servers, from least to most."""

    NO = "no"
    SOME = "some"
    YES = "yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentOption:
    """One way to share a model."""

    name: str
    title: str
    kind: Kind
    price: str
    budget: Budget
    """Lowest budget on which Loupe runs there."""
    traffic: Traffic
    """Highest traffic it can be scaled to."""
    expertise: Expertise = Expertise.NO
    own_domain: bool = False
    gpu: bool = False

    @property
    def is_private(self) -> bool:
        """True if photos stay on the device, or on a server that only its owner administers."""
        return self.runs_on_device or self.kind in (Kind.VPS, Kind.IAAS)

    @property
    def runs_on_device(self) -> bool:
        """True if the model runs where the photo is taken."""
        return self.kind in (Kind.DEVICE, Kind.STATIC)

    @property
    def has_page(self) -> bool:
        """True if people can open Loupe's own page."""
        return self.kind not in (Kind.ML_PAAS, Kind.READY_MADE)

    @property
    def sleeps(self) -> bool:
        """True if a visitor may have to wait for a start."""
        return False

    @property
    def keeps_files(self) -> bool:
        """True if the data folder survives a restart."""
        return True


DEVICE = DeploymentOption(
    name="device",
    title="On the device",
    kind=Kind.DEVICE,
    price="Nothing beyond the device: make run on a laptop, or graph.onnx in your own app.",
    budget=Budget.NOTHING,
    traffic=Traffic.FEW,
    gpu=True,
)

READY_MADE = DeploymentOption(
    name="ready-made",
    title="A ready-made model",
    kind=Kind.READY_MADE,
    price="Per request, as with Google Cloud Vision, Amazon Rekognition or Azure AI Vision.",
    budget=Budget.BY_USE,
    traffic=Traffic.THOUSANDS,
    gpu=True,
)
