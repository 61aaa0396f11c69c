"""Models loaded once per process, by name or the one that opens by default."""

import logging
import threading
import weakref
from collections.abc import Iterator
from copy import copy

from .bundle import Bundle, Fingerprint, default_models, fingerprint, get_bundle
from .bundle.registry import store_pending
from .classifier import Classifier, RemoteClassifier
from .engines import start
from .errors import BundleNotFound, LoupeError
from .resources import trim_memory
from .settings import settings
from .text import warn_of_labels

log = logging.getLogger("loupe")

_lock = threading.Lock()
_loaded: dict[tuple[str, str, str], Classifier] = {}
"""Classifiers by name, version and engine."""

_by_fingerprint: dict[tuple[str, str], tuple[Fingerprint, weakref.ref[Classifier]]] = {}
"""Classifiers of ``_loaded`` by name and engine, with the fingerprint of their files: parsing a
manifest for each photo takes as long as resizing one."""

_skipped: dict[tuple[str, str], tuple[Fingerprint, LoupeError]] = {}
"""Models that can't be opened by default, by name and engine, until their files change."""


class StorePending(LoupeError, code="store-pending"):
    """A replica that lacks published models and therefore answers nothing."""


def default_model() -> str | None:
    """Return the name of the model that ``load()`` returns, None if there is none.

    Nothing is loaded: a model counts as usable until loading it has failed.
    """
    return next((name for name, _ in _default_candidates(settings().engine)), None)


def _default_candidates(engine: str) -> Iterator[tuple[str, Fingerprint]]:
    """Yield the default models that have not failed to load, with their fingerprints."""
    for name in default_models():
        current = fingerprint(name)
        skipped = _skipped.get((name, engine))
        if not (skipped and skipped[0] == current):
            yield name, current


def load(name: str | None = None, engine: str | None = None) -> Classifier:
    """Return the model of that name, ready to use; loaded once per process.

    Args:
        name: by default the one in the settings, else the owner's newest, else a built-in one.
            The newest is skipped with a line in the log if it can't be used.
        engine: ``compiled`` or ``learner``; by default the one in the settings.

    Raises:
        BundleNotFound: there is no such model.
        BundleError: its files are damaged, too new, or fail the golden test.
        EngineUnavailable: the engine's packages are not installed.
        StorePending: this replica doesn't have the published models yet.
    """
    if store_pending.is_set():
        raise StorePending("The published models aren't loaded yet. Try again in a minute.")
    engine = engine or settings().engine
    # Taken before the files are read, so that the next call notices a change in between.
    return _load(name, engine, fingerprint(name)) if name else _load_default(engine)


def _load(name: str, engine: str, current: Fingerprint) -> Classifier:
    cached = _by_fingerprint.get((name, engine))
    if cached and cached[0] == current and (classifier := cached[1]()):
        return classifier
    classifier = load_bundle(get_bundle(name), engine)
    _by_fingerprint[name, engine] = current, weakref.ref(classifier)
    return classifier


def _load_default(engine: str) -> Classifier:
    """Return the first of the default models that can be used."""
    for name, current in _default_candidates(engine):
        try:
            return _load(name, engine, current)
        except LoupeError as error:
            if settings().model:
                raise
            # A copy, and text in the log: the traceback keeps the caller's photo in memory.
            _skipped[name, engine] = current, copy(error)
            log.warning("The model %r is skipped: %s", name, str(error))
    for name in default_models():
        raise copy(_skipped[name, engine][1])
    raise BundleNotFound(
        "There is no model. Import one (python -m model import), or set LOUPE_BUILTIN=true."
    )


def load_bundle(bundle: Bundle, engine: str) -> Classifier:
    """Return a version of a model, ready to use; ``load`` finds it loaded once it is current.

    Raises:
        BundleError, EngineUnavailable: see ``load``.
    """
    key = (bundle.name, bundle.version, engine)
    # Checked outside the lock: other sessions must not wait while one loads torch.
    if classifier := _loaded.get(key):
        return classifier
    with _lock:
        if key not in _loaded:
            # The API runs its own engine, so one that is chosen here runs here.
            is_remote = settings().api and engine == settings().engine
            kind = RemoteClassifier if is_remote else Classifier
            classifier = kind(bundle, start(bundle, engine))
            classifier.run_golden_test()
            # The previous version of a bundle is dropped from memory.
            for other in [other for other in _loaded if other[0] == key[0] and other[1] != key[1]]:
                del _loaded[other]
            _loaded[key] = classifier
            if warning := warn_of_labels(bundle.labels):
                log.warning("%s: %s", bundle.name, warning)
            # Loading leaves twice the model's size behind as freed memory.
            trim_memory()
        return _loaded[key]
