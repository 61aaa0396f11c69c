"""Calibration: temperature, label thresholds and OOD threshold, fitted on held-out photos.

Calibration needs no torch: it adds a few nodes to the end of a graph, and figures to
``bundle.json``.
"""

from .calibrate_folder import calibrate_bundle, calibrate_small_graph

__all__ = ["calibrate_bundle", "calibrate_small_graph"]
