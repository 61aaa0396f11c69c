"""Importing fastai exports: inspect reads one and runs nothing, convert turns it into a bundle."""
