"""Making a version current on all replicas: a new one, or an earlier one again."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..bundle import MANIFEST, Bundle, roll_back
from ..bundle.bundle import MAX_MANIFEST_BYTES
from ..classifier import Classifier
from ..engines import start
from ..errors import SettingRefused
from ..settings import settings
from ..storage.addresses import StorageUnavailable
from ..storage.disk import hash_file
from .publications import Publications
from .store_files import copy_file, is_route, upload


@contextmanager
def open_publications() -> Iterator[Publications]:
    """Open the table.

    Raises:
        SettingRefused: there is no store.
        DataError: the database can't be used.
    """
    if not settings().store:
        raise SettingRefused(
            "LOUPE_STORE isn't set. Set it to the folder, bucket or other Loupe from which "
            "replicas download versions (docs/scale.md)."
        )
    with closing(Publications(settings().database_url)) as publications:
        yield publications


def make_current(bundle: Bundle, move: Callable[[], Bundle] | None = None) -> None:
    """Make a version of this machine the current one, of all replicas with a store.

    ``move`` is called once it is checked, and returns it, moved to its model's folder.

    Raises:
        LoupeError: its files or its answers aren't those that it states, or the store or the
            database can't be used; the current version stays.
    """
    bundle.verify()
    Classifier(bundle, start(bundle, "compiled")).run_golden_test()
    bundle = move() if move else bundle
    if settings().store:
        publish_version(bundle)
    else:
        roll_back(bundle.name, bundle.version)


def publish_version(bundle: Bundle) -> None:
    """Make a verified version of this machine the current one of its name.

    Raises:
        LoupeError: the store or the database can't be used; the current version stays.
    """
    sha256 = hash_file(bundle.folder / MANIFEST)
    with open_publications() as publications:
        if not is_route(settings().store):
            upload(bundle)
        _check_store(bundle.name, sha256)
        publications.add(bundle.name, sha256)


def republish(name: str, version: str) -> str | None:
    """Make a version current that was published before; return the version that was current.

    Raises:
        BundleNotFound: it was never published.
        LoupeError: the store or the database can't be used; the current version stays.
    """
    with open_publications() as publications:
        publication = publications.find(name, version)
        current = {row.name: row.version for row in publications.list_current()}
        _check_store(name, publication.sha256)
        publications.add(name, publication.sha256)
    return current.get(name)


def _check_store(name: str, sha256: str) -> None:
    """Check that replicas find this very manifest in the store."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, MANIFEST)
        copy_file(f"{name}/{sha256[:12]}/{MANIFEST}", path, MAX_MANIFEST_BYTES)
        if hash_file(path) != sha256:
            raise StorageUnavailable(
                f"{MANIFEST} of {name} {sha256[:12]} in {settings().store} is another file. Find "
                "out who changed it, and publish the version again."
            )
