"""Visitors' corrections: stored in SQLite or PostgreSQL, exported as a zip.

    from model.corrections import correction_store

    correction_store().add_correction(prediction, "teapot", photo=None)

Imports SQLAlchemy; ``import model`` alone does not.
"""

from .database import parse_url
from .review import export_corrections
from .store import Correction, CorrectionStore, correction_store

__all__ = [
    "Correction",
    "CorrectionStore",
    "correction_store",
    "export_corrections",
    "parse_url",
]
