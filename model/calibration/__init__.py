"""What a model's answers are worth, found on photos that it did not learn from.

Nothing here needs torch: a calibration is a few nodes at the end of a graph, and
the numbers in ``bundle.json`` that go with them.
"""

from .apply import write_calibration
from .calibrate_folder import calibrate_bundle
from .fit import CalibrationResult, calibrate
from .graph_outputs import Outputs

__all__ = ["CalibrationResult", "Outputs", "calibrate", "calibrate_bundle", "write_calibration"]
