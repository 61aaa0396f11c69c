"""Attacks on a running app, and what its other visitors see meanwhile: ``make attacks``."""
