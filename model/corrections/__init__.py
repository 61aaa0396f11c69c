"""What visitors said of answers: kept in SQLite or PostgreSQL, exported as a zip.

    from model.corrections import correction_store

    correction_store().add_correction(prediction, "teapot", photo=None)

Imports SQLAlchemy; ``import model`` alone does not.
"""

from .store import MAX_LABEL, Correction, CorrectionStore, correction_store

__all__ = ["MAX_LABEL", "Correction", "CorrectionStore", "correction_store"]
