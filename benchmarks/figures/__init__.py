"""The measurements: one module per figure or family of figures, listed in ``table.py``."""
