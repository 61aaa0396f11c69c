"""The fastai learner of a bundle: rebuilding it, and the module that is exported to ONNX."""

import platform
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto


def strip_metadata(model: "ModelProto") -> None:
    """Remove the exporter's notes on each node, which contain paths of the machine it ran on."""
    graph = model.graph
    parts = (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info)
    for part in (*parts, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of those packages that are installed."""
    versions = {"python": platform.python_version()}
    for package in packages:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
