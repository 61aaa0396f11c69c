"""Derived forms of a bundle: what a browser downloads to run the model on the device."""
