"""Files made against this reader: nothing runs, nothing is built, and each ends with a sentence."""

import resource
from pathlib import Path

import pytest

from model.errors import ExportRefused
from model.importing.inspect.container import open_export
from model.importing.inspect.inspection import inspect_file
from model.importing.inspect.network import read_network
from model.importing.inspect.weights import read_state_dict
from tests.model.importing.inspect.hostile_reader import (
    container_files,
    network_files,
    pickle_files,
)

HERE = Path("marker")
NETWORKS, PICKLES, CONTAINERS = map(
    sorted, (network_files(HERE), pickle_files(HERE), container_files(HERE))
)

MAX_KILOBYTES = 300 * 1024


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


def refusal(path: Path) -> str:
    """What stops an import of the file: the reader's, the network's or the builder's sentence."""
    import fastai.vision.all  # noqa: F401 - no part of what a file takes

    from model.importing.convert.network_builder import CannotBuild, Weights, build_network

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        # Never by more than its own sentence, whatever the object in the file is.
        assert inspect_file(path).fatal
        with open_export(path) as export:
            if export.damage or any(finding.fatal for finding in export.findings):
                return export.damage or export.findings[0].message
            weights = Weights(export.read_storage)
            if state := read_state_dict(export.root):
                for tensor in state.tensors.values():
                    weights.tensor(tensor)
            network = read_network(export.root)
            if network.own:
                return f"needs --trust for {network.own[0].full}"
            build_network(network, weights)
    except (ExportRefused, CannotBuild) as error:
        return str(error)
    finally:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert used < MAX_KILOBYTES
    return ""


def assert_refused(data: bytes, marker: Path, folder: Path) -> None:
    path = folder / "network.pth"
    path.write_bytes(data)
    assert refusal(path)
    assert not marker.exists()


@pytest.mark.torch
@pytest.mark.parametrize("name", NETWORKS)
def test_network_is_never_built(name: str, marker: Path, tmp_path: Path) -> None:
    assert_refused(network_files(marker)[name], marker, tmp_path)


@pytest.mark.torch
@pytest.mark.parametrize("name", PICKLES)
def test_pickle_reaches_nothing(name: str, marker: Path, tmp_path: Path) -> None:
    assert_refused(pickle_files(marker)[name], marker, tmp_path)


@pytest.mark.torch
@pytest.mark.parametrize("name", CONTAINERS)
def test_container_is_refused(name: str, marker: Path, tmp_path: Path) -> None:
    assert_refused(container_files(marker)[name], marker, tmp_path)
