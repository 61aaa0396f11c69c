"""Calibration: temperature, label thresholds and OOD threshold, fitted on held-out photos.

Nothing here needs torch: a calibration is a few nodes at the end of a graph and the
figures in ``bundle.json`` that belong to them.
"""

from .apply import write_calibration
from .calibrate_folder import calibrate_bundle
from .fit import CalibrationResult, calibrate
from .graph_outputs import GraphOutputs

__all__ = [
    "CalibrationResult",
    "GraphOutputs",
    "calibrate",
    "calibrate_bundle",
    "write_calibration",
]
