"""What a model's answers are worth, found on photos that it did not learn from.

Nothing here needs torch: a calibration is a few nodes at the end of a graph, and
the numbers in ``bundle.json`` that go with them.
"""

from .fit import Trust, calibrate
from .folder import calibrate_bundle
from .outputs import Outputs
from .put import put

__all__ = ["Outputs", "Trust", "calibrate", "calibrate_bundle", "put"]
