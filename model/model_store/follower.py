"""A replica's side of the store: load the versions that the database names, once verified."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..browser.device_files import make_ahead
from ..bundle import MANIFEST, Bundle, current_version, fingerprint
from ..bundle.bundle import MAX_MANIFEST_BYTES, read_manifest
from ..bundle.registry import Fingerprint, open_bundle, own_models, store_pending
from ..bundle.versions import add_version, set_current
from ..engine_info import ENGINES, OPTIONAL_FILES
from ..errors import BundleDamaged, BundleError, DataError, LoupeError
from ..loading import load_bundle
from ..settings import settings
from ..storage.disk import hash_file, publish_folder, require_space
from .publications import Publication, Publications, copy_file

POLL_SECONDS = 1
MAX_FILES, MAX_VERSION_BYTES = 20, 2**31
"""Most files of a version, and most bytes of all of them."""

RETRY_SECONDS = 30
"""Pause before a version that failed to load is tried again."""

MARK = ".from-store"
"""Empty file in a version that was downloaded, and may be removed; others are the owner's."""

log = logging.getLogger("loupe")


@dataclass(frozen=True)
class Problem:
    """A version that failed to load (None: the table), the reason, and the time of the next try."""

    publication: Publication | None
    code: str
    retry_at: float

    def to_dict(self) -> dict[str, str]:
        """Return what anyone may read: no path, and no name that isn't a model's."""
        row, values = self.publication, {"code": self.code}
        if row is not None and row.is_valid:
            values |= {"model": row.name, "version": row.version}
        return values


class Follower:
    """Compares this replica's versions with the database's, again and again, in one thread."""

    def __init__(self) -> None:
        self.compared = threading.Event()
        """Set once the first comparison has ended, whatever it found."""
        self._publications: Publications | None = None
        self._problems: dict[int, Problem] = {}
        self._followed: dict[str, tuple[int, Fingerprint]] = {}

    def start(self) -> None:
        """Start the thread; ``store_pending`` is set until all published models are downloaded."""
        store_pending.set()
        threading.Thread(target=self._run, name="model-store", daemon=True).start()

    def report(self) -> list[dict[str, str]]:
        """Return what couldn't be loaded and why, ready for JSON."""
        return [problem.to_dict() for problem in list(self._problems.values())]

    def _run(self) -> None:
        while True:
            self.compare()
            self.compared.set()
            time.sleep(POLL_SECONDS)

    def compare(self) -> None:
        """Load each version that the database names and that isn't current here."""
        try:
            self._publications = self._publications or Publications(settings().database_url)
            current = self._publications.list_current()
        except Exception as error:  # noqa: BLE001 - rows may hold anything
            self._note(None, "database-unavailable", error)
        else:
            ids = {publication.id for publication in current}
            self._problems = {key: self._problems[key] for key in ids & self._problems.keys()}
            for publication in current:
                self._follow(publication)
        # After later problems, this replica keeps the previous version.
        if store_pending.is_set() and not self._is_model_missing():
            store_pending.clear()

    def _is_model_missing(self) -> bool:
        """Return whether a published model, or any if that isn't known, has no version here."""
        wanted, own = settings().model, own_models()
        rows = (problem.publication for problem in self._problems.values())
        names = (row.name if row and row.is_valid else wanted for row in rows)
        return any(name not in own if name else not own for name in names if wanted in ("", name))

    def _follow(self, publication: Publication) -> None:
        problem, name = self._problems.get(publication.id), publication.name
        if problem and time.monotonic() < problem.retry_at:
            return
        try:
            if not publication.is_valid:
                raise DataError(
                    f"Row {publication.id} of the table publications is invalid. Find out who "
                    "wrote it, and delete it."
                )
            if self._followed.get(name) != (publication.id, fingerprint(name)):
                self._take(publication)
                self._followed[name] = publication.id, fingerprint(name)
            self._problems.pop(publication.id, None)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the previous version stays
            code = error.code if isinstance(error, LoupeError) else "error"
            self._note(publication, code, error)

    def _note(self, publication: Publication | None, code: str, error: Exception) -> None:
        """Remember a problem; the log has one line for each version and reason."""
        key = publication.id if publication else 0
        previous = self._problems.get(key)
        problem = Problem(publication, code, time.monotonic() + RETRY_SECONDS)
        self._problems[key] = problem
        if previous is None or previous.code != code:
            subject = " ".join(problem.to_dict().values())
            log.error("Not loaded from the model store (%s): %s", subject, error)

    def _take(self, publication: Publication) -> None:
        """Make a version current once its hashes and golden outputs match."""
        folder = settings().data / "models" / publication.name
        previous, target = current_version(folder), folder / publication.version
        try:
            bundle = _open_verified(target, publication)
        except (OSError, BundleError):
            bundle = self._download(publication, target)
        # A version that fails here stays until another one is current: its download would only
        # be repeated.
        load_bundle(bundle, settings().engine)
        if previous == publication.version:
            return
        set_current(folder, publication.version)
        log.info("%s is now %s.", publication.name, publication.version)
        # The one before stays for pages that are still open and for links.
        for path in folder.iterdir():
            if path.name not in (publication.version, previous) and (path / MARK).exists():
                shutil.rmtree(path, ignore_errors=True)
        make_ahead(bundle)

    def _download(self, publication: Publication, target: Path) -> Bundle:
        source = f"{publication.name}/{publication.version}"

        def fill(new: Path) -> Path:
            copy_file(f"{source}/{MANIFEST}", new / MANIFEST, MAX_MANIFEST_BYTES)
            _check_hash(new, publication)
            files = read_manifest(new / MANIFEST)[0].files
            names = _needed_names(files)
            size = sum(files[name].bytes for name in names)
            if MANIFEST in files or len(files) > MAX_FILES or size > MAX_VERSION_BYTES:
                raise BundleDamaged(
                    f"{source} has over {MAX_FILES} files, over 2 GB, or a second {MANIFEST}."
                )
            require_space(new, size)
            for name in names:
                copy_file(f"{source}/{name}", new / name, files[name].bytes)
            _open_verified(new, publication)
            (new / MARK).touch()
            # On all replicas the same model is the newest.
            os.utime(new / MANIFEST, (publication.added.timestamp(),) * 2)
            return target

        folder = publish_folder(target.parent.parent, fill, add_version)
        return open_bundle(folder, publication.name)


def _check_hash(folder: Path, publication: Publication) -> None:
    if hash_file(folder / MANIFEST) != publication.sha256:
        raise BundleDamaged(
            f"{MANIFEST} of {publication.name} {publication.version} is not the one that was "
            "published: its SHA-256 differs."
        )


def _open_verified(folder: Path, publication: Publication) -> Bundle:
    _check_hash(folder, publication)
    bundle = open_bundle(folder, publication.name)
    if missing := set(_needed_names(bundle.manifest.files)) - set(bundle.file_names):
        # It was taken when LOUPE_ENGINE was another engine.
        raise BundleDamaged(f"{folder} has no {', '.join(missing)}.")
    bundle.verify()
    return bundle


def _needed_names(files: Iterable[str]) -> list[str]:
    """Return the names without those that only another engine needs."""
    needed = ENGINES[settings().engine].needs
    return [name for name in files if name not in OPTIONAL_FILES or name == needed]
