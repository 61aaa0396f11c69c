"""Predictions: their meaning, their words and their links."""
