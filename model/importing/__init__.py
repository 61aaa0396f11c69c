"""Importing fastai exports: inspect reads one and runs nothing, convert makes a bundle of it."""
